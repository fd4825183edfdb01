# One command for each thing that people do with a checkout.  Everything goes into .venv:
# no root, no apt, and the second run of a target installs nothing.
#
#   make run       the sample site on http://127.0.0.1:5000
#   make test      the tests, on the compiled build and the kernels again in pure Python
#   make lint      ruff, mypy --strict, the ranks of the modules
#   make docs      the documentation as a site, in .venv/docs (Python 3.11 or newer)
#   make bench     against other servers, side by side, and the kernels alone (needs wrk)
#   make wheels    what is given to others, into dist: for each Python of PYTHONS, and the pure one; tried
#   make soak      what takes longer than a test may: minutes of random input, abuse, leak runs
#   make sanitize  the compiled build under address and undefined-behaviour sanitizers (needs gcc)
#   make clean     back to a fresh clone

PYTHON ?= python3

BIN := .venv/bin
BUILT_FROM := pyproject.toml setup.py $(wildcard skitai/_speedups/*.pyx skitai/_speedups/*.pxd skitai/_speedups/*.h)

# A pip without a terminal has nobody to tell about its own new versions.
export PIP_DISABLE_PIP_VERSION_CHECK := 1

CLIENTS := $(wildcard $(addprefix tests/live/test_,bad_upstreams.py calls_*.py cluster_names.py compression_*.py \
    corpus_*.py django_*.py error_pages.py forking.py forward_proxy.py frameworks.py httpbin.py https_only.py kept_*.py litmus.py \
    peers.py readme_*.py routing_*.py saddle_*.py sample_*.py sendfile.py static_*.py status_live.py tls_live.py \
    trusted_proxies.py upstreams.py was_*.py wsgi_*.py))

# Those of pyenv, or the one.
PYTHONS ?= $(or $(wildcard $(HOME)/.pyenv/versions/3.1[0-4].*/bin/python),$(PYTHON))

# These hold both builds against each other, or are plain C: they say the same whichever build runs.
BOTH_BUILDS := $(wildcard $(addprefix tests/pure/test_,two_*.py heads.py responses.py chunks.py plain_c.py lanes*.py))

.PHONY: run test test-kernels test-units test-clients test-pure test-live test-live-1 test-live-2 test-select lint docs \
    bench wheels soak sanitize clean
.DELETE_ON_ERROR:

run: .venv/flask.stamp
	$(BIN)/skitaid-instance -v --home .venv -f etc/skitaid/servers-enabled/sample.conf

# Side by side, for most tests wait most of the time.  What looks at clocks while real clients are served comes last,
# in two halves; those of tests/live that ask one thing after the other are among the first (CLIENTS).
test: .venv/test.stamp
	@$(MAKE) --no-print-directory -j3 test-kernels test-units test-clients test-pure test-select
	@$(MAKE) --no-print-directory -j2 test-live

# $(call tested,NAME,ARGUMENTS): the tests speak at their end, or their dots would lie among those of others.
define tested
	@$(BIN)/python -m pytest -q $(2) >.venv/$(1).log 2>&1 || { cat .venv/$(1).log; exit 1; }
	@printf '%s: %s\n' $(1) "$$(tail -n 1 .venv/$(1).log)"
endef

test-kernels: .venv/test.stamp
	$(call tested,kernels,tests/pure tests/core)

test-units: .venv/test.stamp
	$(call tested,units,$(addprefix --ignore=tests/,pure core live))

test-clients: .venv/test.stamp
	$(call tested,clients,$(CLIENTS))

test-pure: export SKITAI_PURE := 1
test-pure: .venv/test.stamp
	$(call tested,pure,tests/pure tests/core tests/proxy $(addprefix --ignore=,$(BOTH_BUILDS)))

# The engine's loop on select(), which is what Windows has.
test-select: export SKITAI_PURE := 1
test-select: .venv/test.stamp
	$(call tested,select,-p tests.selecting $(addprefix tests/pure/test_,engine.py engine_secure.py timers.py))

test-live: test-live-1 test-live-2

test-live-1: .venv/test.stamp
	$(call tested,live-1,$(filter-out $(CLIENTS),$(wildcard tests/live/test_[a-o]*.py)))

test-live-2: .venv/test.stamp
	$(call tested,live-2,$(filter-out $(CLIENTS),$(wildcard tests/live/test_[p-z]*.py)))

lint: .venv/test.stamp .venv/lint.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# A warning ends it: a link into nothing, a page that no index leads to, a block in an unknown language.
docs: .venv/docs.stamp
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d .venv/doctrees -c docs . .venv/docs
	@echo "the documentation: .venv/docs/index.html"

bench: .venv/bench.stamp .venv/bjoern.stamp
	$(BIN)/python -m benchmarks hello flask --rounds 10
	$(BIN)/python -m pytest -q --benchmark-enable benchmarks/test_kernel.py benchmarks/test_environ.py \
	    benchmarks/test_wsframes.py
	$(BIN)/python -m pytest -q -s --benchmark-enable benchmarks/test_saddle.py

wheels: .venv/wheels.stamp
	$(BIN)/python -m tests.wheels dist $(PYTHONS)

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
	$(BIN)/pip install -q flask "skitai[forms,sessions]"
	touch $@

# By the name of what is installed: "-e ." would compile everything again for a list of packages.
.venv/test.stamp .venv/lint.stamp .venv/docs.stamp .venv/bench.stamp .venv/wheels.stamp: .venv/%.stamp: .venv/skitai.stamp
	$(BIN)/pip install -q "skitai[$*]"
	touch $@

# A peer that comes as source: where it cannot be built, the benchmarks do without it.
.venv/bjoern.stamp: .venv/bench.stamp
	@$(BIN)/pip install -q "bjoern>=3.2" >.venv/bjoern.log 2>&1 && touch $@ || \
	    echo "bjoern is left out: not built (Debian: apt-get install gcc libev-dev); see .venv/bjoern.log"
