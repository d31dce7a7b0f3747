# What people and CI run. `make help` lists it.
GO ?= go
BIN := bin/ullage

.PHONY: help run build test integration lint bench fuzz generate clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

build: ## build bin/ullage
	$(GO) build -trimpath -o $(BIN) ./cmd/ullage

run: build ## check the sample shop in examples/chandlery
	@$(BIN) check examples/chandlery || test $$? -eq 1

test: ## unit tests, the rules' own examples, the Pod Security fixtures
	$(GO) test ./...

integration: ## against the API server's own code: policy evaluation, defaulting
	$(GO) test -v -tags integration -run 'Agrees?WithServer' ./policies ./internal/model

lint: ## formatting, vet, staticcheck, layers, generated files
	@test -z "$$(gofmt -l cmd internal policies frameworks test)" || { echo "not gofmt-ed:"; gofmt -l cmd internal policies frameworks test; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck -tags integration ./...
	$(GO) run ./test/layers
	@$(MAKE) --no-print-directory generate
	@git diff --exit-code -- docs/rule-library.md || { echo "generated files are stale: commit what make generate wrote"; exit 1; }

generate: build ## write docs/rule-library.md from the rules
	@$(BIN) policy list -o markdown > docs/rule-library.md

bench: build ## the figures of docs/benchmarks.md
	./test/bench.sh

FUZZTIME ?= 30s
fuzz: ## run each fuzz target for FUZZTIME
	@grep -rlE '^func Fuzz' --include='*_test.go' internal | while read -r file; do \
		for target in $$(grep -oE '^func Fuzz[A-Za-z0-9]+' $$file | cut -d' ' -f2); do \
			echo "$$target"; $(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) ./$$(dirname $$file) || exit 1; \
		done; \
	done

clean: ## remove what was built
	rm -rf bin
