"""Options of LLVM's process that stand before a pipeline's text: ``-inlinedefault-threshold=5 default<Oz>``.

``default<Oz>`` hands its inliner a threshold that the text of an ``inline`` cannot say. With the option before it
the same pipeline written out gives the same code. As on opt's command line, an option holds for the whole text.
Recipes come from files, so only what is listed here is ever handed to libLLVM. Why so: docs/decisions/0025.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ctypes import c_char_p
from pathlib import Path

from colt_llvm.core.errors import PipelineSyntaxError
from colt_llvm.llvm.library import Library

#: Option -> LLVM's own value, which holds where a text does not name it.
DEFAULTS = {
    "inline-deferral": 0, "inlinedefault-threshold": 225, "rotation-max-header-size": 16,
    "unroll-threshold-default": 150,
}  # fmt: skip
#: Thresholds of passes, for which it counts whether they were given at all. They weigh one form of code against
#: another and leave its meaning alone. In units of the cost models of the passes that they name.
THRESHOLDS = {
    "inline-threshold": (25, 50, 100, 225, 500),
    "unroll-threshold": (50, 150, 600),
    "slp-threshold": (-10, 5, 10),
    "jump-threading-threshold": (0, 2, 12),
    "two-entry-phi-node-folding-threshold": (1, 8),
    "bonus-inst-threshold": (0, 3),
}
#: The same, of clang -O3, whose pipeline's text does not say it; no decision.
_OF_O3 = {"locally-hot-callsite-threshold": (525,)}
_ALLOWED = frozenset((*DEFAULTS, *THRESHOLDS, *_OF_O3))

#: Library -> what is set in it now.
_set: dict[Path, dict[str, int]] = {}
#: Library -> the switches of code generation that were ever on, and whether they are now. None: not said any more,
#: but target machines keep what they were last told.
_switched: dict[Path, dict[str, bool | None]] = {}

#: Library -> whether a loop's hints permit to reorder floating-point operations, where it was ever told.
_reordering: dict[Path, bool] = {}

_WORD = re.compile(r"-([a-z-]+)=(-?\d{1,9})")
_THRESHOLD = re.compile(r"([a-z-]+)<(-?\d{1,9})>")


def threshold_options(name: str) -> str | None:
    """The option that a module's decision such as ``inline-threshold<50>`` stands for; None where it is none."""
    match = _THRESHOLD.fullmatch(name)
    known = match is not None and match[1] in THRESHOLDS and _may_stand(match[1], int(match[2]))
    return f"-{match[1]}={match[2]}" if match is not None and known else None


def _may_stand(name: str, value: int) -> bool:
    values = THRESHOLDS.get(name) or _OF_O3.get(name)
    return value in values if values else name in DEFAULTS and value >= 0


def with_options(options: Sequence[str], passes: str) -> str:
    """``passes`` with options before it, such as ("-inlinedefault-threshold=5",)."""
    return " ".join([*options, passes]) if options else passes


def split_options(text: str) -> tuple[tuple[str, ...], str]:
    """The options before a pipeline, and the pipeline. Raises PipelineSyntaxError for one that is not known."""
    options: list[str] = []
    while text.startswith("-"):
        word, _, text = text.partition(" ")
        match = _WORD.fullmatch(word)
        if match is None or not _may_stand(match[1], int(match[2])):
            known = ", ".join(f"-{name}=N" for name in sorted(_ALLOWED))
            raise PipelineSyntaxError(f"{word}: may not stand before a pipeline; {known} may")
        options.append(word)
    return tuple(options), text


def apply_options(library: Library, options: Sequence[str]) -> None:
    """Set these in this process, and every other known option to LLVM's own value. Costs nothing when they are set.

    Not while another thread runs passes.
    """
    given = [_WORD.fullmatch(option) for option in options]
    wanted = {**DEFAULTS, **{match[1]: int(match[2]) for match in given if match is not None}}
    current = _set.setdefault(library.path, dict(DEFAULTS))
    if wanted == current:
        return
    if current.keys() - wanted.keys():  # LLVM asks whether a threshold was given, so it has to be taken back whole
        if library.reset_options is None:
            raise PipelineSyntaxError(f"{library.path}: cannot take a threshold back; use the system's libLLVM")
        library.reset_options()
        _reordering.pop(library.path, None)
        _switched[library.path] = dict.fromkeys(_switched.get(library.path, {}))
        current.clear()
        current.update(DEFAULTS)
    _parse(library, [f"-{name}={value}" for name, value in wanted.items() if value != current.get(name)])
    current.update(wanted)


def apply_switches(library: Library, on: Sequence[str]) -> None:
    """Turn these on in this process, and off what was turned on before; of those that code generation reads."""
    known = _switched.setdefault(library.path, {})
    wanted = {**dict.fromkeys(known, False), **dict.fromkeys(on, True)}
    _parse(library, [f"-{name}={value:d}" for name, value in wanted.items() if known.get(name) is not value])
    known.update(wanted)


def allow_reordering(library: Library, allowed: bool) -> None:
    """Whether hints for a loop's vectors permit to add floating-point numbers in another order: to LLVM they do."""
    if _reordering.get(library.path, True) is not allowed:
        _parse(library, [f"-hints-allow-reordering={allowed:d}"])
        _reordering[library.path] = allowed


def _parse(library: Library, options: Sequence[str]) -> None:
    if options:
        words = ["colt-llvm", *options]
        library.call.LLVMParseCommandLineOptions(len(words), (c_char_p * len(words))(*map(str.encode, words)), None)
