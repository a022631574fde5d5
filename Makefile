# Two commands for a newcomer: `make demo` and `make test`. Each makes its own environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SEEDS ?= 2000
JOBS ?= 2
KILLS ?= 200
COMPILED_TESTS ?= tests

.PHONY: demo fast compiled test-compiled test-libsodium verifiers test lint sim sim-strategies mutants exhaustive pitfalls chaos properties properties-deep play-devnet micro bench bench-growth soak year midnight peers bench-peers lock clean

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)

demo: $(STAMP)            ## a tourism year on four validators; ends 0 only if every receipt verified
	$(BIN)/hnchain demo

fast: $(STAMP)            ## eight signatures at a time, where the processor has AVX-512 IFMA; 60 MB
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements-fast.lock

COMPILED := build/compiled
AS_COMPILED := PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/$(COMPILED):$(CURDIR) HNCHAIN_CODE=compiled
SOURCES := $(shell find primitives points ledger consensus chainnode simulation cli benchmarks -type f -not -name '*.pyc')

ifdef COMPILE
export PYTHONSAFEPATH := 1
export PYTHONPATH := $(CURDIR)/$(COMPILED)
demo bench micro sim sim-strategies: $(COMPILED)/.made
endif

compiled: $(COMPILED)/.made ## the same sources, the hot path as C extensions (docs/adr/0036); needs a C compiler

$(COMPILED)/.made: $(STAMP) hatch_build.py $(SOURCES)
	rm -rf $(COMPILED) build/wheel
	HNCHAIN_COMPILED=1 $(BIN)/python -m hatchling build -t wheel -d build/wheel
	$(BIN)/python -m zipfile -e build/wheel/*.whl $(COMPILED)
	touch $@

test-compiled: compiled   ## the suite on the compiled build, and the same bytes as plain Python; COMPILED_TESTS= a part
	$(BIN)/python -m tests.properties.same_bytes --compiled $(COMPILED)
	$(AS_COMPILED) $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal -o "pythonpath=$(COMPILED) ." $(COMPILED_TESTS)

LIBSODIUM := $(VENV)/libsodium
test-libsodium: $(STAMP)  ## the suite where the library of `make fast` is not found: an environment over the first one
	$(BIN)/python -m venv --without-pip $(LIBSODIUM)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' > \
	  "$$($(LIBSODIUM)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/first.pth"
	HNCHAIN_VERIFIER=libsodium $(LIBSODIUM)/bin/python -m pytest -q -n $(JOBS) --dist worksteal tests

verifiers: fast           ## a million random, mutated and edge-case signatures through both verifiers
	$(BIN)/python -m tests.chainnode.verifier_trial --jobs $(JOBS)

test: lint                ## types, style and the whole test suite
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal tests

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

sim: $(STAMP)             ## make sim SEEDS=2000
	$(BIN)/python -m simulation.campaign --seeds $(SEEDS) --nodes 4,5,7 --jobs $(JOBS)

sim-strategies: $(STAMP)  ## every Byzantine strategy a hundred times, and the enumerated twins; prints tables
	$(BIN)/python -m simulation.byzantine_trials --seeds 100 --jobs $(JOBS)
	$(BIN)/python -m simulation.twins --jobs $(JOBS)

mutants: $(STAMP)         ## every planted bug must turn a named test red
	$(BIN)/python -m tests.mutants.run

exhaustive: $(STAMP)      ## every order of events in small scopes of real cores, to the end
	$(BIN)/python -m tests.exhaustive.run --jobs $(JOBS)

pitfalls: $(STAMP)        ## the 80 pitfalls: number, title, tests, result
	$(BIN)/python -m tests.pitfalls.run

chaos: $(STAMP)          ## real processes under faults; make chaos KILLS=200
	$(BIN)/python -m tests.chaos.run --kills $(KILLS)

properties: $(STAMP)      ## 100,000 operations of all kinds, every one judged by the invariants
	$(BIN)/python -m tests.properties.town_run --operations 100000 --jobs $(JOBS)

properties-deep: $(STAMP) ## every hypothesis machine with the large profile; takes hours
	HYPOTHESIS_PROFILE=large $(BIN)/python -m pytest -q tests/properties

play-devnet: $(STAMP)     ## every scenario on four real nodes gives what it gives in one process
	HNCHAIN_PLAY_ALL=1 $(BIN)/python -m pytest -q -n $(JOBS) tests/scenarios/test_both_engines.py

micro: $(STAMP)           ## micro-benchmarks of the hot path
	$(BIN)/python -m pytest -q -o "pythonpath=$(if $(COMPILE),$(COMPILED)) ." --benchmark-only tests/benchmarks/micro

bench: $(STAMP)           ## every target, measured and judged: make bench ROWS=best,w512 AGAIN=1; ends 1 if a gate is missed
	-$(BIN)/hnchain bench stages
	$(BIN)/hnchain bench table $(if $(ROWS),--rows $(ROWS)) $(if $(AGAIN),--again); code=$$?; \
	$(BIN)/hnchain bench report && exit $$code

bench-growth: $(STAMP)    ## cost by validators, operations per envelope, hot keys, accounts; then the report
	$(BIN)/hnchain bench growth $(if $(AGAIN),--again)
	$(BIN)/hnchain bench report

soak: $(STAMP)            ## an hour at 60 % load: does the memory of the nodes grow?
	$(BIN)/hnchain bench soak --duration 1h

year: $(STAMP)            ## a simulated year of 1,000,000 transactions: how the live state grows, and what leaves it
	$(BIN)/hnchain bench year --report benchmarks/results/year.json

midnight: $(STAMP)        ## begin_block at a midnight at which 100,000 accounts hold expiring points: below 5 ms
	$(BIN)/hnchain bench midnight --report benchmarks/results/midnight.json

peers: $(STAMP)           ## clients of PostgreSQL, Redis and etcd; the servers: apt-get install postgresql redis-server etcd-server
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements-peers.lock

bench-peers: peers        ## the same transfers on PostgreSQL, Redis, etcd and a network of ours, side by side
	$(BIN)/hnchain bench peers

lock:                     ## renew requirements.lock from pyproject.toml
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check pip-tools
	$(VENV)/lock/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --extra node --extra bench --extra export --extra dev --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml
	printf '%s\n' "intel-cmplr-lib-rt>=2026.2" "ipp-crypto>=2026.2" | $(VENV)/lock/bin/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --output-file requirements-fast.lock -
	printf '%s\n' "aetcd>=1.0" "asyncpg>=0.30" "hiredis>=3" "redis>=6" | $(VENV)/lock/bin/pip-compile --quiet --generate-hashes --constraint requirements.lock --no-emit-index-url --no-emit-find-links --output-file requirements-peers.lock -

clean:
	rm -rf $(VENV) build dist *.egg-info
