"""The service process: run as a file, by the same interpreter as the client.

    python service.py --working_dir=FOLDER [--parent=PID] [--library=FILE --clang=FILE --clangxx=FILE]
                      [--actions=FILE] [options of ServiceOptions]

Listens on a Unix socket in FOLDER and on no port: whoever may enter that folder can run passes here, since the protocol
has no password. FOLDER/pid.txt appears when it listens; SIGTERM ends it. Why so: docs/decisions/0029.
"""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path


def _as_package() -> None:
    """Make ``colt_llvm.env`` importable without its __init__, which would import all of compiler_gym."""
    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder.parent.parent)  # instead of this folder, whose modules have common names
    module = types.ModuleType("colt_llvm.env")
    module.__path__ = [str(folder)]
    sys.modules["colt_llvm.env"] = module


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM. arguments: ``--name=value``."""
    import json
    import logging
    import signal
    import threading
    from concurrent.futures import ThreadPoolExecutor
    from tempfile import mkdtemp

    from colt_llvm.env.compat import prepare_bare
    from colt_llvm.env.guard import ServiceOptions

    options, given = ServiceOptions.from_arguments(arguments)
    folder = Path(given.get("working_dir") or mkdtemp(prefix="colt-env-"))
    os.chdir(folder)
    prepare_bare()
    import grpc
    from compiler_gym.service.proto import compiler_gym_service_pb2_grpc as rpc

    from colt_llvm.core.files import write_file
    from colt_llvm.env import guard as watch
    from colt_llvm.env.engine import Engine
    from colt_llvm.env.observations import Build
    from colt_llvm.env.session import ColtService, session_type
    from colt_llvm.env.unix_socket import SocketFolder
    from colt_llvm.llvm.library import Library

    logging.getLogger("compiler_gym").setLevel(logging.ERROR)
    if "library" in given:
        library = Library.load(given["library"])
        build = Build(_path(given, "clang"), _path(given, "clangxx"))
    else:
        from colt_llvm.llvm.toolchain import find_toolchain

        toolchain = find_toolchain(options.llvm_prefix)
        library, build = toolchain.load(), Build(toolchain.clang, toolchain.clangxx)
    if "actions" in given:
        actions = [(name, pipeline) for name, pipeline in json.loads(Path(given["actions"]).read_text())]
    else:
        from colt_llvm.llvm.catalogue import load_catalogue

        actions = [(action.name, action.pipeline) for action in load_catalogue(library.major)]

    guard = watch.Guard(folder, options.action_seconds, int(given["parent"]) if "parent" in given else None)
    guard.start()
    engine = Engine(library, actions, options.cache_bytes, guard, options.exact_steps)
    version = f"LLVM {'.'.join(map(str, library.version))}"
    service = ColtService(folder, session_type(engine, build, version))
    server = grpc.server(
        ThreadPoolExecutor(max_workers=4),
        options=[
            ("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1),
            ("grpc.so_reuseport", 0), ("grpc.max_metadata_size", 512 * 1024),
        ],
    )  # fmt: skip
    rpc.add_CompilerGymServiceServicer_to_server(service, server)
    try:
        SocketFolder(folder).listen(server.add_insecure_port)
    except OSError as error:
        sys.exit(str(error))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the client, which ends us
    server.start()
    watch.limit_process(options.memory_bytes)
    write_file(folder / "pid.txt", str(os.getpid()))  # in one piece: the client polls for it
    stop.wait()
    server.stop(0)
    os._exit(0)  # no clean-up of libLLVM: a pass may still be running


def _path(given: dict[str, str], name: str) -> Path | None:
    return Path(given[name]) if given.get(name) else None


if __name__ == "__main__":
    _as_package()
    sys.exit(main(sys.argv[1:]))
