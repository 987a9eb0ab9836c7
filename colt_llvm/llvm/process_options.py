"""Options of LLVM's process that stand before a pipeline's text: ``-inlinedefault-threshold=5 default<Oz>``.

``default<Oz>`` hands its inliner a threshold that the text of an ``inline`` cannot say. With the option before it
the same pipeline written out gives the same code. As on opt's command line, an option holds for the whole text.
Recipes come from files, so only what is listed here is ever handed to libLLVM.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ctypes import c_char_p
from pathlib import Path

from colt_llvm.errors import PipelineSyntaxError
from colt_llvm.llvm.library import Library

#: Option -> LLVM's own value, which holds where a text does not name it.
DEFAULTS = {"inlinedefault-threshold": 225, "rotation-max-header-size": 16}

#: Library -> what is set in it now.
_set: dict[Path, dict[str, int]] = {}

_WORD = re.compile(r"-([a-z-]+)=(\d{1,9})")


def with_options(options: Sequence[str], passes: str) -> str:
    """``passes`` with options before it, such as ("-inlinedefault-threshold=5",)."""
    return " ".join([*options, passes]) if options else passes


def split_options(text: str) -> tuple[tuple[str, ...], str]:
    """The options before a pipeline, and the pipeline. Raises PipelineSyntaxError for one that is not known."""
    options: list[str] = []
    while text.startswith("-"):
        word, _, text = text.partition(" ")
        match = _WORD.fullmatch(word)
        if match is None or match[1] not in DEFAULTS:
            known = ", ".join(f"-{name}=N" for name in DEFAULTS)
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
    words = ["colt-llvm", *(f"-{name}={value}" for name, value in wanted.items() if value != current[name])]
    library.call.LLVMParseCommandLineOptions(len(words), (c_char_p * len(words))(*map(str.encode, words)), None)
    current.update(wanted)
