"""No shell is used, so nothing that only a shell understands gets to a program as an argument."""

from __future__ import annotations

from pathlib import Path

import pytest

import colt_llvm
from colt_llvm.core.errors import UsageError
from colt_llvm.core.text import refuse_operators, split_words
from colt_llvm.program.program import Workload, load_program, program_from_dict, program_to_dict


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{exe} < in.bin", "<"),
        ("{exe} <in.bin", "<"),
        ("{exe} 3 > out.txt", ">"),
        ("{exe} 2>/dev/null", "2>"),
        ("{exe} x 2>&1", "2>&1"),
        ("{exe} | sort", "|"),
        ("{exe}|sort", "|"),
        ("{exe} a; {exe} b", ";"),
        ("{exe} a && {exe} b", "&&"),
        ("{exe} a || true", "||"),
        ("{exe} a &", "&"),
        ("{exe} <<< text", "<<<"),
        ("{exe} $(cat args)", "$("),
        ('{exe} "$(cat args)"', "$("),
        ("{exe} `cat args`", "`"),
        ('{exe} "`cat args`"', "`"),
        ("{exe} $HOME/input", "$HOME"),
        ('{exe} "${INPUT}"', "${"),
        ("{exe} 'a' <'b c'", "<"),
        ("{exe} '<'", "<"),
    ],
)
def test_what_needs_a_shell_is_refused_by_its_name(text: str, found: str) -> None:
    with pytest.raises(UsageError) as caught:
        split_words("--run", text)
    assert f": {found} needs a shell, and none is used; use --stdin for input, or write a script" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{exe} 'a<b' \"x|y\" 'p;q'", ("{exe}", "a<b", "x|y", "p;q")),
        (r"{exe} a\<b \$HOME", ("{exe}", "a<b", "$HOME")),
        ("{exe} '$(date)' '`date`' '$HOME'", ("{exe}", "$(date)", "`date`", "$HOME")),
        ("{exe} '<html>' 'a && b'", ("{exe}", "<html>", "a && b")),
        ("{exe} 100% 5$ $5 a=b *.txt ~ #", ("{exe}", "100%", "5$", "$5", "a=b", "*.txt", "~", "#")),
        (r'{exe} "a\"<b" x', ("{exe}", 'a"<b', "x")),
        ("", ()),
    ],
)
def test_a_quoted_argument_may_hold_the_same_letters(text: str, words: tuple[str, ...]) -> None:
    assert split_words("--run", text) == words


@pytest.mark.parametrize(
    "word", ["<", ">", ">>", "|", "||", "&&", ";", "&", "2>", "2>&1", "2>>", "&>", "<<", "<<<", "|&"]
)
def test_a_word_of_its_own_is_refused_wherever_a_command_is_given_as_words(word: str) -> None:
    with pytest.raises(UsageError, match="needs a shell"):
        refuse_operators(("prog", word, "x"))
    with pytest.raises(UsageError, match="needs a shell"):
        colt_llvm.Workload("w", ("{exe}", word, "x"))


@pytest.mark.parametrize("word", ["", "2", "<a", "a|b", "-", "--", "&amp;", "->", "=>", "<>a", "12", "|x|"])
def test_other_words_are_arguments(word: str) -> None:
    refuse_operators(("prog", word))


def test_a_program_file_and_a_run_that_was_written_down_are_no_way_around(tmp_path: Path) -> None:
    (tmp_path / "prog.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "program.toml").write_text('name = "prog"\nsources = ["prog.c"]\n[[workload]]\nargs = ["3"]\n')
    data = program_to_dict(load_program(tmp_path))
    data["workloads"][0]["command"] = ["{exe}", "<", "in"]
    with pytest.raises(UsageError, match="needs a shell"):
        program_from_dict(data)
    text = (tmp_path / "program.toml").read_text()
    (tmp_path / "program.toml").write_text(text.replace('"3"', '"<", "in"'))
    with pytest.raises(UsageError, match="needs a shell"):
        load_program(tmp_path)


def test_words_of_a_workload_stay_as_they_are() -> None:
    assert Workload("w", ("{exe}", "a b", "$(x)")).command == ("{exe}", "a b", "$(x)")
