"""``colt-llvm annotate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from colt_llvm.cli.grouped import GroupedCommand, option, together
from colt_llvm.cli.options import (
    HOW_LONG,
    WHERE_IT_GOES,
    limit_options,
    limits_of,
    llvm_option,
    program_beside_recipe,
    recipe_arguments,
    typed_options,
    workload_options,
)

if TYPE_CHECKING:
    from colt_llvm.explain.annotate import Annotated

#: Options that go without sources too: all else is in run.json then.
_WITHOUT_SOURCES = ("recipe", "write", "reasons", "seconds", "as_json", "llvm_prefix")
#: A patch that carries less is told how to find one that carries more.
_GOAL = 0.8
#: Of decisions that stay in the recipe for the same reason; --json has all.
_SHOWN = 4

_options_of_annotate = together(
    recipe_arguments,
    option("--time", "seconds", type=float, default=60.0, show_default=True, metavar="SECONDS", group=HOW_LONG,
           common=True, help="Wall-clock time for finding what pays, and for measuring run time."),
    workload_options,
    limit_options,
    option("--write", is_flag=True, group=WHERE_IT_GOES, common=True,
           help="Change the source files instead of printing a patch."),
    option("--reasons", is_flag=True, group=WHERE_IT_GOES, common=True,
           help="Write a comment beside each decision: what it brings."),
    option("--json", "as_json", is_flag=True, group=WHERE_IT_GOES, common=True, help="Print JSON."),
    llvm_option,
)  # fmt: skip


@click.command("annotate", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@_options_of_annotate
def command(**given: Any) -> None:
    """Print what RECIPE decides as a patch of your own source, for plain clang.

    RECIPE is a recipe.json that tune wrote, or its run directory. Name PROGRAM, with the options that run it, if no
    run.json lies beside the recipe. The patched source is built with plain clang, checked and measured; standard error
    says how much of the gain it carries, and what stays in the recipe. Other compilers see nothing of the patch.
    """
    from colt_llvm.program.recipe import find_recipe

    file = find_recipe(given["recipe"])
    # Imported here: what is wrong above is told without waiting for them.
    from colt_llvm.explain.annotate import AnnotateOptions, annotate
    from colt_llvm.llvm.toolchain import find_toolchain

    options = AnnotateOptions(given["seconds"], given["reasons"], limits_of(given, typed_options()))
    program = program_beside_recipe(given, file, _WITHOUT_SOURCES)
    found = annotate(
        file, find_toolchain(given["llvm_prefix"]), program, options,
        on_step=lambda text: click.echo(f"colt-llvm: {text}", err=True),
    )  # fmt: skip
    if given["write"]:
        found.write()
    if given["as_json"]:
        _print_json(found, given["write"])
        return
    _print_summary(found, given["write"])
    if not given["write"]:
        sys.stdout.flush()
        sys.stdout.buffer.write(found.diff.encode("latin-1"))


def _print_summary(found: Annotated, written: bool) -> None:
    """To standard error: standard output is the patch's alone."""

    def say(text: str) -> None:
        click.echo(f"colt-llvm: {text}", err=True)

    by_reason: dict[str, list[str]] = {}
    for left in found.left:
        by_reason.setdefault(left.reason, []).append(left.decision)
    for reason, names in by_reason.items():
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        say(f"stays in the recipe: {shown}: {reason}")
    interval = f" ({found.low:.4f} to {found.high:.4f})" if found.low is not None else ""
    say(
        f"plain clang on the patched source: {found.ratio:.4f}x against {found.baseline}{interval}; "
        f"the recipe {found.ratio_recipe:.4f}x"
    )
    say(f"{len(found.said)} decisions said in the source carry {found.share:.0%} of the gain")
    if found.flags_share is not None:
        say(f"with {' '.join(found.flags)} on clang's command line they carry {found.flags_share:.0%}")
    if max(found.share, found.flags_share or 0.0) < _GOAL and any("no word" in reason for reason in by_reason):
        say("tune --scopes module,inline,call searches among what clang can be told")
    for note in found.notes:
        say(f"note: {note}")
    if not found.diff:
        say("nothing of this recipe can be said in the source")
    elif written:
        say(f"changed: {', '.join(map(str, sorted(found.contents)))}")
    elif found.root != Path.cwd():
        say(f"the patch is for patch -p1 or git apply in {found.root}")


def _print_json(found: Annotated, written: bool) -> None:
    import json
    from dataclasses import asdict

    data = asdict(found)
    del data["contents"]
    data["root"] = str(found.root)
    data["files"] = sorted(map(str, found.contents))
    data["written"] = written
    click.echo(json.dumps(data, indent=1))
