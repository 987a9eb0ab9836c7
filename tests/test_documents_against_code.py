"""Documents say what the code does: figures and defaults, options of commands, files, dependencies, links."""

from __future__ import annotations

import importlib
import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest
from documents import FIGURES, Figures

from colt_llvm.cli.main import _COMMANDS, cli
from colt_llvm.experiments.experiment_file import packaged

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]  # fmt: skip
WORDS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
]  # fmt: skip
OTHER_WORDS = {"half": 0.5, "hundredth": 100}


@cache
def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def value_of(said: str) -> float | str:
    """``18,794``, ``eight`` and ``0.1`` as numbers, anything else as it is."""
    plain = said.strip("`*").replace(",", "").lower()
    if plain in WORDS:
        return float(WORDS.index(plain))
    if plain in OTHER_WORDS:
        return OTHER_WORDS[plain]
    try:
        return float(plain)
    except ValueError:
        return plain


@pytest.mark.parametrize("figures", FIGURES, ids=lambda figures: f"{figures.document}: {figures.pattern[:50]}")
def test_figures_are_those_of_the_code(figures: Figures) -> None:
    text = " ".join(text_of(ROOT / figures.document).split())
    found = re.findall(figures.pattern, text)
    assert len(found) == 1, f"{figures.document}: one sentence like {figures.pattern!r}; it has {len(found)}"
    said = found[0] if isinstance(found[0], tuple) else (found[0],)
    values = tuple(float(value) if isinstance(value, (int, float)) else value for value in figures.values())
    assert tuple(map(value_of, said)) == values, f"{figures.document}: {figures.pattern!r}"


def test_packaged_experiments_are_all_named_and_no_others() -> None:
    text = text_of(ROOT / "docs" / "guide" / "experiments.md")
    (said,) = re.findall(r"((?:`\w+`(?:, | and )?)+) in place of a file are experiments", text)
    assert set(re.findall(r"`(\w+)`", said)) == set(packaged())


def options_of(words: list[str]) -> tuple[set[str], list[str]]:
    """All options that the command in ``words`` has, its subcommands' too where it names one; what follows its name."""
    command: click.Command = cli
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            break
        command, rest = found, rest[1:]
    names = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
    return names | {"--help", "-h", "--version"}, rest


def commands_in(document: Path) -> list[str]:
    """Each use of ``colt-llvm`` in code, in a block or a line; a line that ends with a backslash goes on."""
    text = text_of(document).replace("\\\n", " ")
    blocks = re.findall(r"^(?: {4,}|\t)(.*)$", text, re.MULTILINE) + re.findall(
        r"^```.*?\n(.*?)^```", text, re.M | re.S
    )
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)
    return [line[line.index("colt-llvm ") + 10 :] for line in lines if re.search(r"(^|[ /(\"])colt-llvm [a-z-]", line)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_options_in_documents_exist(document: Path) -> None:
    for line in commands_in(document):
        line = re.split(r"\s#\s|\s&&\s|\)|\s\|", line)[0]
        try:
            words = shlex.split(line)
        except ValueError:
            words = line.split()
        if words[0] not in _COMMANDS and not words[0].startswith("-"):
            continue  # a sentence
        known, rest = options_of(words)
        for word in rest:
            if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word):
                assert word.partition("=")[0] in known, f"{document.name}: colt-llvm {line}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_documents_name_are_there(document: Path) -> None:
    named = re.findall(r"`((?:colt_llvm|tools|tests|docs|passes|programs|\.ci)/[\w./-]+)`", text_of(document))
    named += re.findall(r"(?:python|sh) ((?:tools|tests)/[\w./-]+)", text_of(document))
    named += re.findall(r"python -m (colt_llvm[\w.]*)", text_of(document))
    for name in named:
        if "MAJOR" in name or "NAME" in name:
            continue
        if name.startswith("colt_llvm") and "/" not in name:
            importlib.import_module(name)
        else:
            assert (ROOT / name).exists(), f"{document.name}: {name}"
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text_of(document))
    assert not [link for link in links if not (document.parent / link).exists()]


def test_each_part_of_the_package_stands_in_the_drawing_of_the_house() -> None:
    drawn = text_of(ROOT / "docs" / "ARCHITECTURE.md").split("Imports go downward")[0]
    for path in (ROOT / "colt_llvm").iterdir():
        if path.name.startswith(("_", ".")) or path.suffix not in ("", ".py"):
            continue
        assert path.name in drawn or path.stem in drawn, path.name


def test_each_decision_has_its_number_its_parts_and_a_row() -> None:
    folder = ROOT / "docs" / "decisions"
    index = text_of(folder / "index.md")
    files = sorted(folder.glob("0*.md"))
    assert len({file.name[:4] for file in files}) == len(files), "a number stands for one decision"
    for file in files:
        title, text = text_of(file).split("\n", 1)
        number = file.name[:4]
        assert title.startswith(f"# {number}: ")
        assert f"| [{number}]({file.name}) | {title.partition(': ')[2]} |" in index
        assert [
            part for part in ("Context", "Measured", "Decision", "Consequences") if f"\n**{part}.** " not in text
        ] == []


def test_decisions_that_the_code_cites_are_there() -> None:
    for file in [*(ROOT / "colt_llvm").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        for name in re.findall(r"docs/decisions/([\w.-]*\w)", file.read_text(encoding="utf-8")):
            assert list((ROOT / "docs" / "decisions").glob(f"{name}*")), f"{file}: {name}"


def test_one_trial_is_told_in_at_most_fourteen_functions_that_are_there() -> None:
    told = text_of(ROOT / "docs" / "ARCHITECTURE.md").split("## One trial")[1].split("\n## ")[0]
    names = re.findall(r"^\d+\. `([\w.]+)`:", told, re.MULTILINE)
    assert 1 < len(names) <= 14
    for name in names:
        words = name.split(".")
        module = importlib.import_module(".".join(["colt_llvm", *words[:2]]))
        found: object = module
        for word in words[2:]:
            found = getattr(found, word)
        assert callable(found), name


def test_each_dependency_has_its_reason_and_none_is_named_that_is_not_one() -> None:
    """The rows of the table; "..." stands for the rest of what compiler_gym imports."""
    toml = importlib.import_module("tomllib" if importlib.util.find_spec("tomllib") else "tomli")
    project = toml.loads(text_of(ROOT / "pyproject.toml"))
    groups = [*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()]
    given = [*project["project"]["dependencies"], *(item for group in groups for item in group)]
    known = {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in given}  # type: ignore[index]
    table = text_of(ROOT / "docs" / "ARCHITECTURE.md").split("## Dependencies")[1]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| ") and "---" not in row][1:]
    said = {
        re.match(r"[\w.-]+", name.strip())[0].lower() for row in rows for name in row.split(",") if name.strip(" .")
    }  # type: ignore[index]
    assert said <= known, said - known


def test_search_imports_only_what_contributors_are_told() -> None:
    (said,) = re.findall(r"- `search` knows (.*?)(?::|\n)", text_of(ROOT / "CONTRIBUTING.md"))
    for module in ("numpy", "pandas", "scipy"):
        used = any(re.search(rf"^\s*(import|from) {module}\b", path.read_text(encoding="utf-8"), re.MULTILINE)
                   for path in (ROOT / "colt_llvm" / "search").glob("*.py"))  # fmt: skip
        assert used == (module in said)
