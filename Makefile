# make demo   the main job on the packaged all-MiniLM-L6-v2
# make test   the whole suite
# make lint   formatters, type checks, and the documentation's links
# make format rewrite the sources in the project's style
# make fuzz   hostile bytes into the C sources and the readers in Python for FUZZ_SECONDS, by libFuzzer; needs clang
# make wheels a wheel for each platform in build/wheels, audited
# make release VERSION=0.2.0 checks all that must hold before a version is tagged; it tags and pushes nothing
# make docs   the site in build/site
# make bench  the figures of the README; STS=dev.tsv and CORPUS=texts/ add those that need data
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TFLITE_VENV := .venv-tflite
BUILD ?= build
SOURCES := $(shell find runtimes devices export tests/fuzz -name '*.[ch]' -o -name '*.cc' -o -name '*.cpp' 2>/dev/null)
JOBS ?= 2
FUZZ_SECONDS ?= 600

.PHONY: all demo test fuzz lint format wheels release docs bench clean

all: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt CMakeLists.txt $(SOURCES)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

# tflite-runtime needs numpy < 2, and so an environment of its own; with a Python that has no wheel of it, its tests are skipped.
TFLITE_ENVIRONMENT := $(shell $(PYTHON) -c 'import sys; print("$(TFLITE_VENV)/installed" if sys.version_info[:2] == (3, 11) else "")')

$(TFLITE_VENV)/installed: $(VENV)/installed constraints-tflite-runtime.txt
	$(PYTHON) -m venv $(TFLITE_VENV)
	$(TFLITE_VENV)/bin/pip install --quiet --constraint constraints-tflite-runtime.txt tflite-runtime .
	touch $@

demo: $(VENV)/installed
	$(BIN)/edgeemb demo --output $(BUILD)/demo

test: $(VENV)/installed $(TFLITE_ENVIRONMENT)
	$(BIN)/pytest -n $(JOBS) --dist worksteal

fuzz: $(VENV)/installed
	$(BIN)/python -m tests.fuzz $(FUZZ_SECONDS)

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests/programs/python/whole_face.py
	$(BIN)/lint-imports --no-cache
	$(BIN)/clang-format --dry-run --Werror $(SOURCES)
	$(MAKE) --no-print-directory docs

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(SOURCES)

wheels: $(VENV)/installed
	$(BIN)/python .ci/wheels $(BUILD)/wheels

release: $(VENV)/installed
	$(BIN)/python .ci/release.py $(VERSION)

docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

# The recipes train for 10 to 50 minutes each, and so only where a corpus is named.
bench: $(VENV)/installed
	$(BIN)/edgeemb inspect all-MiniLM-L6-v2
	$(BIN)/python -m bench.lookup
	$(BIN)/python -m bench.minilm $(if $(STS),--sts $(STS))
	$(if $(and $(STS),$(CORPUS)),$(BIN)/python -m bench.tables --sts $(STS) --corpus $(CORPUS) --out $(BUILD)/bench)
	$(if $(and $(STS),$(CORPUS)),$(foreach recipe,healed small_table without_table,$(BIN)/python examples/minilm_$(recipe).py --sts $(STS) --corpus $(CORPUS) &&) true)

clean:
	rm -rf $(VENV) $(TFLITE_VENV) $(BUILD)
