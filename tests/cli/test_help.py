"""What --help and --help-all show, and what they do not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from colt_llvm.cli.grouped import GroupedCommand, Option
from colt_llvm.cli.main import cli, run

_Path = tuple[str, ...]
#: Private or vague words, which help texts said before.
PRIVATE = (
    "contest", "run-off", "judge", "workforce", "lending", "hired", "parcel", "fleet", "handover", "lessons",
    "workshop", "workbench", "mend", "as ever", "first idea", "claim", "heeds", "beauty", "neighbours",
)  # fmt: skip


def commands(command: click.Command = cli, path: _Path = ()) -> Iterator[tuple[_Path, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


ALL = dict(commands())
GROUPED = [path for path, command in ALL.items() if isinstance(command, GroupedCommand)]


def shown(capsys: pytest.CaptureFixture[str], path: tuple[str, ...], flag: str = "--help") -> str:
    assert run([*path, flag]) == 0
    return capsys.readouterr().out


def options_in(text: str) -> list[str]:
    """The first spelling of each option that has a line of its own."""
    return re.findall(r"^  (--?[a-z][\w-]*)", text, re.MULTILINE)


def groups_in(text: str) -> list[str]:
    return re.findall(r"^(\S.*):$", text, re.MULTILINE)


def test_tune_shows_the_ten_options_that_most_need_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, ("tune",))
    assert options_in(text) == [
        "--cflags", "--ldflags", "--run", "--build", "--time", "--trials", "--objective", "--float-tolerance", "-o",
        "--models", "--help-all", "-h",
    ]  # fmt: skip
    assert groups_in(text) == [
        "What to tune", "How long", "What to prove", "Where it goes", "Which models propose", "Options",
    ]  # fmt: skip


@pytest.mark.parametrize("path", GROUPED, ids=" ".join)
def test_help_all_shows_every_option(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    named = {option.opts[0] for option in ALL[path].params if isinstance(option, click.Option)}
    everything = options_in(shown(capsys, path, "--help-all"))
    assert sorted(everything) == sorted(named | {"-h"})
    common = options_in(shown(capsys, path))
    assert set(common) < set(everything)
    assert len(common) <= 12


@pytest.mark.parametrize("path", GROUPED, ids=" ".join)
def test_each_option_of_a_grouped_command_names_its_group(path: tuple[str, ...]) -> None:
    for option in ALL[path].params:
        if isinstance(option, click.Option) and option.name != "help_all":
            assert isinstance(option, Option), option.opts
            assert option.group != "Options", option.opts


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tune", "none.c", "--worth", "-1"], "--stop-below -1.0: use 0 or more"),
        (["tune", "none.c", "--stop-below=-1"], "--stop-below -1.0: use 0 or more"),
        (["minimize", "none.json", "--seconds", "many"], "Invalid value for '--time'"),
        (["bench", "run", "-o", "out", "--seconds=many"], "Invalid value for '--time'"),
    ],
)
def test_an_old_spelling_is_taken_and_the_message_says_the_new_one(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("path", [("tune",), ("minimize",), ("bench", "run")], ids=" ".join)
def test_an_old_spelling_is_not_shown(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, path, "--help-all")
    assert "--worth" not in text
    assert "--seconds" not in text


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_holds_no_private_word(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, path, "--help-all" if path in GROUPED else "--help").lower()
    assert not [word for word in PRIVATE if re.search(rf"\b{word}s?\b", text)]
    for option in ALL[path].params:
        assert not isinstance(option, click.Option) or option.help, option.opts


def test_an_old_flag_says_the_same_as_the_new_one(capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for flag in ("--no-plots", "--no-pictures"):
        assert run(["bench", "report", "no-such-folder", "-o", "out", flag]) != 0
        said.append(capsys.readouterr().err)
    assert said[0] == said[1]
    assert "option" not in said[0]
