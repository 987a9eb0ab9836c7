"""Where run time counts, decisions are about the functions that hold it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from colt_llvm.decisions.heat import heat_of, hot_offers
from colt_llvm.decisions.offers import read_functions
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import prepare_target
from colt_llvm.llvm.decision import parse_decision
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.measure.samples import CannotProfile
from colt_llvm.program.compilation import front_end
from colt_llvm.program.program import program_from_files
from colt_llvm.run import setup

SOURCE = """
static unsigned square(unsigned x) { return x * x + 1; }
static unsigned twice(unsigned x) { return square(x) + square(x + 1); }
unsigned hot(unsigned n) {
    unsigned sum = 0;
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < i; j++) sum += square(i) ^ j;
    return sum;
}
unsigned warm(unsigned n) { unsigned sum = 0; while (n--) sum ^= twice(n); return sum; }
unsigned cold(unsigned n) { return n ? cold(n - 1) + hot(n) : 0; }
"""
SHARES = {"hot": 0.9, "warm": 0.05, "cold": 0.001}


@pytest.mark.llvm
def test_what_holds_no_time_is_left_alone_and_the_hottest_loop_comes_first(tmp_path: Path) -> None:
    source = tmp_path / "heat.c"
    source.write_text(SOURCE)
    toolchain = find_toolchain()
    library, bitcodes = toolchain.load(), front_end(toolchain, program_from_files([str(source)]), "O3")
    heat = heat_of(read_functions(library, bitcodes), SHARES, SHARES)
    shares = {name: found.share for name, found in heat.items()}
    assert shares == pytest.approx({**SHARES, "twice": 0.05, "square": 0.95})  # what is inlined has its callers' time
    assert (heat["square"].home, heat["square"].around) == ("hot", 2)

    found = hot_offers(library, bitcodes, ("function", "call", "loop"), SHARES, SHARES)
    names = [offer.name for offer in found.offers]
    assert {parse_decision(name).function for name in names} == {"hot", "warm", "square", "twice"}
    assert {"noinline<hot>", "alwaysinline<hot>", "noinline<square>"} <= set(names)
    assert "alwaysinline<square>" not in names, "the baseline inlines it everywhere"
    loops = [name for name in names if parse_decision(name).scope == "loop" and "nounroll" in name]
    assert loops == ["nounroll<hot#2>", "nounroll<hot#1>", "nounroll<warm#1>"]
    promises = [offer.promise for offer in found.offers]
    assert promises == sorted(promises, reverse=True)
    small = ("minsize<*>", *(f"optspeed<{name}>" for name in ("hot", "square", "twice", "warm")))
    assert found.begin_with == (small, *((name,) for name in names[:8]))

    alone = hot_offers(library, bitcodes, ("call",), {"hot": 1.0}, SHARES)
    assert [offer.name for offer in alone.offers] == ["alwaysinline<hot;square#1>", "noinline<hot;square#1>"]
    assert alone.begin_with == tuple((offer.name,) for offer in alone.offers)


@pytest.mark.llvm
def test_a_run_decides_by_the_samples_that_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "heat.c"
    source.write_text(SOURCE + "int main(int argc, char **argv) { return (int)(cold(argc) ^ warm(argc)) & 1; }\n")
    scopes = ("passes", "module", "function", "loop")
    target = prepare_target(find_toolchain(), program_from_files([str(source)]), TuneOptions("runtime", scopes=scopes))
    timer = SimpleNamespace(verifier=SimpleNamespace(baseline=tmp_path), run_seconds=1.0)
    journal = SimpleNamespace(directory=tmp_path)

    def none(*_: object) -> Counter[str]:
        raise CannotProfile("perf is not installed")

    def shares() -> tuple[dict[str, float], list[str]]:
        return setup.time_shares(target, timer, journal)  # type: ignore[arg-type]

    monkeypatch.setattr(setup, "symbol_samples", none)
    estimated, notes = shares()
    assert notes == ["where the time goes is not measured but estimated by loops: perf is not installed"]
    assert max(estimated, key=lambda name: estimated[name]) == "hot"
    (tmp_path / "heat.json").unlink()
    monkeypatch.setattr(setup, "symbol_samples", lambda *_: Counter({"hot": 180, "warm": 10, "cold": 10}))
    measured = shares()
    monkeypatch.setattr(setup, "symbol_samples", none)
    assert measured == shares() == ({"hot": 0.9, "warm": 0.05, "cold": 0.05}, [])

    task = setup.make_task(target, {}, scopes, measured[0])
    assert task.known_good[0][0] == "minsize<*>"
    assert set(task.known_good[0]) <= set(task.edits)
    assert not task.surroundings.callers, "sizes of functions say nothing of time"
    of_all = [gain for name, gain in task.promised.items() if "<*" in name]
    assert 0 < max(of_all) < task.promised["nounroll<hot#2>"]
