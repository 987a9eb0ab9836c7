"""What compiler_gym 0.2.5 needs before it can be imported on current Python, numpy and protobuf.

Nothing here changes a file, or an environment variable for longer than an import. ``prepare`` may be called twice.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import shlex
import shutil
import sys
import tempfile
import threading
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import ToolchainError
from colt_llvm.llvm.toolchain import find_toolchain

#: Imported by compiler_gym for what is not used here: graphs of programs, images, downloads. A third of its own import.
_LATER = ("docker", "networkx", "requests")
_PB2 = "compiler_gym.service.proto.compiler_gym_service_pb2"
_lock = threading.RLock()


class CompilerGymMissing(ToolchainError, ImportError):
    """The package compiler-gym is not installed, is not the one that is needed, or cannot be imported."""

    def __init__(self, message: str) -> None:
        super().__init__(message)  # RuntimeError's, which takes no keywords as ImportError's does
        self.name = "compiler_gym"


def _remedy() -> str:
    """For this interpreter: ``pip`` alone may belong to another one, and one made by uv has none."""
    python = shlex.quote(sys.executable)
    pip = f"{python} -m pip install" if importlib.util.find_spec("pip") else f"uv pip install --python {python}"
    return f"run: {pip} --no-deps compiler-gym==0.2.5"


def prepare() -> None:
    """Make compiler_gym importable in this process. Raises CompilerGymMissing."""
    with _lock:
        _numpy_names()
        _protobuf_module()
        _no_gym_notice()
        for name in _LATER:
            _load_at_first_use(name)


def import_compiler_gym() -> types.ModuleType:
    """Import compiler_gym without its deprecation warnings. Raises CompilerGymMissing."""
    with _lock, warnings.catch_warnings(), _variables_for_its_import():
        warnings.simplefilter("ignore")
        try:
            prepare()
            return importlib.import_module("compiler_gym")
        except CompilerGymMissing:
            raise
        except ImportError as error:
            reason = " ".join(str(error).split())
            raise CompilerGymMissing(
                f"compiler-gym cannot be imported ({reason}); install colt-llvm again, with its dependencies"
            ) from error
        except Exception as error:
            reason = " ".join(str(error).split())
            compiler = os.environ.get("CXX", "c++")
            raise CompilerGymMissing(
                f"compiler-gym cannot be imported ({reason}); it runs {compiler} for that, which has to work"
            ) from error


@contextmanager
def _variables_for_its_import() -> Iterator[None]:
    """compiler_gym runs ``$CXX``, or ``c++``, while it is imported, and reads what that says in English.

    The user's variables are for builds of their own: CXX may hold several words there. Our clang++ does as well as c++.
    """
    if "compiler_gym" in sys.modules:
        yield
        return
    compiler = shutil.which("c++") or str(find_toolchain().clangxx)
    before = dict(os.environ)
    os.environ.update(CXX=compiler, LC_ALL="C", COMPILER_GYM_TRANSIENT_CACHE=tempfile.gettempdir())
    try:
        yield
    finally:  # what gym itself sets goes too: users' builds and programs are run with these variables
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


def prepare_bare() -> None:
    """For the service: give access to compiler_gym's modules without its package initialisers.

    They import every environment of compiler_gym, and take some seconds that a restarted service
    does not have. The service needs five small modules.
    """
    root = _package_folder()
    for name in ("", ".service", ".service.runtime", ".util"):
        full_name = f"compiler_gym{name}"
        if full_name not in sys.modules:
            module = types.ModuleType(full_name)
            module.__path__ = [str(root.joinpath(*name.split(".")))]
            sys.modules[full_name] = module
    cache = types.ModuleType("compiler_gym.service.runtime.benchmark_cache")
    vars(cache).update(BenchmarkCache=BenchmarkCache)
    sys.modules.setdefault(cache.__name__, cache)
    _protobuf_module()


class BenchmarkCache(dict[str, Any]):
    """In place of compiler_gym's, which imports numpy to throw dice: a third of what a service takes to start.

    URI -> its message. Over its limit the oldest go until half of that is left.
    """

    max_size_in_bytes = 512 * 104 * 1024  #: compiler_gym's

    @property
    def size_in_bytes(self) -> int:
        """What the messages take, in bytes."""
        return sum(message.ByteSize() for message in self.values())

    def __setitem__(self, uri: str, message: Any) -> None:
        if self.size_in_bytes + message.ByteSize() > self.max_size_in_bytes:
            while self and self.size_in_bytes > self.max_size_in_bytes // 2:
                del self[next(iter(self))]
        super().__setitem__(uri, message)


def _package_folder() -> Path:
    spec = importlib.util.find_spec("compiler_gym") if "compiler_gym" not in sys.modules else None
    if spec is not None and spec.origin:
        return Path(spec.origin).parent
    loaded = sys.modules.get("compiler_gym")
    if loaded is not None:
        return Path(loaded.__path__[0])
    raise CompilerGymMissing(f"compiler-gym is not installed; {_remedy()}")


def _numpy_names() -> None:
    """Names that numpy 2 no longer has."""
    import numpy as np

    if not hasattr(np, "NINF"):
        vars(np).update(NINF=-np.inf, PINF=np.inf)
    if not hasattr(np, "find_common_type"):
        vars(np).update(find_common_type=lambda arrays, scalars: np.result_type(*arrays, *scalars))


def _protobuf_module() -> None:
    """Build compiler_gym's messages from the descriptor in its generated file.

    protobuf 4 and later refuse to import the file itself. Its slow pure-Python mode would take it, but that
    is a setting of the whole process.
    """
    if _PB2 in sys.modules:
        return
    path = _package_folder() / "service" / "proto" / "compiler_gym_service_pb2.py"
    descriptor = _serialized_descriptor(path)
    from google.protobuf import any_pb2, descriptor_pool  # noqa: F401 (the descriptor refers to Any)
    from google.protobuf.internal import builder

    module = types.ModuleType(_PB2)
    module.__file__ = str(path)
    file_descriptor = descriptor_pool.Default().AddSerializedFile(descriptor)
    module.__dict__["DESCRIPTOR"] = file_descriptor
    builder.BuildMessageAndEnumDescriptors(file_descriptor, module.__dict__)
    builder.BuildTopDescriptorsAndMessages(file_descriptor, _PB2, module.__dict__)
    sys.modules[_PB2] = module


def _serialized_descriptor(path: Path) -> bytes:
    text = path.read_text(encoding="utf-8")
    marker = "serialized_pb="
    start = text.find(marker)
    if start >= 0:
        # One literal on one line: much faster than parsing 3,400 lines.
        line = text[start + len(marker) : text.index("\n", start)].strip().rstrip(",)")
        value = ast.literal_eval(line)
        if isinstance(value, bytes):
            return value
    raise CompilerGymMissing(f"{path}: is not the file of compiler-gym 0.2.5; {_remedy()}")


class _Later(types.ModuleType):
    """Stands for a package until something of it is asked for.

    Not ``importlib.util.LazyLoader``: a plain ``import`` statement looks at ``__spec__``, and that loads its modules.
    """

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        with _lock:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
            return getattr(importlib.import_module(self.__name__), name)


def _load_at_first_use(name: str) -> None:
    if name not in sys.modules and importlib.util.find_spec(name) is not None:
        sys.modules[name] = _Later(name)


def _no_gym_notice() -> None:
    """gym prints an advertisement on import."""
    try:
        import gym_notices.notices
    except ImportError:
        return
    gym_notices.notices.notices.clear()
