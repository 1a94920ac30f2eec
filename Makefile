.DEFAULT_GOAL := help
SHELL := /bin/bash -euo pipefail
.SHELLFLAGS := -c
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python -m
DEMO_CONFIG := configs/train/elpv_quick.yaml
DEMO_SECONDS ?= 0
# One thread each: two trainings of two threads on two cores wait for each other. In the order of the files: xdist would begin
# those of few tests last, and the longest has three.
# In memory, where it has room for it: two tests in three write databases, and each waits for the disk at every commit.
SCRATCH := $(shell df --output=avail -k /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 4000000 { print "TMPDIR=/dev/shm" }')
PYTEST := OMP_NUM_THREADS=1 $(SCRATCH) $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder
CONFIG ?= $(if $(DATA),configs/train/folder.yaml,configs/train/elpv.yaml)
UI_SOURCES := $(shell find inspector_ui -type f -not -path '*/node_modules/*' -not -path '*/generated/*' 2>/dev/null)
API_SOURCES := $(wildcard serving/*.py serving/routes/*.py data/*.py)

.PHONY: help setup demo train preview compare evaluate serve simulate mlflow report check format test test-quick bench screenshots chromium clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(BIN)/.installed serving/static/index.html ## make .venv, install the pinned packages, build the UI; repeats in seconds

$(BIN)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, found {v[0]}.{v[1]}; set PYTHON=python3.12 or so")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "pip installs the pinned packages into .venv: some minutes without a word"
	$(RUN) pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,demo,dev]'
	touch $@

inspector_ui/node_modules/.installed: inspector_ui/package-lock.json $(BIN)/.installed
	. deploy/node.sh && cd inspector_ui && npm ci --no-audit --no-fund --loglevel=error
	touch $@

serving/static/index.html: inspector_ui/node_modules/.installed $(UI_SOURCES) $(API_SOURCES)
	. deploy/node.sh && cd inspector_ui && npm run --silent generate && npm run --silent build
	touch $@
	@echo "set up; next: make demo, or make help for the rest"

demo: setup var/demo/model.json ## the whole line on real images: train, serve on 127.0.0.1:8000, simulated cameras (DEMO_SECONDS=60 ends by itself)
	$(RUN) serving demo --model var/demo/model.json --seconds $(DEMO_SECONDS)

var/demo/model.json: $(DEMO_CONFIG) | setup
	mkdir -p $(@D)
	$(RUN) training train --config $(DEMO_CONFIG) | tee $@.log
	tail -n 1 $@.log > $@ && rm $@.log

train: setup ## full training: CONFIG=configs/train/x.yaml, or DATA=dir with ROOT/<class>/* images
	$(RUN) training train --config $(CONFIG) $(if $(DATA),--data '$(DATA:~/%=$(HOME)/%)')

preview: setup ## a page of what augmentation makes of the training images: CONFIG, DATA as for train
	$(RUN) training preview --config $(CONFIG) $(if $(DATA),--data '$(DATA:~/%=$(HOME)/%)')

compare: setup ## backbones by accuracy and milliseconds, fine-tuned against a probe: CONFIG, DATA, BACKBONES="resnet18 tf_efficientnet_lite0@300"
	$(RUN) training compare --config $(CONFIG) $(if $(DATA),--data '$(DATA:~/%=$(HOME)/%)') $(BACKBONES)

evaluate: setup ## a bundle through onnxruntime on labelled images: BUNDLE=dir DATA=dir
	$(RUN) training.evaluate --bundle '$(or $(BUNDLE),$(error give BUNDLE=var/bundles/NAME-VERSION))' --data '$(or $(DATA:~/%=$(HOME)/%),$(error give DATA=dir))'

serve: setup ## the inspection service and UI on 127.0.0.1:8000
	$(RUN) serving serve

simulate: setup var/demo/model.json ## cameras that post held-out demo images to a running server
	$(RUN) serving simulate

mlflow: setup ## the MLflow UI on 127.0.0.1:5000
	mkdir -p var
	MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow ui --host 127.0.0.1 --port 5000 --workers 1 --backend-store-uri sqlite:///var/mlflow.db

report: setup ## the report of the running server into var/reports: PERIOD=2026-W47 or 2026-11, by default this month
	$(RUN) serving report $(if $(PERIOD),--period $(PERIOD))

check: setup ## ruff, mypy, import-linter, biome, tsc
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	. deploy/node.sh && cd inspector_ui && npm run --silent check

format: setup ## let ruff and biome rewrite the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	. deploy/node.sh && cd inspector_ui && npm run --silent format

test: setup chromium ## every test, the browser ones too
	. deploy/node.sh && cd inspector_ui && npm run --silent test
	$(PYTEST)

test-quick: setup ## the tests that need neither minutes nor a browser
	$(PYTEST) -m 'not heavy' --ignore tests/e2e

bench: setup chromium var/demo/model.json ## measure, and write the tables under benchmarks/results
	$(RUN) benchmarks.precision
	$(RUN) benchmarks.http_latency
	$(RUN) benchmarks.decode
	$(RUN) benchmarks.server_cost
	$(RUN) benchmarks.peers
	$(RUN) benchmarks.triggers
	$(RUN) benchmarks.crash
	$(RUN) benchmarks.workplace
	$(RUN) benchmarks.gallery

screenshots: setup chromium var/demo/model.json ## pictures of every page, both languages, light and dark, wide and narrow: var/screenshots/index.html
	$(RUN) benchmarks.screenshots

chromium:
	@if [ -z "$${CHROMIUM:-}" ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	  else echo "The browser tests need Chromium: install the package chromium, or set CHROMIUM=/path/to/it" >&2; exit 1; fi; fi

clean: ## remove what setup built (var/ stays)
	rm -rf .venv inspector_ui/node_modules serving/static
