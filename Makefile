# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# A thin front for CMake and the scripts in tools/. On a fresh Debian 12 with git
# and make, each target first installs the packages that it needs (tools/deps).

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
ONLY ?=
SECONDS ?= 180
ARGS ?=

ROOT := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
override MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo check check-full check-changed model model-large conformance \
	figures bench build test install format tidy kernel kernel-check \
	kernel-check-full kernel-cost vm-check vm-demo watch deps clean

help: ## list the targets
	@echo "usage: make TARGET [PREFIX=$(PREFIX)] [JOBS=$(JOBS)] [ONLY=prefix] [SECONDS=$(SECONDS)]"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(ROOT)Makefile | \
		while IFS='|' read -r name text; do \
			printf '  %-18s %s\n' "$$name" "$$text"; done

demo: ## build, install to build/prefix and run the examples, beside gRPC's
	@cd $(ROOT) && tools/deps demo
	@cd $(ROOT) && tools/stage $(JOBS)
	@cd $(ROOT) && examples/greeter/demo build/prefix
	@echo
	@cd $(ROOT) && examples/kv/demo build/prefix

check: ## what every change must pass, half an hour, with the kernel built
	@cd $(ROOT) && tools/deps check
	@cd $(ROOT) && tools/check --jobs $(JOBS)

check-full: ## everything, resumable: passed parts are not run again
	@cd $(ROOT) && tools/deps full
	@cd $(ROOT) && tools/check --mode full --jobs $(JOBS)

check-changed: ## what the changes since the merge base can break
	@cd $(ROOT) && tools/deps full
	@cd $(ROOT) && tools/check --mode changed --jobs $(JOBS)

model: ## the models of the protocols and the test of the real header
	@cd $(ROOT) && tools/deps model
	@cd $(ROOT) && tools/model --jobs $(JOBS)

model-large: ## the models with large bounds: half an hour, 16 GB of memory
	@cd $(ROOT) && tools/deps model
	@cd $(ROOT) && spec/model/run --large --jobs $(JOBS)

conformance: ## whether what runs keeps the contract: logs of all tests, checked
	@cd $(ROOT) && tools/deps check
	@cd $(ROOT) && tools/conformance --jobs $(JOBS) --only '$(ONLY)'

figures: ## the measurements behind the claims; ONLY=channel_ for a part
	@cd $(ROOT) && tools/deps figures
	@cd $(ROOT) && tools/figures --jobs $(JOBS) --only '$(ONLY)'

bench: ## this library beside its peers, in one run; SECONDS=1800 for a long one
	@cd $(ROOT) && tools/deps bench
	@cd $(ROOT) && tools/bench --jobs $(JOBS) --seconds '$(SECONDS)' \
		--only '$(ONLY)'

build: ## release build of everything in build/release
	@cd $(ROOT) && tools/deps check
	@cd $(ROOT) && cmake --preset release --log-level=WARNING
	@cd $(ROOT) && cmake --build --preset release --parallel $(JOBS)

test: build ## the tests of the release build
	@cd $(ROOT) && ctest --preset release --parallel $(JOBS)

install: ## build the library and install it below PREFIX
	@cd $(ROOT) && tools/deps build
	@cd $(ROOT) && tools/stage $(JOBS) '$(PREFIX)'

format: ## clang-format all C and C++ in place
	@cd $(ROOT) && tools/deps check
	@cd $(ROOT) && tools/lint/format.py --fix

tidy: build ## clang-tidy over everything
	@cd $(ROOT) && tools/deps full
	@cd $(ROOT) && tools/lint/tidy.py --build build/release --jobs $(JOBS)

kernel: ## Linux 6.12 with our series; ARGS="--config running --dry-run" for yours
	@cd $(ROOT) && tools/deps kernel
	@cd $(ROOT) && linux-patches/build.sh --jobs $(JOBS) $(ARGS)

kernel-check: ## the tests of the kernel and of its guests, in QEMU
	@cd $(ROOT) && tools/deps vm
	@cd $(ROOT) && tests/vm/check --jobs $(JOBS)

kernel-cost: ## what the series costs a kernel, in instructions
	@cd $(ROOT) && tools/deps vm
	@cd $(ROOT) && tests/vm/cost --jobs $(JOBS)

kernel-check-full: ## more kernels, each patch of the series; hours, resumable
	@cd $(ROOT) && tools/deps kernelfull
	@cd $(ROOT) && tools/check --mode kernel --jobs $(JOBS)

vm-demo: ## three services behind the module on two CPUs, and who gets them, live
	@cd $(ROOT) && tools/deps vm
	@cd $(ROOT) && tests/vm/demo --jobs $(JOBS) $(ARGS)

vm-check: ## services behind the module in a guest: killed, stopped, overloaded
	@cd $(ROOT) && tools/deps vm
	@cd $(ROOT) && tests/vm/serve_test --jobs $(JOBS)

watch: ## what a NIC sees of a kernel under load, live, in a guest of QEMU
	@cd $(ROOT) && tools/deps vm
	@cd $(ROOT) && tests/vm/watch --jobs $(JOBS) $(ARGS)

deps: ## install the packages of every target
	@cd $(ROOT) && tools/deps full

clean: ## remove build/
	@rm -rf $(ROOT)build
