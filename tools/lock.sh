#!/usr/bin/env bash
# Renews the requirement files: exact versions with the hashes of every file of them, for Python 3.11.
set -euo pipefail
cd "$(dirname "$0")/.."

pin() { # target, then arguments that name what goes in
    local target=$1
    shift
    uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --constraint requirements/constraints.in "$@" --output-file "requirements/$target.txt"
    echo "lock: requirements/$target.txt"
}

printf 'hatchling>=1.27\n' > requirements/build.in
pin dev --extra device --extra server --extra dev pyproject.toml requirements/build.in
pin device --extra device pyproject.toml
pin server --extra server pyproject.toml
pin tflite --extra tflite --extra server --extra dev pyproject.toml requirements/build.in
pin train requirements/train.in
