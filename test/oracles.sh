#!/usr/bin/env bash
# Holds what internal/image reads of images against dpkg, rpm, npm, Python, RubyGems and Composer, on file systems that they install, and the version orders of internal/vuln
# against those of dpkg, rpm, apk, Python, npm and Maven. What is missing on this machine is
# installed with apt-get, which takes root; where there is no apt-get, or it is somebody else, those tests are skipped and the output says which.
#
# Three kinds of packages have no oracle here. Of apk, Debian has no tool that writes its database. .NET's is made by hand in the unit tests, as Debian has no SDK. Of Rust,
# the list in a program is written by cargo auditable, which Debian has not, and Cargo.lock says what a project wants, not what an image holds: it is not read.
set -euo pipefail
cd "$(dirname "$0")/.."

# tool:package
wanted="debootstrap:debootstrap dpkg-deb:dpkg rpmbuild:rpm rpm:rpm npm:npm python3:python3 gem:ruby composer:composer sqlite3:sqlite3 db5.3_load:db5.3-util /usr/share/distro-info/debian.csv:distro-info-data"
missing=""
for pair in $wanted; do
  command -v "${pair%%:*}" >/dev/null || [ -e "${pair%%:*}" ] || missing="$missing ${pair##*:}"
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  if [ -n "$missing" ]; then
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $missing
  fi
  export ULLAGE_TEST_DEBIAN=${ULLAGE_TEST_DEBIAN:-required}
elif [ -n "$missing" ]; then
  echo "oracles: left out are tests that need$missing: there is no apt-get, or this is not root"
fi
go test -v -tags integration -timeout 30m -run 'AgreesWith' ./internal/image ./internal/vuln | grep -vE '^=== '
