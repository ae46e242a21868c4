# Every target sets up what it needs, says what it does, and is quick when run again.
# Needs Linux, Python 3.11 with venv, and a network the first time. No root, no containers.

PYTHON ?= python3.11
BIN := .venv/bin
TFLITE_BIN := .venv-tflite/bin
TRAIN_BIN := .venv-train/bin
TRAIN := PYTHONPATH=device:protos/python $(TRAIN_BIN)/python
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.PHONY: help setup setup-tflite demo test test-tflite lint protos protos-check bench evaluate train speech-language lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "make %-16s %s\n", $$1, $$2}'

setup: .venv/.installed speech-model  ## virtual environment, packages, speech model

.venv/.installed: requirements/dev.txt pyproject.toml
	@echo "setup: making .venv and installing the packages of requirements/dev.txt (about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: speech-model
speech-model: .venv/.installed
	@$(BIN)/inkling-device models fetch

demo: setup  ## emulated glasses live through a day; ends with the profile's page
	@$(BIN)/inkling-emulator demo

test: setup  ## all tests, with the real models
	@echo "test: running the tests"
	@$(BIN)/python -m pytest -q

setup-tflite: .venv-tflite/.installed speech-model  ## a second environment with tflite-runtime in place of LiteRT

.venv-tflite/.installed: requirements/tflite.txt pyproject.toml
	@echo "setup: making .venv-tflite with tflite-runtime, numpy 1 and the OpenCV that goes with them"
	@$(PYTHON) -m venv .venv-tflite
	@$(TFLITE_BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/tflite.txt
	@$(TFLITE_BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

test-tflite: setup-tflite  ## the device's tests on tflite-runtime
	@echo "test: running the device's tests on tflite-runtime"
	@$(TFLITE_BIN)/python -m pytest -q tests/device

lint: .venv/.installed  ## ruff and mypy --strict
	@echo "lint: ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "lint: mypy --strict"
	@$(BIN)/mypy

protos: .venv/.installed  ## generate the wire code from protos/
	@echo "protos: generating protos/python"
	@find protos/python/inkling -path '*/v1/*' -delete
	@cd protos && ../$(BIN)/python -m grpc_tools.protoc -I. --python_out=python --pyi_out=python \
		$$(find inkling -name '*.proto' | sort)
	@cd protos && ../$(BIN)/python -m grpc_tools.protoc -I. --grpc_python_out=python \
		--plugin=protoc-gen-mypy_grpc=../$(BIN)/protoc-gen-mypy_grpc --mypy_grpc_out=quiet:python \
		$$(find inkling -name '*_service.proto' | sort)

protos-check: protos  ## fail if the committed wire code is not what protos/ gives
	@git diff --exit-code --stat -- protos/python || { echo "protos: commit what 'make protos' changed"; exit 1; }

bench: setup  ## every benchmark, each against a floor measured in the same run
	@for each in tools/bench/*.py; do echo "bench: $$each"; $(BIN)/python $$each $(BENCH_FLAGS) || exit 1; done

evaluate: setup  ## how good the text model, the guard and the tagger are, on the stored sets
	@$(BIN)/python tools/models/evaluate.py

train: .venv-train/.installed .venv/.installed  ## train and export the text model (two hours and a quarter on 2 cores)
	@$(TRAIN) tools/models/train.py build/text_model
	@$(TRAIN) tools/models/export.py build/text_model
	@$(BIN)/inkling-device models record text

speech-language: setup  ## mix the lines into the language of the speech model (needs libfst-tools, a minute)
	@$(BIN)/python tools/models/speech_language.py device/inkling_device/models/speech_language.fst

.venv-train/.installed: requirements/train.txt
	@echo "setup: making .venv-train (PyTorch and the converter, several GB)"
	@$(PYTHON) -m venv .venv-train
	@$(TRAIN_BIN)/python $(PIP_INSTALL) --require-hashes -r requirements/train.txt
	@touch $@

lock:  ## renew the pinned and hashed requirement files (needs uv)
	@tools/lock.sh

clean:  ## remove the environments and caches of this checkout
	@rm -rf .venv .venv-tflite .venv-train build .mypy_cache .ruff_cache .pytest_cache .hypothesis
