"""Files of the user's own policies as ``--models`` names them: whole, one model, damaged, gone, changed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.models.base import Prompt
from colt_llvm.models.check import preflight
from colt_llvm.models.embedded import SPECS, load, own
from colt_llvm.models.embedded.weights import FILE, weights
from colt_llvm.models.question import Offer, Question, State
from colt_llvm.models.registry import connect, load_models, models_of
from colt_llvm.models.specs import spec_from_dict, spec_to_dict

SHORT = ("nano", "small", "base")
PARAMETERS = {"nano": 10, "small": 100, "base": 1000}


def write(path: Path, card: object = None) -> Path:
    """The package's numbers as a file of the user's own."""
    shutil.copy(FILE, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(own.CARD, json.dumps(card or {"version": own.VERSION, "parameters": PARAMETERS}))
    return path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write(tmp_path / "mine.npz")


def a_question(acting: str, *offered: str) -> Question:
    return Question(
        request_id=3, seed=1, kind="expand", acting=acting, objective="size", baseline="", cpu="", state=State((), 0.0),
        passes=("licm", "dse", "gvn", "sroa"), edits=("without<licm>", "without<indvars>"),
        program={"TotalInstsCount": 500.0, "LoadCount": 60.0},
        offers=tuple(Offer(name, 1.0 + place) for place, name in enumerate(offered)),
    )  # fmt: skip


def answer(model: object, question: Question) -> dict[str, object]:
    answered: dict[str, object] = json.loads(model.ask(Prompt(question, tuple), 10.0).text)  # type: ignore[attr-defined]
    return answered


def test_a_file_is_three_models_with_names_of_its_own(mine: Path) -> None:
    specs = load_models(str(mine))
    assert [spec.name for spec in specs] == [f"mine/{short}" for short in SHORT]
    assert [spec.parameters for spec in specs] == [10.0, 100.0, 1000.0]
    assert not any(spec.is_language_model for spec in specs)


def test_one_of_them_stands_in_a_list_with_others(mine: Path) -> None:
    specs = load_models(f"embedded/nano,{mine}:base")
    assert [spec.name for spec in specs] == ["embedded/nano", "mine/base"]


def test_a_table_of_toml_may_name_one(mine: Path) -> None:
    (spec,) = models_of({"model": [{"name": f"{mine}:small", "kind": "embedded"}]})
    assert spec.name == "mine/small"
    with pytest.raises(UsageError, match="one \\[\\[model\\]\\] for each"):
        models_of({"model": [{"name": str(mine), "kind": "embedded"}]})


@pytest.mark.parametrize("short", SHORT)
def test_equal_numbers_give_equal_answers(mine: Path, short: str) -> None:
    (spec,) = load_models(f"{mine}:{short}")
    for kind in ("expand", "seed"):
        question = a_question("", spec.name, f"embedded/{short}")
        question = Question(**{**question.__dict__, "kind": kind})
        found, expected = answer(connect(spec), question), answer(load(f"embedded/{short}"), question)
        assert found["passes"] == expected["passes"]


def test_its_numbers_are_its_own_and_read_once(mine: Path) -> None:
    first, second = (connect(spec) for spec in load_models(str(mine))[:2])
    answer(first, a_question("mine/nano", "mine/nano"))
    answer(second, a_question("mine/small", "mine/small"))
    home = own.home_of(first.spec)
    assert home is not None
    assert weights(*home) is weights(*home)
    assert weights(*home) is not weights()


def test_it_is_written_to_a_run_and_back(mine: Path) -> None:
    for spec in load_models(str(mine)):
        assert spec_from_dict(json.loads(json.dumps(spec_to_dict(spec)))) == spec


def test_naming_a_file_loads_no_numpy(mine: Path) -> None:
    code = f"import sys; from colt_llvm.models.registry import load_models; load_models({str(mine)!r}); "
    child = subprocess.run(
        [sys.executable, "-c", code + "print('numpy' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert child.stdout.strip() == "False"


def test_a_file_that_changed_or_is_gone_is_told_before_the_search(mine: Path) -> None:
    specs = load_models(str(mine))
    preflight(specs)
    write(mine, {"version": own.VERSION, "parameters": {**PARAMETERS, "nano": 11}})
    for check in (lambda: preflight(specs), lambda: connect(specs[0])):
        with pytest.raises(own.WeightsError, match="put the old file back"):
            check()
    mine.unlink()
    with pytest.raises(own.WeightsError, match="no such file"):
        preflight(specs)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone.npz", "no such file; make it with colt-llvm train"),
        ("mine.npz:huge", "nano, small, base"),
        ("torn.npz", "cannot be read"),
        ("text.npz", "cannot be read"),
        ("folder.npz", "cannot be read"),
        ("flipped.npz", "cannot be read"),
        ("package.npz", "was not written by colt-llvm train"),
        ("old.npz", "another version"),
        ("odd.npz", "cannot be read"),
        ("embedded.npz", "another name"),
        ("a b.npz", "letters, digits"),
        ("mine.npz,sub/mine.npz", "named twice"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    mine: Path, name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine.parent)
    content = mine.read_bytes()
    Path("torn.npz").write_bytes(content[:5000])
    Path("text.npz").write_text("no zip")
    Path("folder.npz").mkdir()
    middle = len(content) // 2
    Path("flipped.npz").write_bytes(content[:middle] + bytes(256) + content[middle + 256 :])
    shutil.copy(FILE, "package.npz")
    write(Path("old.npz"), {"version": 0})
    write(Path("odd.npz"), {"version": own.VERSION, "parameters": {"nano": "many"}})
    write(Path("embedded.npz"))
    write(Path("a b.npz"))
    Path("sub").mkdir()
    write(Path("sub/mine.npz"))
    with pytest.raises(ColtError, match=said) as raised:
        load_models(name)
    assert "\n" not in str(raised.value)


def test_who_retrieves_is_looked_for_in_the_same_file(mine: Path) -> None:
    """A nano of the user's names the small of the user's, never the package's."""
    nano = connect(load_models(f"{mine}:nano")[0])
    question = Question(**{**a_question("mine/nano", "mine/nano", "embedded/small").__dict__, "kind": "seed"})
    assert answer(nano, question)["next_model"] == "mine/nano"


def test_the_names_of_the_package_are_as_before() -> None:
    assert load_models(",".join(SPECS)) == list(SPECS.values())
