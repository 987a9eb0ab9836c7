"""Run somebody's Python service under our interpreter, with what compiler_gym 0.2.5 needs on it. Run as a file.

python launch.py SCRIPT --working_dir=FOLDER ...
"""

from __future__ import annotations

import logging
import re
import runpy
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_INTERVAL = re.compile(r"^(\s*--param=[-\w]+=<(-?\d+),(\d+)>\s+)(-?\d+)\s*$")


def main(arguments: list[str]) -> None:
    """Run a script. arguments: the script and its own."""
    script = arguments[0]
    _as_package()
    from colt_llvm.env.compat import import_compiler_gym

    import_compiler_gym()
    logging.getLogger("compiler_gym").setLevel(logging.ERROR)
    patch_runtime(_working_folder(arguments))
    patch_gcc()
    sys.argv = arguments
    sys.path[0] = str(Path(script).parent)
    runpy.run_path(script, run_name="__main__")


def _as_package() -> None:
    """Make single modules of ours importable without the packages around them, which would import the client's side."""
    root = Path(__file__).resolve().parents[2]
    sys.path[0] = str(root)
    for name in ("env", "gym"):
        module = types.ModuleType(f"colt_llvm.{name}")
        module.__path__ = [str(root / "colt_llvm" / name)]
        sys.modules[module.__name__] = module


def _working_folder(arguments: list[str]) -> Path:
    name = "--working_dir="
    return Path(next(argument for argument in arguments if argument.startswith(name)).removeprefix(name))


def patch_runtime(folder: Path) -> None:
    """Fix what compiler_gym's service does wrong: see each part. folder: its working folder, its user's alone."""
    import grpc
    from compiler_gym.service.runtime import compiler_gym_service as runtime

    from colt_llvm.env.unix_socket import SocketFolder

    make_server = grpc.server

    socket_folder = SocketFolder(folder)

    def local_server(*arguments: Any, **options: Any) -> Any:
        """Listen on a Unix socket in the folder, whatever port of all addresses is asked for."""
        server = make_server(*arguments, **options)
        add_port = server.add_insecure_port
        server.add_insecure_port = lambda _: socket_folder.listen(add_port)
        return server

    grpc.server = local_server
    runtime.exception_to_grpc_status = _tell_errors(runtime.exception_to_grpc_status)
    runtime.CompilerGymService.ForkSession = _fork_session
    # Read at shutdown in place of ``sessions``, where it has no attribute of that name.
    runtime.CompilerGymService.session = property(lambda service: service.sessions)


def _tell_errors(original: Any) -> Any:
    """An action that fails ends its episode, not the service: INTERNAL would make the client end it."""
    told = (ValueError, LookupError, NotImplementedError, FileNotFoundError, TypeError, TimeoutError)

    @contextmanager
    def exception_to_grpc_status(context: Any) -> Iterator[None]:
        with original(context):
            try:
                yield
            except told:
                raise
            except Exception as error:
                raise ValueError(f"{type(error).__name__}: {error}") from error

    return exception_to_grpc_status


def _fork_session(service: Any, request: Any, context: Any) -> Any:
    """The original stores a fork under an id that is not set yet, and so over session 0."""
    from compiler_gym.service.proto import ForkSessionReply
    from compiler_gym.service.runtime import compiler_gym_service as runtime

    reply = ForkSessionReply()
    with service.sessions_lock, runtime.exception_to_grpc_status(context):
        fork = service.sessions[request.session_id].fork()
        reply.session_id = service.next_session_id
        service.sessions[reply.session_id] = fork
        service.next_session_id += 1
    return reply


def within_interval(line: str) -> str:
    """A line of ``gcc --help=param -Q``: gcc 12 prints -1, which is "automatic", beside an interval from 0."""
    match = _INTERVAL.match(line)
    if match is None:
        return line
    default = min(max(int(match[4]), int(match[2])), int(match[3]))
    return f"{match[1]}{default}"


def patch_gcc() -> None:
    """Let compiler_gym read the parameters of gcc 12 and later, which its assertions refuse. Twice is harmless."""
    from compiler_gym.envs.gcc import gcc as module

    original = module._gcc_parse_params
    if getattr(original, "patched", False):
        return

    def parse_params(gcc: Any) -> Any:
        def ask(*arguments: Any, **options: Any) -> str:
            return "\n".join(map(within_interval, gcc(*arguments, **options).split("\n")))

        return original(ask)

    parse_params.patched = True  # type: ignore[attr-defined]
    module._gcc_parse_params = parse_params


if __name__ == "__main__":
    main(sys.argv[1:])
