# Everything a newcomer needs; `make help` lists it. Needs Python 3.11+ and make, nothing else.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Leave a core's worth of workers; the services run beside them.
WORKERS ?= 2
# The figures of the proof are of so many at once, on two cores.
PROOF_WORKERS ?= 3
# Of the database that a benchmark is measured on, in payments.
SIZE ?= 1000000
PYTEST := $(BIN)/python -m pytest
NESTJS := docs/examples/nestjs
SBOM := .data/sbom.cdx.json
# Helm, and what Compose reads its files with: built from modules that are pinned with their hashes, and not optimised,
# which takes a fifth less of the processor's time; they run for seconds.
TOOLS := .data/tools
export PYTHONWARNINGS ?= default
# Without its cache each process compiles all packages anew: 5 s of processor time instead of 2.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install run dev test test-unit test-e2e test-browser screenshots messages docs docs-check sbom proof storm rolling memory chaos soak bench bench-admin bench-charge bench-charge-peers bench-intake bench-relay bench-replay bench-notifications bench-idle bench-way bench-backlog bench-growth budget costs capacity mutation coverage lint deploy-check image-steps format lock migrations clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## everything into .venv

$(STAMP): requirements/dev.txt requirements/installer.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) …"
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/installer.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

run: $(STAMP)  ## the whole system on this machine, with events; ARGS=--exit ends after the last one
	@$(BIN)/python manage.py demo $(ARGS)

dev: $(STAMP)  ## like run, and processes start anew when code changes
	@$(BIN)/python manage.py demo --reload $(ARGS)

test: $(STAMP)  ## all tests but those that need a browser, on real services
	@$(PYTEST) -n $(WORKERS) --dist worksteal $(ARGS)

test-unit: $(STAMP)  ## the tests that need no services: a minute
	@$(PYTEST) --no-services tests/unit $(ARGS)

test-e2e: $(STAMP)  ## the tests that start the processes
	@$(PYTEST) tests/e2e $(ARGS)

test-browser: $(STAMP)  ## the support desk in a Chromium: the system's, CHROMIUM=path, or Playwright's own
	@$(PYTEST) tests/browser $(ARGS)

screenshots: $(STAMP)  ## docs/images, from the demo's data, by the browser tests
	@SCREENSHOTS=docs/images $(PYTEST) tests/browser/test_screenshots.py $(ARGS)

messages: $(STAMP)  ## texts for people into the catalogs of each language, and compiled; says what to translate
	@$(BIN)/python -m billing_project.dev.messages

docs: $(STAMP)  ## docs/states.md, and AsyncAPI and TypeScript from the schemas of the events
	@$(BIN)/python -m tests.placeholders billing_project/dev/documents/__main__.py

docs-check: $(STAMP)  ## the events' types and the NestJS example, checked and run; needs Node.js 20 and npm
	@cd $(NESTJS) && npm ci --no-progress
	@$(PYTEST) tests/node $(ARGS)

sbom: $(STAMP)  ## what is in the image, as CycloneDX, for scanners
	@mkdir -p .data
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o $(SBOM) requirements/base.txt
	@echo "written: $(SBOM)"

proof: $(STAMP)  ## every crash point and 2,000 random histories, audited against the ledger: minutes
	@PROOF_SIZE=$(or $(PROOF_SIZE),full) HYPOTHESIS_PROFILE=full $(PYTEST) -n $(PROOF_WORKERS) --dist worksteal tests/stateful tests/proof $(ARGS)

storm: $(STAMP)  ## 8 bridges stopped and killed over 100,000 records, services killed under load; prints figures
	@STORM_SIZE=full $(PYTEST) tests/storm/test_storm.py tests/storm/test_restarts.py $(ARGS)

rolling: $(STAMP)  ## every process replaced under load, as a deploy does: by how much payments are delayed; minutes
	@STORM_SIZE=full $(PYTEST) tests/storm/test_rolling.py $(ARGS)

memory: $(STAMP)  ## a bridge with a backlog of 1,000,000 records: how much memory it takes; a quarter of an hour
	@MEMORY_SIZE=full $(PYTEST) -s tests/storm/test_memory.py $(ARGS)

chaos: $(STAMP)  ## the whole system under load, broken all the time, then audited: minutes; SIZE=full or soak: hours; SEED=2
	@CHAOS_SIZE=$(if $(filter file,$(origin SIZE)),small,$(SIZE)) CHAOS_SEED=$(or $(SEED),1) $(PYTEST) --no-services tests/chaos/test_chaos.py $(ARGS)
	$(if $(filter file,$(origin SIZE)),@$(PYTEST) -n $(WORKERS) --dist worksteal tests/chaos/test_guards.py $(ARGS))

soak: $(STAMP)  ## every crash point in every way and 100,000 random histories, until the first that breaks a promise: hours
	@PROOF_SIZE=soak $(PYTEST) -n $(WORKERS) --dist worksteal -x tests/proof $(ARGS)

bench: $(STAMP)  ## all of the benchmarks beside their peers, one table; hours, SIZE=short only shows that they work
	@$(BIN)/python -m benchmarks $(if $(filter short,$(SIZE)),--short) $(ARGS)

bench-admin: $(STAMP)  ## how fast the admin is with SIZE payments (1,000,000: a quarter of an hour); ARGS=--json=FILE
	@$(BIN)/python -m benchmarks.admin --size $(SIZE) $(ARGS)

bench-notifications: $(STAMP)  ## how many milliseconds after its commit an outcome is told
	@PYTHONWARNINGS=ignore $(BIN)/python -m benchmarks.notifications $(ARGS)

bench-charge: $(STAMP)  ## what it costs to charge SIZE payments (5,000: minutes); ARGS=--slow=0.05, --rounds=1
	@$(BIN)/python -m benchmarks.charge --size $(if $(filter file,$(origin SIZE)),5000,$(SIZE)) $(ARGS)

bench-charge-peers: $(STAMP)  ## ours beside Celery as most write it, and one at a time; ARGS=--json=FILE
	@$(BIN)/python -m benchmarks.charge_peers --size $(if $(filter file,$(origin SIZE)),2000,$(SIZE)) $(ARGS)

bench-intake: $(STAMP)  ## taking in SIZE records that wait (200,000: minutes), beside peers; ARGS=--only=ours, --rounds=1
	@$(BIN)/python -m benchmarks.intake --size $(if $(filter file,$(origin SIZE)),200000,$(SIZE)) $(ARGS)

bench-relay: $(STAMP)  ## telling SIZE outcomes that wait (200,000: minutes), beside peers; ARGS=--rounds=1
	@$(BIN)/python -m benchmarks.relay --size $(if $(filter file,$(origin SIZE)),200000,$(SIZE)) $(ARGS)

bench-idle: $(STAMP)  ## what the processes cost for SIZE seconds in which nothing happens (60)
	@$(BIN)/python -m benchmarks.idle --size $(if $(filter file,$(origin SIZE)),60,$(SIZE)) $(ARGS)

bench-way: $(STAMP)  ## from an event to its notification, RATE a second (25,200), for SIZE seconds (30), beside poll-and-sleep
	@$(BIN)/python -m benchmarks.way $(if $(RATE),--rate=$(RATE)) $(if $(filter file,$(origin SIZE)),,--size $(SIZE)) $(ARGS)

bench-backlog: $(STAMP)  ## what fresh events wait for beside a backlog of SIZE (1,000: a minute; 100,000: an hour and a half)
	@$(BIN)/python -m benchmarks.backlog $(if $(filter file,$(origin SIZE)),,--size $(SIZE)) $(ARGS)

bench-growth: $(STAMP)  ## the same work in empty tables and beside SIZE payments (10,000,000: long, and a large disk), in turn
	@PYTHONWARNINGS=ignore $(BIN)/python -m benchmarks.growth $(if $(filter file,$(origin SIZE)),,--size $(SIZE)) $(ARGS)

bench-replay: $(STAMP)  ## live payments beside a replay of SIZE failed ones (10,000: eight minutes); ARGS=--rate=20
	@$(BIN)/python -m benchmarks.replay --size $(if $(filter file,$(origin SIZE)),10000,$(SIZE)) $(ARGS)

budget: $(STAMP)  ## what an event costs in statements, commits and calls to Stripe, recorded anew
	@WRITE_BUDGET=1 $(PYTEST) tests/integration/test_budget.py $(ARGS)

costs: $(STAMP)  ## what a payment costs at each stage, in time and bytes, recorded in benchmarks/costs.json
	@PYTHONWARNINGS=ignore $(BIN)/python -m benchmarks.costs --size $(if $(filter file,$(origin SIZE)),5000,$(SIZE)) --write $(ARGS)

capacity: $(STAMP)  ## how many of everything for 25, 250 and 2,500 payments a second, from those costs, into docs/scaling.md
	@$(BIN)/python -m benchmarks.capacity --write

mutation: $(STAMP)  ## change the money code in one place at a time: what no test notices; hours; ROOM=money for one
	@WORKERS=$(WORKERS) $(BIN)/python -m tests.mutation $(ROOM)

coverage: $(STAMP)  ## lines and branches that the tests don't reach
	@$(PYTEST) -n $(WORKERS) --dist worksteal --cov --cov-report=term --cov-report=html $(ARGS)

lint: $(STAMP)  ## style, types, import rules, migrations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports | grep -E 'KEPT|BROKEN|Contracts' || ($(BIN)/lint-imports; false)
	@$(BIN)/python -m tests.placeholders manage.py makemigrations --check --dry-run
	@$(BIN)/python -m tests.placeholders manage.py check --fail-level WARNING
	@DEBUG=false HTTPS_ONLY=true $(BIN)/python -m tests.placeholders manage.py check --deploy --fail-level WARNING

deploy-check: $(STAMP) $(TOOLS)/helm  ## the Dockerfile's steps, the compose file and the Helm chart; needs Go, for Helm
	@$(PYTEST) --no-services tests/deploy $(ARGS)

image-steps: $(STAMP)  ## every step of the Dockerfile that needs no Docker, in a folder of its own
	@$(PYTEST) --no-services -s tests/deploy/test_image.py $(ARGS)

$(TOOLS)/helm: tests/deploy/tools/go.mod tests/deploy/tools/go.sum tests/deploy/tools/compose/main.go
	@command -v go >/dev/null || { echo "Go 1.26 is needed to build Helm: without it the chart is not checked"; exit 1; }
	@echo "building Helm and Compose's reader into $(TOOLS), minutes the first time …"
	@mkdir -p $(TOOLS)
	@cd tests/deploy/tools && CGO_ENABLED=0 go build -gcflags='all=-N -l' -ldflags='-s -w' -o $(CURDIR)/$(TOOLS)/ helm.sh/helm/v3/cmd/helm ./compose
	@touch $@

format: $(STAMP)  ## let ruff put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(STAMP)  ## pin what pyproject.toml asks for, with hashes
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links pyproject.toml -o requirements/base.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links pyproject.toml --group dev -o requirements/dev.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --group simulator \
		-c requirements/dev.txt -o requirements/simulator.txt

migrations: $(STAMP)  ## write the migrations that the models ask for
	@$(BIN)/python -m tests.placeholders manage.py makemigrations

clean:  ## everything that was installed or stored
	rm -rf $(VENV) .data htmlcov .coverage*
