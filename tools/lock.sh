#!/bin/sh
# Writes requirements.lock and requirements-toolchain.lock (clang from PyPI) anew from pyproject.toml: exact
# versions and hashes, for Python 3.10 and later. uv is fetched into .uv when it is not there. An upgrade of all packages: tools/lock.sh --upgrade
set -eu
cd "$(dirname -- "$0")/.."
if command -v uv >/dev/null 2>&1; then
    uv=uv
else
    uv=.uv/bin/uv
    [ -x "$uv" ] || { .venv/bin/python -m venv .uv && .uv/bin/python -m pip install -q uv; }
fi
compile() {
    "$uv" pip compile -q --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links "$@"
}
compile --group gym --group build --group dev --group extras "$@" -o requirements.lock pyproject.toml
compile --group toolchain "$@" -o requirements-toolchain.lock
if grep -n '://' requirements*.lock; then
    echo "lock: a lock must hold no URL" >&2
    exit 1
fi
