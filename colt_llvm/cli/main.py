"""``colt-llvm``: finds the command, and turns every error into one line and an exit status."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

import click

from colt_llvm.core.errors import ColtError, CompileError
from colt_llvm.core.variables import settle

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: name -> (module:function, what --help says). Commands are imported when they are run, so that help is quick.
_COMMANDS = {
    "tune": ("tune:command", "Find a pass sequence that beats clang -O3 or -Oz for a program, and prove it."),
    "compare": ("compare:command", "Measure what plain clang gives a program without a search: flags, profile, LTO."),
    "apply": ("apply:apply_command", "Build a program with a recipe of tune."),
    "minimize": ("minimize:command", "Drop the actions of a recipe that bring nothing, and prove the rest."),
    "guard": ("apply:guard_command", "Check in CI that recipes still give the gain that they promised."),
    "annotate": ("annotate:command", "Print what a recipe decides as a patch of your own source."),
    "report": ("report:command", "Write one HTML file about a run: verdict, search tree, passes, recipe."),
    "recipes": ("recipes:command", "List the recipes in a source tree, check them, remove unused ones."),
    "doctor": ("doctor:command", "Check the toolchain and this host, and suggest fixes."),
    "passes": ("catalogue:passes", "List the passes that a sequence may contain."),
    "decisions": ("catalogue:decisions", "List what a search may decide about functions, calls and loops."),
    "programs": ("catalogue:programs", "List the included programs."),
    "models": ("models:command", "List the models that may propose, and test whether they answer."),
    "prompt": ("prompt:command", "Print the prompt that a language model gets for a program."),
    "train": ("train:command", "Fine-tune your own copy of the embedded policies on your runs."),
    "bench": ("bench:command", "Compare strategies on many programs, and write tables and plots."),
    "search": ("search:command", "Search in any other CompilerGym environment."),
    "make-include": ("build_files:make_include", "Print the path of the Makefile fragment for tuned builds."),
    "cmake-module": ("build_files:cmake_module", "Print the path of the CMake module for tuned builds."),
}

EXIT_STATUSES = """\b
Exit status:
  0  done, whether or not an improvement was found
  1  an internal error, please report it; models --check: a model failed
  2  the command line cannot be used
  3  no usable clang with its libLLVM
  4  the program does not compile or link
  5  the baseline fails: it crashes, does not end, or its output varies from run to run
  6  a run directory or output file cannot be read or written
  7  the recipe cannot be read, or does not fit
  8  some stale recipes could not be renewed in time (tune --ci)
  9  no usable cluster (--cluster): no answer, or no worker left
 10  a recipe gives less than it promised (guard)
"""


def _show_help(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted:  # not while words are completed
        from colt_llvm.cli.grouped import show_help

        show_help(context, option, wanted)


class _Commands(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, function = _COMMANDS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"colt_llvm.cli.{module}"), function)
        # click keeps the option with the names of the first context that asks: only a real one may.
        if "-h" in context.help_option_names and (help_option := command.get_help_option(context)):
            help_option.callback = _show_help
        return command

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        help_option = super().get_help_option(ctx)
        if help_option is not None:
            help_option.callback = _show_help
        return help_option

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """By name alone: click would import the module of each command for its line of help."""
        from click.shell_completion import CompletionItem

        found = [(name, summary) for name, (_, summary) in _COMMANDS.items() if name.startswith(incomplete)]
        items = [CompletionItem(name, help=summary) for name, summary in found]
        return items + click.Command.shell_complete(self, context, incomplete)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.command(cls=_Commands, epilog=EXIT_STATUSES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=lambda context, _, wanted: _show_version(context) if wanted else None,
    help="Show the versions of colt-llvm, LLVM and Python, and this machine: for a bug report.",
)
def cli() -> None:
    """Find, prove and replay LLVM pass sequences that beat clang -O3 or -Oz for one program on one machine."""


def _show_version(context: click.Context) -> None:
    from colt_llvm.cli.doctor import version_lines

    click.echo("\n".join(version_lines()))
    context.exit()


def main(arguments: list[str] | None = None) -> None:
    """The entry point of the console script."""
    _settle_python()
    status = run(arguments)
    _settle_streams()
    sys.exit(status)


def _settle_python() -> None:
    """Neither PYTHONWARNINGS=error nor PYTHONIOENCODING=ascii is meant for us."""
    if os.environ.get("PYTHONWARNINGS"):
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _settle_streams() -> None:
    """Drop what cannot be written any more: else Python tries again at exit, and ends with a status of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and return the exit status."""
    try:
        for line in settle():
            _say(line)
        result: Any = cli.main(arguments, prog_name="colt-llvm", standalone_mode=False)
        return int(result or 0)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        _say("interrupted")
        return 130
    except click.UsageError as error:
        hint = f"; see {error.ctx.command_path} --help" if error.ctx else ""
        _say(f"{error.format_message().rstrip('.')}{hint}")
        return 2
    except click.ClickException as error:
        _say(error.format_message())
        return 2
    except CompileError as error:
        if error.diagnostics:
            click.echo(error.diagnostics, err=True)
        _say(str(error))
        return error.exit_status
    except ColtError as error:
        _say(" ".join(str(error).split()))
        return error.exit_status
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except SystemExit:
        # How click and rich end when the reader of our output is gone, as with `| head`. Nothing else of ours ends
        # like this.
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        what = error.strerror or str(error).partition("\n")[0]
        _say(f"{place}{what}; free some space, or use folders that can be written (TMPDIR, --run-dir)")
        return 6


def _say(message: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        click.echo(f"colt-llvm: {message}", err=True)


if __name__ == "__main__":
    main()
