#!/usr/bin/env bash
# Prints the figures of docs/benchmarks.md: CPU (user+system) and peak memory of whole processes, the median of RUNS runs.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${RUNS:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -trimpath -o "$work/ullage" ./cmd/ullage
go run ./test/generate -n 10000 -o "$work/workloads"
head -46 "$work/workloads/workloads-00000.yaml" > "$work/one.yaml"

# measure NAME COMMAND...: the median of each figure.
measure() {
  local name=$1; shift
  for _ in $(seq "$runs"); do
    /usr/bin/env bash -c 'TIMEFORMAT="%U %S"; time "$@" >/dev/null 2>&1 || true' bash "$@" 2>"$work/time"
    "$work/rss" "$@" > "$work/kb" 2>/dev/null || true
    awk 'NR==FNR{cpu=$1+$2; next}{print cpu, $1/1024}' "$work/time" "$work/kb"
  done | sort -n | awk -v name="$name" '{cpu[NR]=$1; mem[NR]=$2} END {m=int((NR+1)/2); printf "%-44s %6.2f s CPU %7.0f MB\n", name, cpu[m], mem[m]}'
}

# The peak memory of a process and its CPU, from the kernel: a program of a few lines, as /usr/bin/time is not everywhere.
cat > "$work/rss.go" <<'GO'
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	c := exec.Command(os.Args[1], os.Args[2:]...)
	_ = c.Run()
	s := c.ProcessState
	fmt.Println(s.SysUsage().(*syscall.Rusage).Maxrss, (s.UserTime() + s.SystemTime()).Seconds())
}
GO
go build -o "$work/rss" "$work/rss.go"

echo "$(grep -m1 'model name' /proc/cpuinfo 2>/dev/null | cut -d: -f2-), $(nproc) cores, $(go version | cut -d' ' -f3)"
measure "10,000 documents, all rules" "$work/ullage" check --profile all "$work/workloads"
measure "10,000 documents, all rules, one processor" env GOMAXPROCS=1 "$work/ullage" check --profile all "$work/workloads"
measure "10,000 documents, recommended rules" "$work/ullage" check "$work/workloads"
measure "10,000 documents, all rules, -o json" "$work/ullage" check --profile all -o json "$work/workloads"
measure "one document, recommended rules" "$work/ullage" check "$work/one.yaml"
measure "one document, all rules" "$work/ullage" check --profile all "$work/one.yaml"
measure "storage, 10,000 documents" "$work/ullage" storage "$work/workloads"
measure "secrets, 10,000 documents" "$work/ullage" secrets "$work/workloads"
measure "attack-paths, 10,000 documents" "$work/ullage" attack-paths "$work/workloads"
measure "start of the process (--version)" "$work/ullage" --version
if command -v kube-score >/dev/null; then
  measure "kube-score, the same 10,000 documents" bash -c "kube-score score $work/workloads/*.yaml"
fi
./test/bench-images.sh "$work"
go test -run '^$' -bench . -benchtime 200ms ./internal/tree ./internal/model ./internal/policy ./internal/reach ./internal/access ./internal/attack ./internal/check | grep -E '^(Benchmark|pkg)'
go test -run '^$' -bench 'Lookup|Full|Ubuntu|Import' -benchtime 20x ./internal/advisory | grep -E '^Benchmark'
# What the sensor costs those who are watched; skipped where this is not root, or the kernel takes no BPF.
CGO_ENABLED=0 go test -tags integration -run '^$' -bench Overhead -benchtime 1x ./internal/sensor | grep -E '^Benchmark|SKIP|needs' || true
CGO_ENABLED=0 go test -tags integration -run '^$' -bench AgentCost -benchtime 20x ./internal/agent | grep -E '^Benchmark|SKIP|needs' || true
