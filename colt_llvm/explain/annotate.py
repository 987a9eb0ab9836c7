"""A recipe's decisions as a patch of the user's own source: the gain then needs nothing but clang.

Attributes and ``#pragma clang loop`` say what is decided about functions, calls and loops. Pass sequences, thresholds
and passes over one function have no word in a source and stay in the recipe. The patched source is built by plain clang
with the recipe's flags and level, checked on its workloads and measured. The user's files are read, and not written.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colt_llvm.core import process
from colt_llvm.core.errors import CompileError, ProgramError, RecipeError, UsageError
from colt_llvm.evaluate.target import Built, built_from_objects
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.explain.command_line import CommandLine, nearest
from colt_llvm.explain.source_patch import Edit, common_root, patched, unified_diff, write_sources
from colt_llvm.explain.source_places import SHARED, Functions, Left, Places, settle
from colt_llvm.explain.variants import Variant, Variants, of_recipe
from colt_llvm.explain.whereabouts import LINES
from colt_llvm.llvm.source_lines import source_functions
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.ab_test import ABTestPolicy, ab_test
from colt_llvm.measure.intervals import Verdict
from colt_llvm.objectives.registry import find_objective
from colt_llvm.program.compilation import Level, baseline_command, baseline_objects, front_end
from colt_llvm.program.program import IR_SUFFIXES, Program
from colt_llvm.program.recipe import differences
from colt_llvm.run.minimizing import reduce_sequence

OnStep = Callable[[str], None]


@dataclass(frozen=True)
class AnnotateOptions:
    """How a recipe is written down. Raises UsageError."""

    seconds: float = 60.0  #: wall-clock time to find what pays, and to measure run time
    reasons: bool = False  #: write a comment beside each word
    limits: Mapping[str, Any] = field(default_factory=dict)  #: of TuneOptions, in place of those recorded

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise UsageError(f"--time {self.seconds:g}: use a number above 0")


@dataclass(frozen=True)
class Annotated:
    """A patch, what it holds, and what plain clang makes of it."""

    baseline: str  #: what the ratios are held against, such as ``clang -Oz``
    ratio: float  #: baseline / plain clang on the patched source
    ratio_recipe: float  #: baseline / recipe
    share: float  #: of the recipe's gain that the patch carries, by logarithms of the ratios
    low: float | None = None  #: of ratio, where it is a run time
    high: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)  #: sizes in bytes of plain clang's objects
    flags: tuple[str, ...] = ()  #: words for plain clang's command line that say more of the recipe
    flags_share: float | None = None  #: carried with them too; None without any
    diff: str = ""  #: latin-1 text for ``patch -p1`` in ``root``; "" where nothing can be said in the source
    root: Path = Path()  #: folder that the patch's names are relative to
    contents: Mapping[Path, tuple[bytes, bytes]] = field(default_factory=dict)  #: file -> bytes now, bytes patched
    said: tuple[str, ...] = ()  #: decisions that the patch holds
    left: tuple[Left, ...] = ()  #: decisions that stay in the recipe
    notes: tuple[str, ...] = ()  #: what the user should know

    def write(self) -> None:
        """Change the files. Raises RunDirectoryError, also where one has changed since it was read."""
        write_sources(self.contents)


def annotate(
    place: Path,
    toolchain: Toolchain,
    program: Program | None = None,
    options: AnnotateOptions | None = None,
    on_step: OnStep | None = None,
) -> Annotated:
    """Write down as source what of a recipe can be.

    place: a recipe.json, or a run directory with one. program: where no run.json beside it names it. on_step: told of
    each step. Raises UsageError, RecipeError where the recipe does not fit, CompileError, ProgramError.
    """
    options = options or AnnotateOptions()
    recipe, program, tuned_with = of_recipe(place, program)
    if not find_objective(recipe.objective).builds_objects:
        raise UsageError(f"{place}: plain clang cannot be held against {recipe.objective}; tune for size or runtime")
    if lowered := [source.name for source in program.sources if source.suffix in IR_SUFFIXES]:
        raise UsageError(f"{lowered[0]}: is LLVM IR, which has no source to annotate; tune from C or C++")
    tuned_with = replace(tuned_with, **options.limits)
    with Variants.of(recipe, program, toolchain, tuned_with) as variants, TemporaryDirectory(prefix="colt-") as folder:
        full = variants.check(variants.build(recipe.sequence))
        if full.failure or full.built is None:
            raise RecipeError(f"{place}: its own build fails here ({full.failure}: {full.detail}); tune again")
        notes = differences(recipe, program, toolchain, full.built.objects)
        annotator = _Annotator(variants, full, Path(folder), on_step or (lambda text: None))
        found = annotator.run(options.seconds, options.reasons)
        return replace(found, notes=(*notes, *annotator.notes))


class _Annotator:
    def __init__(self, variants: Variants, full: Variant, folder: Path, say: OnStep) -> None:
        self._variants, self._full, self._folder, self._say = variants, full, folder, say
        self._target = variants.target
        self._toolchain, self._program = self._target.toolchain, self._target.program
        self._level = self._target.baseline.level
        #: For each source, the files that are the user's: real path -> the names that clang knows it by.
        self._own = [_files_of(self._toolchain, self._program, source, self._level) for source in self._program.sources]
        self._bytes: dict[Path, bytes] = {}
        self._objects: dict[tuple[Any, ...], bytes] = {}
        self.notes: list[str] = []

    def run(self, seconds: float, reasons: bool) -> Annotated:
        before = self._functions(())
        own = {file for files in self._own for file in files}
        edits, left = Places(before, own, self._read).edits(self._variants.recipe.sequence)
        self._say(f"{len(edits)} places in the source")
        kept, refused = settle(edits, before, self._functions)
        if not self._target.objective.timed:
            deadline = time.monotonic() + seconds
            kept, useless = self._paying(kept, edits, deadline)
            left += [Left(name, "does not pay without the rest of the recipe") for name in useless]
            kept, refused = self._widened(kept, edits, refused, deadline)
        left += refused
        told = self._reasons(kept) if reasons else {}
        texts = self._texts(kept, told)
        found = self._measured(texts, seconds, time.monotonic() + seconds)
        said = dict.fromkeys(name for edit in kept for name in edits[edit])
        order = [name for name in self._variants.recipe.sequence if name in said]
        root = common_root(list(texts) or [Path.cwd()], Path.cwd())
        diff = "".join(
            unified_diff(str(file.relative_to(root)), self._read(file), text) for file, text in sorted(texts.items())
        )
        contents = {file: (self._bytes[file], text.encode("latin-1")) for file, text in texts.items()}
        return replace(found, diff=diff, root=root, contents=contents, said=tuple(order), left=tuple(left))

    def _read(self, file: Path) -> str:
        if file not in self._bytes:
            self._bytes[file] = file.read_bytes()
        return self._bytes[file].decode("latin-1")

    def _texts(self, edits: Sequence[Edit], reasons: Mapping[Edit, str] | None = None) -> dict[Path, str]:
        """Patched files, as latin-1."""
        files = dict.fromkeys(edit.file for edit in edits)
        return {file: patched(self._read(file), [e for e in edits if e.file == file], reasons) for file in files}

    def _program_with(self, texts: Mapping[Path, str]) -> Program:
        """The program as clang reads it where these files hold other text: by an overlay of its file system."""
        if not texts:
            return self._program
        roots = []
        for number, (file, text) in enumerate(texts.items()):
            copy = self._folder / f"{number}{file.suffix}"
            copy.write_bytes(text.encode("latin-1"))
            names = {str(file)}.union(*(files.get(file, ()) for files in self._own))
            roots += [{"type": "file", "name": name, "external-contents": str(copy)} for name in sorted(names)]
        overlay = self._folder / "overlay.yaml"
        overlay.write_text(json.dumps({"version": 0, "use-external-names": False, "roots": roots}), encoding="utf-8")
        return replace(self._program, cflags=(*self._program.cflags, "-ivfsoverlay", str(overlay)))

    def _functions(self, edits: Sequence[Edit]) -> list[Functions]:
        """What the front end makes of the patched source. Raises CompileError."""
        program = self._program_with(self._texts(edits))
        program = replace(program, cflags=(*program.cflags, *LINES))
        return [
            source_functions(self._toolchain.load(), bitcode)
            for bitcode in front_end(self._toolchain, program, self._level)
        ]

    def _build(self, texts: Mapping[Path, str], flags: Sequence[str] = (), level: Level | None = None) -> Built:
        """Plain clang's objects. Raises CompileError."""
        level = level or self._level
        program = self._program_with(texts)
        objects = []
        for source, files in zip(self._program.sources, self._own, strict=True):
            key = (source, level, tuple(flags), tuple(sorted((f, t) for f, t in texts.items() if f in files)))
            if key not in self._objects:
                one = replace(program, sources=(source,), cflags=(*program.cflags, *flags))
                self._objects[key] = baseline_objects(self._toolchain, one, level)[0]
            objects.append(self._objects[key])
        return built_from_objects(objects, 0)

    def _reward(self, edits: Sequence[Edit]) -> float:
        """Of plain clang with these; less than any where it does not compile."""
        try:
            return self._reward_of(self._build(self._texts(edits)))
        except CompileError:
            return -math.inf

    def _reward_of(self, built: Built) -> float:
        return self._variants.reward(replace(self._full, built=built))

    def _paying(
        self, kept: list[Edit], edits: Mapping[Edit, Sequence[str]], deadline: float
    ) -> tuple[list[Edit], list[str]]:
        """Without what plain clang's figure is as good without; and the decisions that went."""
        by_name: dict[str, list[Edit]] = {}
        for edit in kept:
            by_name.setdefault(" ".join(edits[edit]), []).append(edit)
        floor = self._reward(kept)

        def accepts(names: tuple[str, ...]) -> bool:
            nonlocal floor
            reward = self._reward([edit for name in names for edit in by_name[name]])
            if reward < floor:
                return False
            floor = reward
            return True

        names, complete = reduce_sequence(tuple(by_name), accepts, lambda: time.monotonic() > deadline)
        if not complete:
            self.notes.append("time ran out: some of these words may be without use; give --seconds more")
        dropped = [decision for name in by_name if name not in names for decision in edits[by_name[name][0]]]
        return [edit for name in names for edit in by_name[name]], dropped

    def _widened(
        self, kept: list[Edit], edits: Mapping[Edit, Sequence[str]], refused: Sequence[Left], deadline: float
    ) -> tuple[list[Edit], list[Left]]:
        """With words that say more than was decided, of all instantiations of a template, where that pays too."""
        shared = {left.decision for left in refused if left.reason == SHARED}
        best = self._reward(kept)
        for edit, names in edits.items():
            if edit not in kept and shared.intersection(names) and time.monotonic() < deadline:
                reward = self._reward([*kept, edit])
                if reward > best:
                    kept, best = [*kept, edit], reward
        said = {name for edit in kept for name in edits[edit]}
        return kept, [left for left in refused if left.decision not in said]

    def _reasons(self, kept: Sequence[Edit]) -> dict[Edit, str]:
        """For the comment beside each word: what goes without it, where that is exact."""
        if self._target.objective.timed:
            return dict.fromkeys(kept, "colt-llvm: chosen for run time together with the others")
        whole = self._build(self._texts(kept)).size
        told = {}
        for edit in kept:
            more = self._build(self._texts([other for other in kept if other != edit])).size - whole
            told[edit] = f"colt-llvm: {abs(more)} bytes {'larger' if more >= 0 else 'smaller'} without"
        return told

    def _measured(self, texts: Mapping[Path, str], seconds: float, deadline: float) -> Annotated:
        """Check and measure what plain clang makes of these files; the diff and the decisions are filled in later.

        seconds: for measuring run times. deadline: of looking for flags.
        """
        variants = self._variants
        built = self._build(texts)
        executable = variants.timer.verifier.link(built.objects, "annotated")
        try:
            variants.timer.verifier.check(executable, thorough=True, core=variants.timer.verifier.core)
        except Miscompiled as error:
            raise ProgramError(
                f"plain clang on the patched source does something else ({error}): the program depends on what its "
                "language leaves undefined; colt-llvm tune with -fsanitize=undefined in a build of your own shows where"
            ) from error
        variant = replace(self._full, built=built, executable=executable)
        result = Annotated(
            self._target.baseline.name, 1.0, 1.0, 0.0,
            figures={name: value for name, value in built.figures.items() if name != "instructions"},
        )  # fmt: skip
        if self._target.objective.timed:
            return self._timed(result, variant, seconds)
        full, reward = variants.reward(self._full), variants.reward(variant)
        result = replace(
            result, ratio=variants.ratio(variant), ratio_recipe=variants.ratio(self._full), share=_share(reward, full)
        )
        return self._with_flags(result, texts, full, deadline)

    def _with_flags(self, result: Annotated, texts: Mapping[Path, str], full: float, deadline: float) -> Annotated:
        """And what plain clang takes on its command line of the recipe, as far as that helps; checked too."""

        def reward(line: CommandLine, *, right: bool = False) -> float:
            try:
                built = self._build(texts, line.words, line.level)
            except CompileError:  # this clang has no such flag
                return -math.inf
            return self._reward_of(built) if not right or self._is_right(built) else -math.inf

        least = reward(CommandLine())
        names = self._variants.recipe.sequence
        line, best = nearest(names, reward, least, lambda: time.monotonic() > deadline)
        if line != CommandLine() and reward(line, right=True) < best:  # then each step is checked
            line, best = nearest(names, partial(reward, right=True), least, lambda: time.monotonic() > deadline)
        if line == CommandLine():
            return result
        words = (*([f"-{line.level}"] if line.level else []), *line.words)
        return replace(result, flags=words, flags_share=_share(best, full))

    def _is_right(self, built: Built) -> bool:
        timer = self._variants.timer
        executable = timer.verifier.link(built.objects, "flags")
        try:
            timer.verifier.check(executable, thorough=True, core=timer.verifier.core)
        except Miscompiled:
            return False
        return True

    def _timed(self, result: Annotated, variant: Variant, seconds: float) -> Annotated:
        """Baseline, recipe and patched source side by side."""
        variants, timer = self._variants, self._variants.timer
        assert self._full.executable is not None
        assert variant.executable is not None
        self._say("timing the patched source beside the recipe and the baseline")
        arms = {"recipe": self._full.executable, "patched": variant.executable}
        policy = ABTestPolicy(seconds=seconds).with_room(len(arms), timer.run_seconds)
        control = timer.verifier.link(self._target.baseline.objects, "control")
        try:
            baselines, seed = (timer.verifier.baseline, control), self._target.options.seed
            held = ab_test(arms, baselines, timer.time_together, policy, seed=seed)
        except Miscompiled as error:
            raise ProgramError(f"one of the builds does something else now and then ({error}); tune again") from error
        recipe, patch = (arm.interval for arm in held.arms)
        if held.control.verdict is Verdict.IMPROVED:
            self.notes.append("A/A check failed: this host is too noisy to tell a share")
        known = patch.low > 0 and math.isfinite(patch.high)
        if not known:
            self.notes.append("too few rounds to say how sure the ratio is; give --seconds more")
        return replace(
            result,
            ratio=variants.ratio(variant, patch.ratio),
            ratio_recipe=variants.ratio(self._full, recipe.ratio),
            share=_share(variants.reward(variant, patch.ratio), variants.reward(self._full, recipe.ratio)),
            low=variants.ratio(variant, patch.low) if known else None,
            high=variants.ratio(variant, patch.high) if known else None,
        )


def _share(reward: float, full: float) -> float:
    """Of a gain, by logarithms; 0 where there is none to be carried."""
    return reward / full if full > 0 else 0.0


def _files_of(toolchain: Toolchain, program: Program, source: Path, level: Level) -> dict[Path, set[str]]:
    """The source and the headers that it includes, without those of the system: real path -> its names."""
    command = [*baseline_command(toolchain, program, source, level), "-MM", "-MT", "x"]
    completed = process.run([word for word in command if word != "-c"])
    if completed.status:
        diagnostics = completed.stderr.decode("utf-8", "replace")
        raise CompileError(f"{source}: its includes cannot be listed; try {shlex.join(command)}", diagnostics)
    text = completed.stdout.decode("utf-8", "surrogateescape").partition(":")[2].replace("\\\n", " ")
    found: dict[Path, set[str]] = {}
    for word in re.findall(r"(?:\\.|\S)+", text):
        name = os.path.abspath(re.sub(r"\\(.)", r"\1", word))
        found.setdefault(Path(os.path.realpath(name)), set()).add(name)
    return found
