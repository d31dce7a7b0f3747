#!/usr/bin/env bash
# Holds internal/sensor against this kernel and real containers. As root runc is installed with apt-get where it is missing; what is not possible here
# (no root, no BPF, no runc) is skipped, and the output says why.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" = 0 ] && ! command -v runc >/dev/null && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends runc
fi
go test -v -tags integration -timeout 10m ./internal/sensor | grep -vE '^=== '
go test -v -tags integration -run WatchesThisMachine ./internal/cli | grep -vE '^=== '
go test -v -tags integration -run OnThisMachine ./internal/agent | grep -vE '^=== '
