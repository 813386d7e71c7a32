# Two commands a new machine needs: `make prove` and `make test`.  Both set up first.
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

help:  ## Print this help
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

$(STAMP): pyproject.toml
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $(STAMP)

setup: $(STAMP)  ## Create the virtual environment and install the project into it

prove: $(STAMP)  ## Prove a fixture guest and verify the receipt
	mkdir -p build
	$(BIN)/bento prove fixtures/guests/fibonacci/fibonacci.elf --input fixtures/guests/fibonacci/input.bin --output build/fibonacci.receipt
	$(BIN)/bento verify build/fibonacci.receipt --image-id $$(cat fixtures/guests/fibonacci/image_id.txt)

lint: $(STAMP)  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## Lint, then the default tier, then the prove tier
	$(BIN)/python docs/generate.py --check
	$(BIN)/pytest -n auto
	$(BIN)/pytest -m prove

.PHONY: help setup prove lint test
