# Every target sets up what it needs and is quick when run again. Needs Python 3.11 with venv, and a network once.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help protos

protos: $(VENV)/.installed  ## generate the wire code from protos/
	@echo "protos: generating protos/python"
	@find protos/python/inkling -path '*/v1/*' -delete
	@cd protos && ../$(BIN)/python -m grpc_tools.protoc -I. --python_out=python --pyi_out=python \
		$$(find inkling -name '*.proto')
	@cd protos && ../$(BIN)/python -m grpc_tools.protoc -I. --grpc_python_out=python \
		--plugin=protoc-gen-mypy_grpc=../$(BIN)/protoc-gen-mypy_grpc --mypy_grpc_out=quiet:python \
		$$(find inkling -name '*_service.proto')
