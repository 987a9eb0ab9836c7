"""Help in groups: ``--help`` shows the options that most people need, ``--help-all`` shows all of them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

#: The heading of options that name none.
_OTHER = "Options"


class Option(click.Option):
    """An option that knows where it stands in the help.

    group: the heading above it. common: whether ``--help`` shows it, and not ``--help-all`` alone.
    old: earlier spellings, which are taken and shown nowhere.
    describe: makes the help when it is shown, for one that takes imports.
    """

    def __init__(
        self, names: Sequence[str], *, group: str = _OTHER, common: bool = False, old: Sequence[str] = (),
        describe: Callable[[], str] | None = None, **rest: Any,
    ) -> None:  # fmt: skip
        super().__init__(names, **rest)
        self.group, self.common, self._old, self._describe = group, common, tuple(old), describe

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        if self._describe:
            self.help = self._describe()
        return super().get_help_record(ctx)

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        shown = self.opts
        self.opts = [*shown, *self._old]
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.opts = shown


class GroupedCommand(click.Command):
    """A command whose ``--help`` shows the common options, and ``--help-all`` all of them, both in groups."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params.append(
            Option(
                ["--help-all"], is_flag=True, is_eager=True, expose_value=False, common=True,
                callback=_show_all, help="Show all options.",
            )
        )  # fmt: skip

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Argument) or not (ctx.meta.get(_ALL) or getattr(parameter, "common", True)):
                continue
            if record := parameter.get_help_record(ctx):
                groups.setdefault(getattr(parameter, "group", _OTHER), []).append(record)
        for title in sorted(groups, key=lambda title: title == _OTHER):  # stable: as declared, the rest last
            with formatter.section(title):
                formatter.write_dl(groups[title])


_ALL = "colt_llvm.help_all"


def _show_all(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        ctx.meta[_ALL] = True
        show_help(ctx, _option, wanted)


def show_help(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """The callback of ``--help``: a text that is taller than the terminal goes through the user's pager."""
    if not wanted or ctx.resilient_parsing:
        return
    text = ctx.get_help()
    if sys.stdout.isatty() and text.count("\n") + 1 >= shutil.get_terminal_size().lines:
        click.echo_via_pager(text, color=ctx.color)
    else:
        click.echo(text, color=ctx.color)
    ctx.exit()


def option(*names: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As ``click.option``, with what ``Option`` takes."""
    return click.option(*names, cls=Option, **settings)


def together(*decorators: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Several options as one decorator, in the order in which they are shown."""

    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply
