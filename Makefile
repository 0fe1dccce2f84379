# make demo   build examples/hello and run what came out
# make image  build the step image with masu itself: OCI layouts and docker archives below build/
# make push   the same, and push it as IMAGE_NAME:IMAGE_TAG (TARGET=default or debug alone)
# make test   install what the tests need and run everything
# make check  lint, types and layering alone
# make flags  write anew what is made from builder/options.py: docs/flags.md, the plugins' inputs and their tables
# make docs   build the documentation as a site below build/site, strictly
# make matrix build every Dockerfile of tests/containers in containers of every kind; make test has a part of them
# make fuzz   build N generated cases with masu and with Docker and compare (SEED=1 for the same ones again)
# make bench  masu beside docker and buildah; bench-growth: as the work grows; bench-profile: where the time of CASE=big-base goes
# make cuts   cut the connection of pulls and pushes at N places of each kind (SEED=1 for the same ones again)
# make cache-pairs  build every pair of tests/support/cache_pairs.py by itself, with BuildKit and masu, and compare images from all caches
# make cache-fuzz  change N random worlds at random: keys against a plain model, images from the cache against those without
# make fuzz-parser  the parser alone with N random texts
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo image push test matrix check flags docs bench bench-growth bench-profile bench-transfers cuts cache-pairs cache-fuzz fuzz fuzz-parser clean
demo: $(VENV)/ready
	scripts/demo

image: $(VENV)/ready
	scripts/make-image build

push: $(VENV)/ready
	PUSH=yes scripts/make-image build $(TARGET)

test: $(VENV)/ready-dev
	scripts/install-test-tools
	$(MAKE) --no-print-directory check
	$(BIN)/pytest -n 2 --dist loadfile

matrix: $(VENV)/ready-dev
	scripts/install-test-tools
	$(BIN)/pytest -m 'matrix or not matrix' tests/containers

check: $(VENV)/ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_layering.py

flags: $(VENV)/ready-dev
	$(BIN)/python -m steps.manual > docs/flags.md
	$(BIN)/python -m steps.github_actions.manual
	$(BIN)/python -m steps.gitlab_component

docs: $(VENV)/ready-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/ready-dev
	$(BIN)/python -m bench

bench-growth: $(VENV)/ready-dev
	$(BIN)/python -m bench.growth

bench-profile: $(VENV)/ready-dev
	$(BIN)/python -m bench.profile $(or $(CASE),ten-runs)

bench-transfers: $(VENV)/ready-dev
	$(BIN)/python -m bench.transfers

cuts: $(VENV)/ready-dev
	MASU_CUTS=$(or $(N),300) MASU_SEED=$(or $(SEED),0) $(BIN)/pytest -q tests/builder/registry/test_cuts.py

cache-pairs: $(VENV)/ready-dev
	MASU_CACHE_PAIRS=all $(BIN)/pytest -q tests/builder/test_lookup.py tests/e2e/test_cache_pairs.py tests/e2e/test_cache_images.py

cache-fuzz: $(VENV)/ready-dev
	MASU_KEYS=$(or $(N),500) MASU_STALE=$(or $(N),500) MASU_SEED=$(or $(SEED),0) $(BIN)/pytest -q tests/fuzz/test_keys.py tests/fuzz/test_stale.py

fuzz-parser: $(VENV)/ready-dev
	$(BIN)/python -m tests.fuzz.parser --count $(or $(N),10000) --seed $(or $(SEED),0)

fuzz: $(VENV)/ready-dev
	$(BIN)/python -m tests.fuzz --count $(or $(N),100) --seed $(or $(SEED),0)

$(VENV)/ready: pyproject.toml scripts/make-venv
	PYTHON=$(PYTHON) scripts/make-venv $(VENV) .
	touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .cache build *.egg-info
