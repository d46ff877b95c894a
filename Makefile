.DEFAULT_GOAL := help
.PHONY: help install demo test soak soak-kill check lock bench bench-growth bench-lists bench-refusals bench-log

PORT ?= 8000
PYTHON ?= python3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

install: .venv/.installed ## make .venv with the locked dependencies, those of the tests included

# The stamp is newer than the lock files and pyproject only when the whole installation succeeded.
.venv/.installed: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --require-hashes --no-deps --requirement requirements-dev.lock
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## serve synthetic persons on 127.0.0.1:8000 and print what to try (PORT=)
	@PROTOCOLPOORT_MODE=demo .venv/bin/protocolpoort demo --port $(PORT)

test: install ## all tests, on SQLite and on a throw-away PostgreSQL where its binaries exist
	.venv/bin/python -m coverage run -m pytest $(MEASURED)
	.venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(MEASURED:%=--ignore=%)
	@.venv/bin/python -m coverage report --fail-under=100 --include='$(CORE)' --skip-covered

# The pure core: every branch is run by one of these tests. Measuring the others would slow them by half.
MEASURED := tests/acceptance tests/api/test_problems.py tests/core tests/policy tests/tlog
CORE := app/agreement.py,app/amendment.py,app/anonymity.py,app/asking.py,app/canonical.py,app/clauses.py,app/demo_persons.py,app/derived.py,app/document_schema.py,app/documents.py,app/errors.py,app/explanation.py,app/facts.py,app/fields.py,app/insz.py,app/kbi.py,app/list_format.py,app/list_task.py,app/moments.py,app/monitoring.py,app/notation.py,app/notice_rules.py,app/obligation.py,app/plain_yaml.py,app/policy.py,app/register.py,app/register_lists.py,app/returned_rows.py,app/rule_pages.py,app/settings.py,app/values.py,app/visit.py,app/webhooks.py,app/tlog/*

soak: install ## mixed traffic for ten minutes, every answer and every record checked (SOAK=--quick)
	PYTHONPATH=tests .venv/bin/python -m bench.soak $(SOAK)

soak-kill: install ## kill the service 50 times under load on each database, and count what was lost (SOAK=)
	.venv/bin/python tests/soak.py $(SOAK)

check: install ## static checks: format, lint, types, import contracts, OpenAPI
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m openapi_spec_validator openapi/protocolpoort-v1.yaml

bench: install ## this service beside a naive one, constants and pgbench (BENCH=--quick)
	PYTHONPATH=tests .venv/bin/python -m bench.compare $(BENCH)

bench-growth: install ## the same read with 5 million dossiers and records (BENCH=--quick)
	PYTHONPATH=tests .venv/bin/python -m bench.growth $(BENCH)

bench-lists: install ## what a list of a million persons costs, beside its records alone (BENCH=--quick)
	PYTHONPATH=tests .venv/bin/python -m bench.lists $(BENCH)

bench-refusals: install ## how long a refusal takes, by who was asked about (BENCH=--quick)
	PYTHONPATH=tests .venv/bin/python -m bench.refusals $(BENCH)

bench-log: install ## what the access log costs as it grows, side by side in one run (BENCH=--quick)
	PYTHONPATH=tests .venv/bin/python -m bench.log $(BENCH)

lock: ## make the lock files again from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet pyproject.toml --output-file requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --extra dev --constraint requirements.lock --no-emit-package playwright --no-emit-package pyee pyproject.toml --output-file requirements-dev.lock

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18
