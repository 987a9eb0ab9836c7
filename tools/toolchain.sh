#!/bin/sh
# clang, opt and libLLVM from PyPI into a virtual environment, with the hashes of requirements-toolchain.lock:
#
#   sh tools/toolchain.sh .venv
#
# For x86-64 with glibc 2.28 or newer. Needs pip in that environment, and no root.
set -eu
cd "$(dirname -- "$0")/.."
python="${1:?name a virtual environment}/bin/python"
"$python" -m pip install -q --no-compile --require-hashes -r requirements-toolchain.lock
# Its wheels make their links when Python starts next.
"$python" -c ''
PYTHONPATH=. "$python" -c 'import sys; from colt_llvm.llvm.toolchain import find_toolchain; find_toolchain(sys.prefix)'
