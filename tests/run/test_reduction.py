"""What can go of a sequence: the search for it, and its decisions where they rest on times. No compiler is run."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.explain.hot_function import functions_in, ir_functions, shortened
from colt_llvm.explain.minimize_timed import Reduced, Reducer
from colt_llvm.explain.variants import Variant
from colt_llvm.run.minimizing import reduce_sequence


def test_keeps_exactly_what_is_needed_and_tries_nothing_twice() -> None:
    tried: list[tuple[str, ...]] = []

    def accepts(sequence: tuple[str, ...]) -> bool:
        tried.append(sequence)
        return {"c", "g"} <= set(sequence)

    assert reduce_sequence("abcdefghij", accepts) == (("c", "g"), True)
    assert len(set(tried)) == len(tried)
    assert reduce_sequence("abc", lambda sequence: True) == ((), True)
    assert reduce_sequence((), accepts) == ((), True)


def test_actions_that_can_only_go_together_go_as_a_chunk() -> None:
    def accepts(sequence: tuple[str, ...]) -> bool:
        return ("x" in sequence) == ("y" in sequence) and "a" in sequence

    assert reduce_sequence("abxy", accepts) == (("a",), True)


def test_says_when_time_ran_out_and_keeps_what_was_reached() -> None:
    left = iter([False, True])
    found, complete = reduce_sequence("abcd", lambda sequence: True, lambda: next(left))
    assert (found, complete) == (("a", "b"), False)


# --- by run times


@dataclass
class FakeVariants:
    """speed: what each action makes the program faster by, as a factor. noise: standard deviation of a run's time."""

    speed: dict[str, float]
    noise: float = 0.001
    options: TuneOptions = field(default_factory=lambda: TuneOptions(objective="runtime"))
    proving: bool = False
    proof_speed: dict[str, float] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(1)
        self.timer = SimpleNamespace(
            time_together=lambda arms: [self.time(arm) for arm in arms],
            verifier=SimpleNamespace(link=self.link, baseline=Path("baseline")),
            run_seconds=0.0,
        )
        self.target = SimpleNamespace(baseline=SimpleNamespace(objects=()), options=self.options)

    def build(self, sequence: tuple[str, ...]) -> Variant:
        name = ",".join(sequence)
        return Variant(tuple(sequence), name, name, executable=Path(name), checked=True)

    def check(self, variant: Variant) -> Variant:
        return variant

    def prove(self, variant: Variant) -> Variant:
        return variant

    def ratio(self, variant: Variant, ratio: float = 1.0) -> float:
        return ratio

    def link(self, objects: object, name: str) -> Path:
        self.proving = True
        return Path(name)

    def time(self, executable: Path) -> float:
        self.runs.append(executable.name)
        speed = {**self.speed, **(self.proof_speed if self.proving else {})}
        seconds = 1.0
        for action in executable.name.split(","):
            seconds /= speed.get(action, 1.0)
        return seconds * (1 + self.random.gauss(0, self.noise))


def reduced(shop: FakeVariants, sequence: str, tolerance: float = 0.01) -> Reduced:
    variants: Any = shop
    ticks = iter(range(1_000_000))
    reducer = Reducer(variants, shop.build(tuple(sequence)), tolerance, lambda text: None, lambda: next(ticks) * 1e-4)
    return reducer.run(2.0, 2.0)


def test_a_run_time_keeps_the_actions_that_pay_and_no_others() -> None:
    found = reduced(FakeVariants({"b": 1.1, "e": 1.2, "h": 0.97}), "abcdefgh")
    assert found.best.sequence == ("b", "e")
    assert found.complete
    assert not found.kept_full
    assert found.interval.low <= 1.32 <= found.interval.high
    assert found.against_full is not None
    assert found.against_full.low > 1  # h made it slower


def test_tolerances_do_not_add_up() -> None:
    """Each action is worth 0.7%: one may go at a tolerance of 1%, a second one may not."""
    found = reduced(FakeVariants(dict.fromkeys("bcd", 1.007) | {"a": 1.3}), "abcd")
    assert len(found.best.sequence) == 3
    assert "a" in found.best.sequence


def test_what_the_times_cannot_tell_stays() -> None:
    found = reduced(FakeVariants({"a": 1.5}, noise=0.05), "abcd", tolerance=0.001)
    assert found.best.sequence == tuple("abcd")
    assert any("could not tell" in note for note in found.notes)


def test_the_full_recipe_is_kept_where_the_proof_fails() -> None:
    """What was dropped turns out to pay after all, once everything is measured side by side."""
    found = reduced(FakeVariants({"a": 1.3}, proof_speed={"d": 1.2}), "abcd")
    assert found.kept_full
    assert found.best.sequence == tuple("abcd")
    assert any("as fast as the full recipe" in note for note in found.notes)
    found = reduced(FakeVariants({"a": 1.3}, proof_speed={"a": 1.0, "baseline": 1.1}), "abcd")
    assert found.kept_full
    assert any("better than the baseline" in note for note in found.notes)


def test_a_hopeless_one_is_let_go_after_few_runs() -> None:
    shop = FakeVariants({"a": 2.0})
    reduced(shop, "a")
    assert shop.runs[: shop.runs.index("control")].count("") <= 4


# --- printed functions


def test_functions_are_cut_out_of_assembly_and_their_labels_numbered_by_place() -> None:
    text = """
\t.text
\t.type\tfirst,@function
first:
\t.cfi_startproc
# %bb.0:
\tpushq\t%rbp
.LBB3_7:
\tmovsd\t.LCPI3_2(%rip), %xmm0
\tjne\t.LBB3_7
\tretq
.Lfunc_end3:
\t.size\tfirst, .Lfunc_end3-first
\t.type\t"two words",@function
"two words":
\tjmp\t.LBB4_1
.LBB4_1:
\tretq
.Lfunc_end4:
\t.type\ttable,@object
table:
\t.quad\t1
"""
    found = functions_in(text)
    assert list(found) == ["first", "two words"]
    assert found["first"].splitlines() == [
        "        pushq   %rbp", ".LBB1:", "        movsd   .LCPI1(%rip), %xmm0", "        jne     .LBB1",
        "        retq",
    ]  # fmt: skip
    assert "table" not in found["two words"]


def test_functions_are_cut_out_of_ir() -> None:
    text = "declare i32 @g()\n\ndefine internal i32 @f(i32 %0) #3 {\n  ret i32 %0, !tbaa !5\n}\n\n!0 = !{}\n"
    assert ir_functions(text) == {"f": "define internal i32 @f(i32 %0) {\n  ret i32 %0\n}"}


@pytest.mark.parametrize("lines", [5, 6, 7])
def test_a_long_text_is_cut_and_says_so(lines: int) -> None:
    text = "\n".join(map(str, range(lines)))
    cut = shortened(text, 5)
    assert len(cut.splitlines()) == 5
    assert (cut == text) == (lines == 5)
    if lines > 5:
        assert cut.endswith(f"... {lines - 4} more lines")
