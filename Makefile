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
bench: ## make bench NAME: figures and ratios (names: up, plc, mesh)
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

# More than this much memory is mapped for its own: the frames of each program are fresh pages, not zeroed ones.
.PHONY: differential
differential: ## make differential N=1000000 FROM=0: generated programs on both engines, from that seed
	@MALLOC_MMAP_THRESHOLD_=262144 cargo run --release --locked -q -p lineshaft-differential-tests -- run $(or $(N),100000) $(or $(FROM),0)

.PHONY: clean
clean: ## remove build outputs and the quickstart's data
	@rm -rf target .lineshaft tests/.venv tests/.tools
