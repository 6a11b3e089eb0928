# Everything a person or a machine does with this tree. `make help` lists it.
PYTHON ?= python3
BIN := .venv/bin
RUST := $(shell find rust -name '*.rs' -o -name '*.py' 2>/dev/null) Cargo.toml Cargo.lock rust/core/Cargo.toml rust/py/Cargo.toml
INSTALL := VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/maturin develop --release --uv
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: run test check fmt bench docs help build clean

run: build ## build, install, and run the whole loop on the embedded model
	$(BIN)/forge run configs/laptop.toml $(ARGS)

test: .venv/.dev .venv-vllm/.made ## all tests, Rust and Python; with ARGS only what pytest finds by them
	cargo test --workspace --quiet
	$(BIN)/python -m pytest -q $(ARGS)
	$(if $(ARGS),,[ ! -x .venv-vllm/bin/python ] || .venv-vllm/bin/python -m pytest -q tests/engines)

check: .venv/.dev ## formatting, lints, types, stubs, layers: what a commit must pass
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest forge._core
	$(BIN)/python -m pytest -q tests/test_layers.py

bench: .venv/.dev ## measure forge against its peers and the raw limits, in one interleaved run
	$(BIN)/python -m pytest -q benches --measure $(ARGS)

fmt: .venv/.dev ## format everything
	cargo fmt --all
	$(BIN)/ruff format -q .
	$(BIN)/ruff check -q --fix .

docs: .venv/.dev ## write the generated documentation anew
	FORGE_WRITE_DOCS=1 $(BIN)/python -m pytest -q tests/test_cli.py -k documented

build: .venv/.built ## build and install into .venv, run nothing

clean: ## remove what was built; runs/ stays
	rm -rf .venv .venv-vllm target

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1@\2/p' $(MAKEFILE_LIST) | awk -F@ '{printf "%-14s %s\n", $$1, $$2}'

# A CPU build of torch where one can be had, since the default build for Linux brings several GB of CUDA.
.venv/.torch: scripts/environment.sh pyproject.toml
	@echo "installing torch and the build tools into .venv" >&2
	@PYTHON=$(PYTHON) sh scripts/environment.sh
	@touch $@

.venv/.built: .venv/.torch $(RUST) pyproject.toml
	@command -v cargo >/dev/null || { echo "error: no Rust toolchain; hint: install one from https://rustup.rs" >&2; exit 2; }
	@echo "building forge (a minute or two the first time)" >&2
	@$(INSTALL) >.venv/build.log 2>&1 || { cat .venv/build.log >&2; exit 3; }
	@touch $@

# vLLM asks for older libraries than the rest is tested with, so its tests have an environment of their own.
.venv-vllm/.made: .venv/.dev scripts/vllm-environment.sh $(wildcard tests/engines/vllm-*.txt)
	@sh scripts/vllm-environment.sh
	@mkdir -p $(@D) && touch $@

.venv/.dev: .venv/.built
	@$(INSTALL) --extras dev >.venv/build.log 2>&1 || { cat .venv/build.log >&2; exit 3; }
	@touch $@
