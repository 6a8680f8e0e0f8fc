# Everything a newcomer or a contributor runs. Needs Python 3.11 to 3.13, pip and make.
PYTHON ?= python3
CHECKPOINT ?= all-MiniLM-L6-v2
QUESTIONS ?= "How does a run go on after a kill?" \
  "Which file formats can checkpoints have?" "How do I add a task of my own?"
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: docs types peers help quickstart search test test-full test-soak bench bench-quick check format notebooks clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

quickstart: $(VENV)/installed ## fine-tune, export and serve a classifier (CHECKPOINT=name or folder)
	@$(BIN)/bert_tf2 quickstart --init_checkpoint="$(CHECKPOINT)"

search: $(VENV)/installed ## ask this project's own pages three questions, by all-MiniLM-L6-v2's vectors
	@$(BIN)/bert_tf2 index --init_checkpoint="$(CHECKPOINT)" --index_dir=runs/pages --overwrite \
	  --passage_length=128 README.md CONTRIBUTING.md docs benchmarks/README.md checkpoints/README.md
	@echo && $(BIN)/bert_tf2 search --index_dir=runs/pages --hybrid --top_k=2 $(QUESTIONS)

test: $(VENV)/installed ## the default test suite
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not full and not soak"

test-full: $(VENV)/installed ## and what needs the reference assets or a minute
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not soak"

test-soak: peers ## and kill chains, fuzzing, whole trainings, peers' programs: hours
	@$(BIN)/python -m pytest -n 2 --dist loadfile

peers: $(VENV)/installed ## environments of the libraries that tests compare with, 5 GB, once
	@$(BIN)/python -m benchmarks.venvs transformers model_garden clients

bench: $(VENV)/installed ## side by side with every peer, an hour and a half (benchmarks/README.md)
	@$(BIN)/python -m benchmarks

bench-quick: $(VENV)/installed ## the rows asked for first, in few rounds
	@$(BIN)/python -m benchmarks --quick

notebooks: $(VENV)/installed ## execute the notebooks that have changed; the network once, minutes
	@$(BIN)/python -m notebooks

docs: $(VENV)/installed ## build the site of all pages into site/
	@$(BIN)/python -m docs

types: $(VENV)/installed ## write bert_tf2/__init__.pyi, the types of all public names
	@$(BIN)/python -m docs.stubs

check: $(VENV)/installed ## formatter and linter
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

format: $(VENV)/installed ## let ruff repair what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove the virtual environment
	rm -rf $(VENV)

$(VENV)/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "Python 3.11 to 3.13 is needed: make PYTHON=/path/to/python3.13 …"; exit 1; }
	@echo "Installing the requirements into $(VENV) (once, a minute or two) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
