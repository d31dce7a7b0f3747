#!/usr/bin/env bash
# Holds internal/sensor and internal/trim against this kernel and real containers. As root runc and the programs in the containers are installed with apt-get; what is not possible here
# (no root, no BPF, no runc) is skipped, and the output says why.
set -euo pipefail
cd "$(dirname "$0")/.."
missing=
for pair in runc:runc redis-check-rdb:redis-tools sqlite3:sqlite3 gawk:gawk busybox:busybox-static \
  nginx:nginx-light redis-server:redis-server logrotate:logrotate /usr/bin/python3:python3-minimal; do
  command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
compgen -G '/usr/lib/postgresql/*/bin/pg_ctl' >/dev/null || missing="$missing postgresql"
if [ "$(id -u)" = 0 ] && [ -n "$missing" ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  # At runlevel 1 no server begins that comes with a package.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $missing >/dev/null
fi
go test -v -tags integration -timeout 10m ./internal/sensor | grep -vE '^=== '
go test -v -tags integration -run 'WatchesThisMachine|BenignWorkloads' ./internal/cli | grep -vE '^=== '
go test -v -tags integration -run OnThisMachine ./internal/agent | grep -vE '^=== '
go test -v -tags integration -timeout 10m ./internal/trim | grep -vE '^=== '
