# Everything a person or CI does, from a clean clone. Needs python3 (3.11+ with venv) alone.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help train train-keras data serve chromium postgresql test verify-records mutants check docs pins format campaign benchmark speedrun pretrained clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

# The pins of some files, by their hashes. PyTorch apart: which build there is, is the machine's affair.
define install
	$(PYTHON) bench/pins.py $(1) >.venv/pins.txt
	$(BIN)/pip install --disable-pip-version-check -q --no-deps --require-hashes -r .venv/pins.txt
endef

.venv/runtime: requirements.txt requirements-hashes.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "this needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
	"name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || rm -rf .venv
	$(PYTHON) -m venv .venv
	$(call install,requirements.txt)
	$(BIN)/pip install --disable-pip-version-check -q -c requirements.txt $$(grep ^torch== requirements.txt)
	$(BIN)/pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

.venv/keras: .venv/runtime requirements-keras.txt
	$(call install,requirements-keras.txt)
	@touch $@

.venv/dev: .venv/runtime requirements-keras.txt requirements-tune-track.txt requirements-transfer.txt requirements-dev.txt
	$(call install,requirements-dev.txt)
	@touch $@

data: .venv/runtime  ## get and verify Fashion-MNIST
	$(BIN)/fashion-cnn data get

train: .venv/runtime  ## the assignment: 50 epochs into results/ (EPOCHS=2 for a short one, ARGS=--resume)
	MAKE_TARGET=train $(BIN)/python fashion_mnist_pytorch.py $(if $(EPOCHS),--epochs $(EPOCHS)) $(ARGS)

train-keras: .venv/keras  ## the same in Keras on TensorFlow, into results-keras/ (EPOCHS, ARGS as above)
	MAKE_TARGET=train-keras $(BIN)/python fashion_mnist_cnn.py $(if $(EPOCHS),--epochs $(EPOCHS)) $(ARGS)

serve: .venv/runtime  ## a page to try the model on (ARGS="--host 0.0.0.0": for a class, with token and QR code)
	$(BIN)/fashion-cnn serve $(ARGS)

chromium:  # for the tests of the pages, in a real browser
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && apt-get install -y -q --no-install-recommends chromium; \
	else echo "the tests of the pages need a browser: apt-get install chromium"; fi

postgresql: | chromium  # for tests/test_search_postgresql.py; the rest of the tests can do without
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && apt-get install -y -q --no-install-recommends postgresql; \
	else echo "one test needs PostgreSQL: apt-get install postgresql"; fi

test: .venv/dev data chromium postgresql  ## run every test
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

verify-records: .venv/runtime  ## recompute every figure of the pages from docs/results, and name those without a record
	$(BIN)/python -m bench.records

mutants: .venv/dev  ## alter the modules that figures rest on, one thing at a time; do tests notice? (NAMES="idx split" SAMPLE=60)
	$(BIN)/python bench/mutants.py $(if $(SAMPLE),--sample $(SAMPLE)) $(NAMES)

check: .venv/dev docs  ## format, lint, types, the site
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --warnings

docs: .venv/dev  ## build the site of the documentation and follow its links: build/site/index.html
	$(BIN)/python bench/make_docs.py

pins:  # look the hashes of all pins up again, by uv (pip install uv); for whoever changes a pin
	$(PYTHON) bench/pins.py --renew

format: .venv/dev  ## mend what format and lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

campaign: .venv/dev data  ## everything that must hold, tried many times: N=100 trials of each, NAMES="kills flips" (docs/reliability.md)
	$(BIN)/python -m bench.campaign $(if $(N),--trials $(N)) $(NAMES) $(ARGS)

benchmark: .venv/runtime data  ## time an epoch side by side: hand-written, bare kernels, ours
	$(BIN)/python bench/training.py $(ARGS)

speedrun: .venv/runtime data  ## the record: `fast` with 20 seeds, some minutes (GOAL=93, 94, 95: docs/speedrun.md)
	$(BIN)/fashion-cnn study speedrun$(if $(GOAL),-$(GOAL)) $(ARGS)

pretrained: .venv/runtime data  ## put the model of RUN=runs/NAME into the package, with its card
	$(BIN)/python bench/pretrained.py $(RUN)

clean:  ## remove the environment and caches; results/, runs/ and data/ stay
	rm -rf .venv mutants .pytest_cache .ruff_cache .hypothesis build src/*.egg-info
