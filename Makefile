# What people and CI run. `make help` lists it.
GO ?= go
# One static file, and no C compiler needed.
export CGO_ENABLED = 0
BIN := bin/ullage

.PHONY: help run build agent test kubernetes integration test-lsm scale lint bench fuzz generate sensor clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

build: ## build bin/ullage
	$(GO) build -trimpath -o $(BIN) ./cmd/ullage

agent: ## build bin/ullage-agent, the daemon of a node
	$(GO) build -trimpath -ldflags '-s -w' -o $(BIN)-agent ./cmd/ullage-agent

run: build ## check the sample shop in examples/chandlery
	@$(BIN) check examples/chandlery || test $$? -eq 1

test: ## unit tests, the rules' own examples, the Pod Security fixtures
	$(GO) test ./...

kubernetes: ## build etcd and kube-apiserver for tests, once for each version; ten minutes of CPU
	$(GO) run ./test/apiserver/build

integration: kubernetes ## against the API server's own code, and a real one
	$(GO) test -v -tags integration -timeout 40m -run 'Agrees?WithServer' ./policies ./internal/model ./internal/access
	ULLAGE_TEST_KUBERNETES=required $(GO) test -tags integration -run RealCluster ./internal/access ./internal/cli
	$(GO) test -tags integration -run 'ContainerdStore|DockerStore' ./internal/image
	cd test/sigstore && $(GO) test ./...
	./test/oracles.sh
	./test/sensor.sh

test-lsm: ## the sensor on stock kernels of Debian in emulated machines; an hour of CPU; KERNELS="6.12" and RUN=Origins do less
	./test/kernels/run.sh -run '$(or $(RUN),.)' $(KERNELS)

lint: ## formatting, vet, staticcheck, layers, generated files
	@test -z "$$(gofmt -l cmd internal policies frameworks test)" || { echo "not gofmt-ed:"; gofmt -l cmd internal policies frameworks test; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck -tags integration ./...
	$(GO) run ./test/layers
	@$(MAKE) --no-print-directory generate
	@git diff --exit-code -- docs/rule-library.md policies/checked.txt policies/behavior/checked.txt || { echo "generated files are stale: commit what make generate wrote"; exit 1; }
	@if command -v clang-14 >/dev/null && [ -e /usr/include/bpf/bpf_helpers.h ]; then $(MAKE) --no-print-directory sensor && \
		git diff --exit-code --stat -- internal/sensor || { echo "the sensor's objects are stale: commit what make sensor wrote"; exit 1; }; fi

sensor: ## compile the kernel's half of the sensor; takes clang-14, llvm-14 and libbpf-dev
	$(GO) generate ./internal/sensor

generate: build ## write docs/rule-library.md and the checked.txt of policies from the rules
	@$(BIN) policy list -o markdown > docs/rule-library.md
	@$(GO) run ./test/checked

bench: build ## the figures of docs/benchmarks.md
	./test/bench.sh

scale: kubernetes ## CPU and memory of each command over 10,000 pods of a real API server; fails above 300 MB
	ULLAGE_TEST_KUBERNETES=required $(GO) test -tags integration -run '^$$' -bench RealCluster -benchtime 1x -timeout 30m ./internal/cli

FUZZTIME ?= 30s
fuzz: ## run each fuzz target for FUZZTIME
	@grep -rlE '^func Fuzz' --include='*_test.go' internal | while read -r file; do \
		for target in $$(grep -oE '^func Fuzz[A-Za-z0-9]+' $$file | cut -d' ' -f2); do \
			echo "$$target"; $(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=10x ./$$(dirname $$file) || exit 1; \
		done; \
	done

clean: ## remove what was built
	rm -rf bin
