#!/usr/bin/env bash
# Prints CPU, peak memory and packages of reading images: syft's, ours, and the floor. test/bench.sh calls it with the directory that holds
# the programs ullage and rss.
#
# The images are made once, of Debian packages (apt-get download), npm packages, Go programs and jars, and kept with syft in the user's cache directory, or in
# ULLAGE_BENCH_DIR. That takes half a gigabyte of downloads, and some minutes. What is missing on this machine is said and left out.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$1
runs=${RUNS:-5}
kept=${ULLAGE_BENCH_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ullage/bench}
mkdir -p "$kept"
go build -o "$work/images" ./test/images

# The roots of Debian packages whose dependencies make the two layers of them.
base="base-files bash coreutils dpkg libc-bin passwd tar gzip sed grep findutils util-linux ca-certificates openssl curl perl-base python3 python3-requests nginx-light"
tools="git perl openjdk-17-jre-headless libtomcat9-java libspring-web-java libguava-java liblog4j2-java libjackson2-databind-java libhibernate3-java python3-numpy python3-cryptography ruby"

# debian DIR DONE PACKAGES...: a root file system of packages and what they depend on, with dpkg's database of them. DONE is a file with the
# packages that are in a lower layer.
debian() {
  local dir=$1 done=$2; shift 2
  local debs="$dir.debs"
  mkdir -p "$debs" "$dir/var/lib/dpkg/info" "$dir/usr/bin" "$dir/usr/sbin" "$dir/usr/lib" "$dir/usr/lib64"
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
    grep -E '^[a-z0-9][a-z0-9.+-]*$' | sort -u | comm -23 - "$done" > "$dir.names"
  (cd "$debs" && xargs -a "$dir.names" apt-get -o APT::Sandbox::User=root download -qq)
  for link in bin sbin lib lib64; do ln -sfn "usr/$link" "$dir/$link"; done
  for deb in "$debs"/*.deb; do unpack "$dir" "$deb"; done
  sort -u "$done" "$dir.names" -o "$done"
}

# unpack DIR DEB: what dpkg does, without running what the package has to run.
unpack() {
  local dir=$1 deb=$2 info="$1/var/lib/dpkg/info" name
  name=$(dpkg-deb -f "$deb" Package)
  [ "$(dpkg-deb -f "$deb" Multi-Arch)" != same ] || name="$name:$(dpkg-deb -f "$deb" Architecture)"
  dpkg-deb --fsys-tarfile "$deb" | tar -x --no-same-owner --keep-directory-symlink -C "$dir"
  dpkg-deb --fsys-tarfile "$deb" | tar -t | sed -E 's|^\.||; s|(.)/$|\1|; s|^/$|/.|' > "$info/$name.list"
  dpkg-deb -I "$deb" md5sums > "$info/$name.md5sums" 2>/dev/null || rm -f "$info/$name.md5sums"
  { dpkg-deb -f "$deb" | sed '1a Status: install ok installed'; echo; } >> "$dir/var/lib/dpkg/status"
}

makeImages() {
  local made=$kept/making
  rm -rf "$made"
  mkdir -p "$made/node/app" "$made/programs/usr/local/bin" "$made/removed/usr/share"
  : > "$made/done"
  # shellcheck disable=SC2086 # lists of words
  debian "$made/base" "$made/done" $base
  # shellcheck disable=SC2086
  debian "$made/tools" "$made/done" $tools
  # dpkg's database is one file: that of the upper layer has the packages of both.
  cat "$made/base/var/lib/dpkg/status" >> "$made/tools/var/lib/dpkg/status"
  (cd "$made/node/app" && echo '{"name":"app","version":"1.0.0"}' > package.json &&
    npm install --ignore-scripts --no-audit --no-fund --silent express@4.21.2 webpack@5.97.1 jest@29.7.0 eslint@8.57.1 typescript@5.7.2 aws-sdk@2.1692.0)
  for program in cmd/ullage test/images test/generate; do go build -o "$made/programs/usr/local/bin/" "./$program"; done
  : > "$made/removed/usr/share/.wh.doc"
  "$work/images" make "$made/system" "gzip:$made/base" "gzip:$made/tools" "gzip:$made/removed"
  "$work/images" make "$made/application" "zstd:$made/base" "gzip:$made/node" "zstd:$made/programs" "zstd:$made/tools"
  mkdir "$made/images"
  mv "$made/system" "$made/application" "$made/images/"
  mv "$made/images" "$kept/images"
  rm -rf "$made"
}

# cpu COMMAND...: seconds of CPU and megabytes of memory, of the run that is the median of RUNS by CPU.
cpu() {
  for _ in $(seq "$runs"); do "$work/rss" "$@" 2>/dev/null; done | awk '{print $2, $1}' | sort -n | awk '{cpu[NR]=$1; kb[NR]=$2} END {m=int((NR+1)/2); print cpu[m], kb[m]/1024}'
}

# compare NAME IMAGE: the three side by side.
compare() {
  local name=$1 image=$2 floor ours secrets warm peer packages
  floor=$(cpu "$work/images" floor "$image")
  ours=$(cpu "$work/ullage" image --no-store --no-secrets --db "$work/none" -o json "oci:$image")
  secrets=$(cpu "$work/ullage" image --no-store --db "$work/none" -o json "oci:$image")
  "$work/ullage" image --store "$work/store" --db "$work/none" -o json "oci:$image" > "$work/cold.json" || [ $? = 3 ]
  warm=$(cpu "$work/ullage" image --store "$work/store" --db "$work/none" "oci:$image")
  packages=$(grep -o '"ecosystem":' "$work/cold.json" | wc -l)
  # shellcheck disable=SC2086 # two figures
  printf '%-44s %6.2f s CPU %7.0f MB\n' "$name, floor" $floor
  printf '%-44s %6.2f s CPU %7.0f MB %7d packages\n' "$name, ullage image --no-secrets" $ours "$packages"
  printf '%-44s %6.2f s CPU %7.0f MB\n' "$name, ullage image" $secrets
  # shellcheck disable=SC2086
  printf '%-44s %6.2f s CPU %7.0f MB\n' "$name, known to the store" $warm
  if [ -x "$syft" ]; then
    peer=$(cpu env SYFT_CHECK_FOR_APP_UPDATE=false "$syft" scan -q -o json "oci-dir:$image")
    SYFT_CHECK_FOR_APP_UPDATE=false "$syft" scan -q -o json "oci-dir:$image" > "$work/syft.json"
    packages=$(grep -o '"foundBy":' "$work/syft.json" | wc -l)
    printf '%-44s %6.2f s CPU %7.0f MB %7d packages\n' "$name, syft" $peer "$packages"
    "$work/images" compare "$work/syft.json" "$work/cold.json" || differ=1
  fi
}

if [ ! -d "$kept/images" ]; then
  for tool in apt-get apt-cache dpkg-deb npm; do
    command -v $tool >/dev/null || { echo "images: left out, there is no $tool to make them with"; exit 0; }
  done
  makeImages
fi
syft=$kept/syft
[ -x "$syft" ] || (cd test/syft && go build -o "$syft" github.com/anchore/syft/cmd/syft) || echo "syft: left out, it was not built"
differ=0
for image in system application; do compare "image $image" "$kept/images/$image"; done
exit $differ
