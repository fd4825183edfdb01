# One command for each thing that people do with a checkout.  Everything goes into .venv:
# no root, no apt, and the second run of a target installs nothing.
#
#   make run       the sample site on http://127.0.0.1:5000
#   make test      the tests, on the compiled build and the kernels again in pure Python
#   make lint      ruff, mypy --strict, the ranks of the modules
#   make bench     against other servers, side by side, and the kernels alone (needs wrk)
#   make soak      what takes longer than a test may: minutes of random input, abuse, leak runs
#   make sanitize  the compiled build under address and undefined-behaviour sanitizers (needs gcc)
#   make clean     back to a fresh clone

PYTHON ?= python3

BIN := .venv/bin
BUILT_FROM := pyproject.toml setup.py $(wildcard skitai/_speedups/*.pyx skitai/_speedups/*.pxd skitai/_speedups/*.h)

# A pip without a terminal has nobody to tell about its own new versions.
export PIP_DISABLE_PIP_VERSION_CHECK := 1

CLIENTS := $(wildcard $(addprefix tests/live/test_,compression_*.py corpus_*.py django_*.py error_pages.py \
    frameworks.py httpbin.py kept_*.py litmus.py readme_*.py routing_*.py saddle_*.py sendfile.py static_*.py \
    tls_live.py wsgi_*.py))

.PHONY: run test test-units test-pure test-live test-clients lint bench soak sanitize clean
.DELETE_ON_ERROR:

run: .venv/flask.stamp
	$(BIN)/skitaid-instance -v --home .venv -f etc/skitaid/servers-enabled/sample.conf

# Most of tests/live looks at clocks while real clients are served: beside it runs only what asks one thing
# after the other.
test: .venv/test.stamp
	$(MAKE) --no-print-directory -j2 test-units test-pure
	$(MAKE) --no-print-directory -j2 test-live test-clients

test-units: .venv/test.stamp
	$(BIN)/python -m pytest -q --ignore=tests/live

# Its dots would lie among those of the other.
test-pure: .venv/test.stamp
	@SKITAI_PURE=1 $(BIN)/python -m pytest -q tests/pure tests/core >.venv/pure.log 2>&1 || \
	    { cat .venv/pure.log; exit 1; }
	@printf '\nSKITAI_PURE=1: %s\n' "$$(tail -n 1 .venv/pure.log)"

test-live: .venv/test.stamp
	$(BIN)/python -m pytest -q tests/live $(addprefix --ignore=,$(CLIENTS))

test-clients: .venv/test.stamp
	@$(BIN)/python -m pytest -q $(CLIENTS) >.venv/clients.log 2>&1 || { cat .venv/clients.log; exit 1; }
	@printf '\nclients: %s\n' "$$(tail -n 1 .venv/clients.log)"

lint: .venv/test.stamp .venv/lint.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/bench.stamp .venv/bjoern.stamp
	$(BIN)/python -m benchmarks hello flask --rounds 10
	$(BIN)/python -m pytest -q --benchmark-enable benchmarks/test_kernel.py benchmarks/test_environ.py
	$(BIN)/python -m pytest -q -s --benchmark-enable benchmarks/test_saddle.py

soak: .venv/test.stamp
	$(BIN)/python -m pytest -q -p tests.soak --hypothesis-profile=soak --timeout=1800 -m "soak or not soak"

sanitize: .venv/test.stamp
	$(BIN)/python -m tests.sanitize

clean:
	rm -rf .venv build dist skitai.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache \
	    .import_linter_cache .benchmarks skitai/_speedups/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: each says that .venv holds something.  A changed source of the build makes
# skitai.stamp anew; a changed list of packages all of them.

.venv/pip.stamp:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Skitai needs Python 3.10 or newer")'
	$(PYTHON) -m venv .venv
	touch $@

# An extension of an earlier build would be loaded even where this one falls back to pure.
.venv/skitai.stamp: .venv/pip.stamp $(BUILT_FROM)
	rm -rf build .venv/build.log skitai/_speedups/*.so
	$(BIN)/pip install -q --log .venv/build.log -e .
	@grep -o 'skitai: .*slowly.*' .venv/build.log || true  # what pip hides: there was no compiler
	@$(BIN)/skitai --version
	touch $@

.venv/flask.stamp: .venv/skitai.stamp
	$(BIN)/pip install -q flask
	touch $@

# By the name of what is installed: "-e ." would compile everything again for a list of packages.
.venv/test.stamp .venv/lint.stamp .venv/bench.stamp: .venv/%.stamp: .venv/skitai.stamp
	$(BIN)/pip install -q "skitai[$*]"
	touch $@

# A peer that comes as source: where it cannot be built, the benchmarks do without it.
.venv/bjoern.stamp: .venv/bench.stamp
	@$(BIN)/pip install -q "bjoern>=3.2" >.venv/bjoern.log 2>&1 && touch $@ || \
	    echo "bjoern is left out: not built (Debian: apt-get install gcc libev-dev); see .venv/bjoern.log"
