"""All of this needs compiler_gym, prepared for current Python before anything imports it."""

from __future__ import annotations

import importlib.util

import pytest

if importlib.util.find_spec("compiler_gym") is None:
    pytest.skip("compiler-gym is not installed", allow_module_level=True)

from colt_llvm.env.compat import import_compiler_gym

import_compiler_gym()
