#!/usr/bin/env bash
# Holds internal/sensor against stock kernels of Debian, each booted in an emulated machine (QEMU without KVM), because a security hook, a tracepoint or a
# field of a structure that one kernel has is not there in another. As root what is needed is installed with apt-get; kernels are only unpacked.
#   test/kernels/run.sh [-run PATTERN] [KERNEL...]     kernels: 5.10 6.1 6.12
# Nothing is timed: emulation is many times slower than a machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
pattern=.
if [ "${1:-}" = -run ]; then pattern=$2; shift 2; fi
kernels=("$@")
[ ${#kernels[@]} -gt 0 ] || kernels=(5.10 6.1 6.12)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ullage/kernels
keys=/usr/share/keyrings/debian-archive-keyring.gpg
skip() { echo "SKIP kernels: $*"; exit 0; }

[ "$(uname -m)" = x86_64 ] || skip "they are of amd64, and this machine is $(uname -m)"
command -v apt-get >/dev/null && [ -e $keys ] || skip "they come from Debian's archive, and this machine has no apt-get or not Debian's keys ($keys)"
missing=
for pair in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio runc:runc xz:xz-utils; do
  command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || skip "install$missing"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $missing >/dev/null
fi
! ldd "$(command -v busybox)" >/dev/null 2>&1 || skip "busybox must be the static one (package busybox-static)"

# archive SUITE sets what apt-get needs to ask for one release of Debian, whatever this machine is of.
archive() {
  local of=$cache/apt/$1
  mkdir -p "$of/lists/partial" "$of/archives/partial"
  printf 'deb [signed-by=%s] http://deb.debian.org/%s main\n' $keys "debian $1" $keys "debian-security $1-security" >"$of/sources"
  apt=(-o Dir::Etc::sourcelist="$of/sources" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$of/lists" -o Dir::Cache="$of" -o Acquire::Languages=none -o APT::Sandbox::User=)
  apt-get "${apt[@]}" -qq update
}

# fetch KERNEL unpacks what Debian has of it as the newest, once.
fetch() {
  local suite meta package
  case $1 in
  5.10) suite=bullseye meta=linux-image-amd64 ;;
  6.1) suite=bookworm meta=linux-image-amd64 ;;
  6.12) suite=bookworm meta=linux-image-6.12-amd64 ;;
  *) echo "no such kernel: $1" >&2; exit 2 ;;
  esac
  [ -e "$cache/$1/complete" ] && return
  rm -rf "${cache:?}/$1"
  mkdir -p "$cache/$1"
  archive $suite
  package=$(apt-cache "${apt[@]}" depends $meta | sed -n 's/^ *Depends: //p')
  (cd "$cache/$1" && apt-get "${apt[@]}" -qq download "$package" && dpkg-deb -x ./*.deb unpacked && rm ./*.deb)
  touch "$cache/$1/complete"
}

# module NAME INTO puts a module there, behind those that it needs.
module() {
  local file into=$2 of
  file=$(find "$unpacked/lib/modules" -name "$1.ko*" | head -1)
  [ -n "$file" ] || return 0 # built in
  local plain=$work/$1.ko
  case $file in *.xz) xz -dc "$file" >"$plain" ;; *) cp "$file" "$plain" ;; esac
  for of in $(tr '\0' '\n' <"$plain" | sed -n 's/^depends=//p' | tr ',' ' '); do module "$of" "$into"; done
  mv "$plain" "$into/$(printf %02d "$(ls "$into" | wc -l)")-$1.ko"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CGO_ENABLED=0
go test -c -tags integration -ldflags '-s -w' -o "$work/sensor.test" ./internal/sensor

failed=
for kernel in "${kernels[@]}"; do
  if ! fetch "$kernel"; then echo "SKIP Linux $kernel: Debian's archive does not give it"; continue; fi
  unpacked=$cache/$kernel/unpacked root=$work/$kernel
  mkdir -p "$root/bin" "$root/files/modules" "$root/lib" "$root/lib64"
  cp test/kernels/init "$root/init"
  cp "$(command -v busybox)" "$root/bin/busybox"
  cp "$(command -v runc)" "$root/bin/runc"
  # What runc is linked with; the test binary is with nothing.
  for library in $(ldd "$(command -v runc)" | grep -o '/[^ ]*'); do mkdir -p "$root$(dirname "$library")"; cp "$library" "$root$library"; done
  cp "$work/sensor.test" "$root/files/"
  echo "-test.v -test.timeout 25m -test.run $pattern" >"$root/files/sensor.arguments"
  module overlay "$root/files/modules"
  (cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd"
  rm -rf "$root"
  log=$work/log-$kernel
  # The list of security modules is Debian's own where that has bpf in it.
  nice timeout "${KERNEL_SECONDS:-1700}" qemu-system-x86_64 -m 2048 -smp 2 -nographic -no-reboot -net none \
    -kernel "$unpacked"/boot/vmlinuz-* -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1 no_timer_check ${KERNEL_APPEND:-}" </dev/null 2>&1 |
    tr -d '\r' | sed -un 's/^.*ullage: //p' | tee "$log" | grep --line-buffered -vE '=== (RUN|PAUSE|CONT|NAME)' | sed -u "s/^/$kernel: /" || true
  tally() { grep -cE "^[a-z]+: *--- $1" "$log" || true; }
  if ! grep -qx done "$log"; then
    echo "FAIL Linux $kernel: the machine did not come to the end of its tests"
    failed=yes
  elif grep -qE '^[a-z]+: (FAIL|panic:)' "$log"; then
    echo "FAIL Linux $kernel: $(tally PASS) passed, $(tally FAIL) failed, $(tally SKIP) skipped"
    failed=yes
  else
    echo "PASS Linux $kernel: $(tally PASS) passed, $(tally SKIP) skipped"
  fi
done
[ -z "$failed" ]
