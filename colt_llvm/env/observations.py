"""What can be observed of a state: names as CompilerGym's LLVM environment has them, and a few of our own.

Baselines (``...O0``, ``...O3``, ``...Oz``) are as in the literature: the first state of the benchmark, under nothing,
``default<O3>`` or ``default<Oz>`` of this libLLVM (from LLVM 23 on: O2 of functions that are marked minsize for it).
They do not follow the benchmark's own level.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, PassError, UsageError
from colt_llvm.env import state_texts
from colt_llvm.env.engine import Engine, Node
from colt_llvm.env.payload import pack
from colt_llvm.llvm.decision import switch_flags

if TYPE_CHECKING:
    from colt_llvm.llvm.module import Module

# Kinds of values.
INT, TEXT, BYTES, VECTOR, DICT, SECONDS = "int", "text", "bytes", "vector", "dict", "seconds"


@dataclass(frozen=True)
class Build:
    """What code generation, linking and running outside of libLLVM need."""

    clang: Path | None  #: None where there is none
    clangxx: Path | None  #: None where there is none
    run_seconds: float = 60.0  #: how long one run may take
    runtimes: int = 1  #: how many times one Runtime observation runs the program
    warmups: int = 0  #: runs before these, not counted


@dataclass(frozen=True)
class Space:
    """One observation space."""

    name: str  #: as CompilerGym's users know it
    kind: str  #: INT, TEXT, BYTES, VECTOR, DICT or SECONDS
    compute: Callable[[Engine, Node, Build], Any]  #: the value at a state
    size: int = 0  #: of a VECTOR
    deterministic: bool = True  #: then the value is stored with the state
    limited: bool = True  #: under the action's time limit; what runs programs has limits of its own


def value_of(space: Space, engine: Engine, node: Node, build: Build) -> Any:
    """The value for this state, from the store where it is known. Raises PassError, UsageError."""
    if not space.deterministic:
        return space.compute(engine, node, build)
    known = engine.store.get(node.key).observed
    if space.name in known:
        engine.counters["known_observations"] += 1
        return known[space.name]
    engine.counters["observations"] += 1
    value = space.compute(engine, node, build)
    engine.store.put_observation(node.key, space.name, value, len(value) if isinstance(value, (str, bytes)) else 0)
    return value


def _named(name: str, engine: Engine, node: Node, build: Build) -> Any:
    return value_of(SPACES[name], engine, node, build)


def _first(node: Node) -> Node:
    while node.parent is not None:
        node = node.parent
    return node


def _text(engine: Engine, node: Node, build: Build) -> str:
    return "\n".join(module.text() for module in engine.modules(node))


def _bitcode(engine: Engine, node: Node, build: Build) -> bytes:
    """The module's bitcode; of several modules, a list of them (see payload.unpack)."""
    bitcodes = engine.bitcodes(node)
    return bitcodes[0] if len(bitcodes) == 1 else pack(bitcodes)


def _hash(engine: Engine, node: Node, build: Build) -> str:
    return node.key


def _instruction_count(engine: Engine, node: Node, build: Build) -> int:
    return sum(map(_count_instructions, engine.modules(node)))


def _count_instructions(module: Module) -> int:
    from colt_llvm.llvm import features

    return features.instruction_count(module)


def _inst_count(engine: Engine, node: Node, build: Build) -> Any:
    from colt_llvm.llvm import features

    return sum(features.inst_count(module) for module in engine.modules(node))


def _autophase(engine: Engine, node: Node, build: Build) -> Any:
    from colt_llvm.llvm import features

    return sum(features.autophase(module) for module in engine.modules(node))


def _inst_count_dict(engine: Engine, node: Node, build: Build) -> dict[str, int]:
    from colt_llvm.llvm import features

    names = (f"{name}Count" for name in features.INST_COUNT_NAMES)
    return dict(zip(names, map(int, _named("InstCount", engine, node, build)), strict=True))


def _autophase_dict(engine: Engine, node: Node, build: Build) -> dict[str, int]:
    from colt_llvm.llvm import features

    return dict(zip(features.AUTOPHASE_NAMES, map(int, _named("Autophase", engine, node, build)), strict=True))


def objects_of(engine: Engine, node: Node, build: Build) -> list[bytes]:
    """One object for each module. Raises PassError."""
    record = node.root.record
    bitcodes = engine.bitcodes(node)
    engine.counters["objects"] += 1
    if record.codegen == "library":
        # Code generation rewrites the module: never the live one.
        return [engine.parse(bitcode).emit_object(node.root.target) for bitcode in bitcodes]
    return [_clang_object(engine, node, build, bitcode) for bitcode in bitcodes]


def _compiler(node: Node, build: Build) -> Path:
    compiler = build.clangxx if node.root.record.cxx else build.clang
    if compiler is None:
        raise UsageError("the service has no clang for this benchmark; start it with --clang")
    return compiler


def _clang_object(engine: Engine, node: Node, build: Build, bitcode: bytes) -> bytes:
    record = node.root.record
    with TemporaryDirectory(prefix="colt-") as folder:
        source, result = Path(folder) / "in.bc", Path(folder) / "out.o"
        source.write_bytes(bitcode)
        with engine.parse(bitcode) as module:
            switches = switch_flags(module.switches, record.cflags)
        command: list[str | Path] = [
            _compiler(node, build), f"-{record.level}", *record.cflags, *switches, "-Xclang", "-disable-llvm-passes",
            "-Wno-unused-command-line-argument", "-x", "ir", "-c", source, "-o", result,
        ]  # fmt: skip
        completed = process.run(command, limits=_COMPILER_LIMITS)
        if completed.status:
            raise PassError(f"code generation failed: {_last_line(completed.stderr)}")
        return result.read_bytes()


_COMPILER_LIMITS = process.Limits(wall_seconds=120.0, memory_bytes=8 << 30, output_bytes=1 << 30)


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no message")


def _object(engine: Engine, node: Node, build: Build) -> bytes:
    """Objects as one byte string (see payload.unpack)."""
    return pack(objects_of(engine, node, build))


def _objects(engine: Engine, node: Node, build: Build) -> list[bytes]:
    from colt_llvm.env.payload import unpack

    return unpack(_named("Object", engine, node, build))


def _object_hash(engine: Engine, node: Node, build: Build) -> str:
    import hashlib

    from colt_llvm.llvm.elf import loaded_digest

    digests = [loaded_digest(data) for data in _objects(engine, node, build)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _text_size(engine: Engine, node: Node, build: Build) -> int:
    from colt_llvm.llvm.elf import section_sizes

    return sum(section_sizes(data).text_bytes for data in _objects(engine, node, build))


def _loaded_size(engine: Engine, node: Node, build: Build) -> int:
    from colt_llvm.llvm.elf import section_sizes

    return sum(section_sizes(data).loaded_bytes for data in _objects(engine, node, build))


def _baseline(name: str, level: str) -> Callable[[Engine, Node, Build], int]:
    """The value of space ``name`` at the first state, after this level's pipeline."""

    def compute(engine: Engine, node: Node, build: Build) -> int:
        from colt_llvm.llvm.pipeline import unmarked_pipeline

        reached = _first(node)
        if level != "O0":
            reached = engine.pipeline_result(reached, unmarked_pipeline(engine.library.major, level))
        return int(_named(name, engine, reached, build))

    return compute


def link(engine: Engine, node: Node, build: Build, executable: Path) -> None:
    """Raises PassError with the linker's message."""
    record = node.root.record
    with TemporaryDirectory(prefix="colt-") as folder:
        paths = []
        for index, data in enumerate(_objects(engine, node, build)):
            paths.append(Path(folder) / f"{index}.o")
            paths[-1].write_bytes(data)
        completed = process.run(
            [_compiler(node, build), *paths, "-o", executable, *record.ldflags], limits=_COMPILER_LIMITS
        )
    if completed.status:
        raise PassError(f"does not link: {_last_line(completed.stderr)}")


def _is_buildable(engine: Engine, node: Node, build: Build) -> int:
    try:
        with TemporaryDirectory(prefix="colt-") as folder:
            link(engine, node, build, Path(folder) / "program")
    except ColtError:
        return 0
    return 1


def _is_runnable(engine: Engine, node: Node, build: Build) -> int:
    return int(bool(node.root.record.workloads))


def _build_time(engine: Engine, node: Node, build: Build) -> list[float]:
    """Seconds that code generation takes."""
    started = time.perf_counter()
    objects_of(engine, node, build)
    return [time.perf_counter() - started]


def _run_time(engine: Engine, node: Node, build: Build) -> list[float]:
    """Processor seconds of the timed workload, one figure for each run."""
    from colt_llvm.measure.runner import run_workload
    from colt_llvm.program.program import Workload

    record = next((workload for workload in node.root.record.workloads if workload.timed), None)
    if record is None:
        raise UsageError("this benchmark has no workload to time; give it one")
    workload = Workload(
        record.name, record.command, Path(record.stdin) if record.stdin else None, (),
        Path(record.cwd) if record.cwd else None,
    )  # fmt: skip
    limits = process.Limits(wall_seconds=build.run_seconds, memory_bytes=8 << 30)
    with TemporaryDirectory(prefix="colt-") as folder:
        executable = Path(folder) / "program"
        link(engine, node, build, executable)
        runs = [run_workload(executable, workload, limits=limits) for _ in range(build.warmups + build.runtimes)]
    for run in runs:
        if run.status:
            raise PassError(f"the program ends with status {run.status}; its output was not looked at")
    return [run.cpu_seconds for run in runs[build.warmups :]]


def _spaces() -> Mapping[str, Space]:
    spaces = [
        Space("Ir", TEXT, _text),
        Space("IrHash", TEXT, _hash),
        Space("Bitcode", BYTES, _bitcode),
        Space("InstCount", VECTOR, _inst_count, size=70),
        Space("InstCountDict", DICT, _inst_count_dict),
        Space("Autophase", VECTOR, _autophase, size=56),
        Space("AutophaseDict", DICT, _autophase_dict),
        Space("IrInstructionCount", INT, _instruction_count),
        Space("Object", BYTES, _object),
        Space("ObjectHash", TEXT, _object_hash),
        Space("ObjectTextSizeBytes", INT, _text_size),
        Space("ObjectSectionBytes", INT, _loaded_size),
        Space("IsBuildable", INT, _is_buildable, deterministic=False, limited=False),
        Space("IsRunnable", INT, _is_runnable),
        Space("Runtime", SECONDS, _run_time, deterministic=False, limited=False),
        Space("Buildtime", SECONDS, _build_time, deterministic=False),
        # Two of these depend on the way to the state too, and are kept by state_texts.py itself.
        Space("OptRemarks", TEXT, state_texts.opt_remarks, deterministic=False),
        Space("IrExcerpt", TEXT, state_texts.ir_excerpt),
        Space("IrExcerptLargest", TEXT, state_texts.ir_excerpt_largest),
        Space("FunctionHashes", TEXT, state_texts.function_hashes, deterministic=False),
        Space("ChangedFunctions", TEXT, state_texts.changed_functions, deterministic=False),
    ]
    for base, stem in (("IrInstructionCount", "IrInstructionCount"), ("ObjectTextSizeBytes", "ObjectTextSize")):
        for level in ("O0", "O3", "Oz"):
            spaces.append(Space(f"{stem}{level}", INT, _baseline(base, level)))
    return {space.name: space for space in spaces}


SPACES: Mapping[str, Space] = _spaces()
