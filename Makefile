# SPDX-License-Identifier: Apache-2.0
# `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# `make bench up` names a benchmark: its words are not targets of their own then.
ifeq (bench,$(firstword $(MAKECMDGOALS)))
  BENCH := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
  $(eval $(BENCH):;@:)
endif

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

ifneq (bench,$(firstword $(MAKECMDGOALS)))
.PHONY: up
up: ## build everything, start the plant simulator and the quickstart manifests
	@scripts/up
endif

.PHONY: test
test: ## install what the tests need and run all of them
	@scripts/test

.PHONY: lint
lint: ## formatting, clippy, shell and docs checks
	@scripts/lint

.PHONY: bench
bench: ## make bench NAME: figures and ratios (names: up, plc)
	@scripts/bench $(BENCH)

.PHONY: apiserver
apiserver: ## build lineshaft-apiserver and kubectl (Go)
	@apiserver/build.sh

.PHONY: build
build: ## release binaries in target/release and target/go
	@scripts/build

.PHONY: generate
generate: ## write the CRD YAML and the reference pages anew from the types
	@cargo run -q -p lineshaft-crds --bin crdgen
	@cargo run -q -p lineshaft-language-tests --bin language-reference

.PHONY: fuzz
fuzz: ## the decoders and the compiler on random input, longer than in the tests
	@scripts/fuzz

.PHONY: clean
clean: ## remove build outputs and the quickstart's data
	@rm -rf target .lineshaft tests/.venv tests/.tools
