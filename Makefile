# `make demo` shows the service, `make test` proves it; every target makes `.venv` first. The bench targets pass ARGS on.
PYTHON ?= python3
BIN := .venv/bin
PROTOS := $(sort $(wildcard proto/presage/v1/*.proto))
SERVICES := $(sort $(wildcard proto/presage/v1/*_service.proto))
STUBS := proto
# Without `native` where pip finds no wheel of pygrpc-native, as on Alpine: make demo DEMO_EXTRAS=server
DEMO_EXTRAS ?= server,native

.PHONY: help setup demo test pytest test-slow new-user check generate reference check-generated format models bench bench-wire \
        bench-limit bench-peers bench-rank bench-items bench-slow-store bench-neighbours bench-overload \
        bench-custom-features bench-versions bench-compare budget soak bench-replay bench-open-bandit skew-proof \
        audit-proof backfill-proof reload-proof served-parity explain-parity bench-explain bench-learn train-real train-rank \
        list-regret learn-demo planted-proof mlflow-proof drift-proof bench-drift bench-access clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/installed ## make .venv with everything (uses uv where it is installed)

# The recipe that installs Presage from this checkout; its argument is the extras.
define install
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("Presage needs Python 3.11 or newer; %s is %d.%d. Name another: make PYTHON=python3.12 ..." % (sys.executable, v[0], v[1]))'
	@test -x $(BIN)/python || echo "making .venv with Presage and what it needs: a minute, once"
	@if command -v uv >/dev/null 2>&1; then \
	  { test -x $(BIN)/python || uv venv --quiet --seed --python $(PYTHON) .venv; } && \
	  uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[$(1)]'; \
	else \
	  { test -x $(BIN)/python || $(PYTHON) -m venv .venv; } && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(1)]'; \
	fi
	@touch $@
endef

.venv/installed: pyproject.toml constraints.txt
	$(call install,dev)

# Less than `make setup`: training libraries are large, and the demo needs none of them.
.venv/installed-for-demo: pyproject.toml constraints.txt
	$(call install,$(DEMO_EXTRAS))

# An environment that has everything is kept up to date; otherwise the demo's is enough.
demo: $(if $(wildcard .venv/installed),setup,.venv/installed-for-demo) ## start a store and a server, drive visitors, show their scores move
	@$(BIN)/presage demo

# More than there are cores: a third of the tests' time is waiting.
TEST_WORKERS ?= 3

test: setup ## run the tests, and go a new user's way meanwhile
	@$(MAKE) --no-print-directory --jobs=2 pytest new-user

pytest:
	@$(BIN)/python -c "from presage_featurizer.ranking.compiled import load_kernels; load_kernels()" # once, not in each worker
	@$(BIN)/pytest -n $(TEST_WORKERS) --dist loadgroup

test-slow: setup ## run the tests that `make test` leaves out: training again what ships, proofs, the benchmarks' own
	@$(BIN)/pytest -n 2 --dist loadgroup -m slow

new-user: ## install the wheel in an environment of its own, and go from a log to a served model there
	@PYTHON="$(PYTHON)" tests/new_user/path.sh

check: setup check-generated ## lint, types, import rules, stubs up to date
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: setup ## format the code
	@$(BIN)/ruff check --fix --quiet .; $(BIN)/ruff format .

generate: setup ## write the stubs anew from proto/
	@PATH="$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --python_out=$(STUBS) --mypy_out=quiet:$(STUBS) $(PROTOS)
	@PATH="$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --grpc_python_out=$(STUBS) --mypy_grpc_out=quiet:$(STUBS) $(SERVICES)

reference: setup ## write the tables of docs/reference/ from the code
	@PYTHONPATH=tests $(BIN)/python -m support.reference_tables

check-generated: setup
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(MAKE) -s generate STUBS="$$fresh" && \
	  for stub in "$$fresh"/presage/v1/*_pb2*; do cmp -s "$$stub" "proto/presage/v1/$${stub##*/}" || \
	    { echo "proto/presage/v1/$${stub##*/} is not what 'make generate' writes; run it and commit"; exit 1; }; done

models: setup ## train the shipped models again; the files come out the same
	@$(BIN)/presage train --simulate --seed 7 --models lightgbm-classifier --calibration none --draws 100 --force \
	  --to build/conversion --bundle models/conversion/3 --original tests/data/conversion-3.txt
	@$(BIN)/presage train --simulate --rank --seed 7 --question next-item --draws 100 --force --to build/ranking --bundle models/ranking/1

bench: setup ## time each stage and the whole, and print a table
	@mkdir -p .benchmarks
	@$(BIN)/pytest benchmarks --benchmark-only --benchmark-columns=median,iqr,rounds --benchmark-sort=name --benchmark-json=.benchmarks/stages.json -q

bench-wire: setup ## calls a second and latencies under load, over the wire
	@$(BIN)/python -m benchmarks.wire --to .benchmarks/wire.json $(ARGS)
	@$(BIN)/python -m benchmarks.wire --scenario score --in-flight --rate 1000 2000 --to .benchmarks/wire-rates.json

bench-limit: setup ## Presage beside the same Score and TrackEvent in C++, and an empty call; ARGS="--base main" adds a revision
	@$(BIN)/python -m benchmarks.limit --to .benchmarks/limit.json $(ARGS)

bench-peers: setup ## Presage beside other ways to serve scores, each in an environment of its own
	@$(BIN)/python -m benchmarks.peers --to .benchmarks/peers.json $(ARGS)

bench-rank: setup ## Rank of 100 candidates among 100,000 items, beside Score and the Score in C++
	@$(BIN)/python -m benchmarks.ranking --to .benchmarks/rank.json $(ARGS)

bench-items: setup ## a catalogue of a million items loaded into two servers, and how soon they see a change of stock
	@$(BIN)/python -m benchmarks.ranking.catalogue --to .benchmarks/items.json $(ARGS)

bench-slow-store: setup ## Score and TrackEvent with a store that is a network away
	@$(BIN)/python -m benchmarks.slow_store --to .benchmarks/slow-store.json $(ARGS)

bench-neighbours: setup ## what large calls do to the latencies of small ones
	@$(BIN)/python -m benchmarks.neighbours --to .benchmarks/neighbours.json $(ARGS)

bench-overload: setup ## more calls than a server can answer: closed loops, bursts, three times the saturation
	@$(BIN)/python -m benchmarks.overload --to .benchmarks/overload.json $(ARGS)

bench-custom-features: setup ## what a project's own features cost a server, beside one without
	@$(BIN)/python -m benchmarks.custom_features --to .benchmarks/custom-features.json $(ARGS)

bench-versions: setup ## what a challenger, a shadow and their pairs cost a Score
	@$(BIN)/python -m benchmarks.versions --to .benchmarks/versions.json $(ARGS)

bench-compare: setup ## this checkout against BASE, another revision, in turn
	@$(BIN)/python -m benchmarks.compare --base $(or $(BASE),main) $(ARGS)

budget: setup ## has Score become slower, beside an empty call?
	@$(BIN)/python -m benchmarks.budget $(ARGS)

bench-explain: setup ## what an explanation takes, and what 50 a second do to the latencies of Score
	@$(BIN)/python -m benchmarks.explaining --to .benchmarks/explain.json $(ARGS)

bench-learn: setup ## what presage learn beside a server does to the latencies of Score
	@$(BIN)/python -m benchmarks.retraining --to .benchmarks/learn.json $(ARGS)

soak: setup ## an hour of mixed load at 60 % of saturation
	@$(BIN)/python -m benchmarks.soak --to .benchmarks $(ARGS)

bench-replay: setup ## how fast logs become training rows
	@$(BIN)/python -m benchmarks.replay_speed $(ARGS)

bench-open-bandit: setup ## estimates of one policy from the log of another, beside what it brought
	@$(BIN)/python -m benchmarks.proofs.open_bandit $(ARGS)

train-real: setup ## train every kind of model on the real logs, and report
	@$(BIN)/python -m benchmarks.proofs.train_real

train-rank: setup ## train a ranking model on the real logs, beside all that it has to beat
	@$(BIN)/python -m benchmarks.proofs.train_rank

served-parity: setup ## score real rows over gRPC with every kind of model, and compare with the libraries
	@$(BIN)/python -m benchmarks.proofs.served_parity

skew-proof: setup ## replay all of the real logs through a server and compare every visitor's vector
	@$(BIN)/python -m benchmarks.proofs.skew_proof

audit-proof: setup ## follow a million events and 20,000 served vectors with presage audit: no mismatch, in bounded memory
	@$(BIN)/python -m benchmarks.proofs.audit_proof --to .benchmarks/audit.json $(ARGS)

backfill-proof: setup ## backfill 100,000 visitors under 1,000 live events/s and compare every state with a replay
	@$(BIN)/python -m benchmarks.proofs.backfill_proof --to .benchmarks/backfill.json $(ARGS)

drift-proof: setup ## ten planted shifts and four quiet weeks of simulated traffic: which alarms are raised, and when
	@$(BIN)/python -m benchmarks.proofs.drift $(ARGS)

bench-access: setup ## what the check of a token costs a Score: at most 5 µs
	@$(BIN)/python -m benchmarks.access_cost --to .benchmarks/access.json $(ARGS)

bench-drift: setup ## what counting served features costs a Score
	@$(BIN)/python -m benchmarks.drift_cost --to .benchmarks/drift.json $(ARGS)

mlflow-proof: setup ## pull bundles from a real MLflow server on sqlite; installs MLflow in environments of its own
	@$(BIN)/python -m benchmarks.proofs.mlflow_proof

learn-demo: setup ## watch a service learn from its visitors, who change in the middle: live AUC with learning and without
	@$(BIN)/python -m benchmarks.proofs.learning $(ARGS)

planted-proof: setup ## is a worse challenger rolled back, a better one promoted, an equal one neither, in 60 looks?
	@$(BIN)/python -m benchmarks.proofs.planted --to .benchmarks/planted.json $(ARGS)

reload-proof: setup ## 50 reloads under 5,000 Score/s, 10 of them broken: no failed call, no wrong version
	@$(BIN)/python -m benchmarks.proofs.reload_proof --to .benchmarks/reload.json $(ARGS)

explain-parity: setup ## explain 10,000 random rows with twelve tree models, and compare with LightGBM, XGBoost and shap
	@$(BIN)/python -m benchmarks.proofs.explain_parity $(ARGS)

list-regret: setup ## how far lists are from the best ones: at random, popular, by the shipped ranking model
	@$(BIN)/python -m benchmarks.proofs.list_regret $(ARGS)

clean: ## remove what the targets made
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache
