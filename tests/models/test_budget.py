"""Limits that calls under way cannot overrun."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from model_helpers import PRICE, spec

from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import Message, ModelSpec, Price, Usage
from colt_llvm.models.budget import Budget, BudgetSpent, Limits, Spending, worst_cost, worst_usage


def test_without_limits_everything_fits() -> None:
    budget = Budget()
    for _ in range(100):
        assert budget.reserve(Spending(1, 10**9, 1e9))


@pytest.mark.parametrize(
    ("limits", "limit"),
    [(Limits(max_calls=0), "calls"), (Limits(max_tokens=9), "tokens"), (Limits(max_cost=0.9), "cost")],
)
def test_refuses_what_cannot_fit_and_names_the_limit(limits: Limits, limit: str) -> None:
    with pytest.raises(BudgetSpent, match=f"--max-{limit}") as caught:
        Budget(limits).reserve(Spending(1, 10, 1.0))
    assert caught.value.limit == limit


def test_what_fits_exactly_fits() -> None:
    assert Budget(Limits(max_cost=1.0, max_calls=1, max_tokens=10)).reserve(Spending(1, 10, 1.0))


def test_counts_what_earlier_parts_of_the_run_spent() -> None:
    with pytest.raises(BudgetSpent):
        Budget(Limits(max_calls=5), Spending(calls=5)).reserve(Spending(1))


def test_a_settled_call_gives_back_what_it_did_not_take() -> None:
    budget = Budget(Limits(max_tokens=100))
    ticket = budget.reserve(Spending(1, 90))
    assert ticket
    budget.settle(ticket, Spending(1, 10))
    assert budget.spent == Spending(1, 10)
    assert budget.reserve(Spending(1, 90))


def test_waits_while_a_call_under_way_might_give_room_back() -> None:
    budget = Budget(Limits(max_tokens=100))
    first = budget.reserve(Spending(1, 90))
    assert first
    waiting = threading.Event()

    def give_up() -> bool:
        waiting.set()
        return False

    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(budget.reserve, Spending(1, 90), give_up)
        assert waiting.wait(30)
        assert not second.done()
        budget.settle(first, Spending(1, 10))
        assert second.result(timeout=30)


def test_waiting_ends_when_there_is_no_use_in_it() -> None:
    budget = Budget(Limits(max_tokens=100))
    budget.reserve(Spending(1, 90))
    assert budget.reserve(Spending(1, 90), give_up=lambda: True) is None


def test_many_threads_never_overrun_any_limit() -> None:
    limits = Limits(max_cost=10.0, max_calls=150, max_tokens=12_000)
    budget = Budget(limits)
    worst = Spending(1, 100, 0.125)
    lock = threading.Lock()
    out: list[Spending] = []
    most = [Spending()]

    def work(number: int) -> None:
        draw = random.Random(number)
        while True:
            try:
                ticket = budget.reserve(worst)
            except BudgetSpent:
                return
            assert ticket is not None
            took = Spending(1, draw.randint(0, 100), draw.choice([0.0, 0.0625, 0.125]))
            with lock:
                out.append(took)
                most[0] = sum(out, Spending())
            budget.settle(ticket, took)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert most[0] == budget.spent
    assert budget.spent.calls <= 150
    assert budget.spent.tokens <= 12_000
    assert budget.spent.cost <= 10.0
    assert budget.spent.calls == 150 or budget.spent.tokens > 11_900 or budget.spent.cost > 9.8, "and it was used up"


@pytest.mark.parametrize("name", ["max_cost", "max_calls", "max_tokens"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_limits_are_finite_and_not_negative(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name.replace("_", "-")):
        Limits(**{name: value})


def test_the_worst_case_counts_the_prompt_and_the_longest_answer() -> None:
    usage = worst_usage(spec(max_output_tokens=100), [Message("user", "x" * 1000)])
    assert usage.prompt_tokens >= 500
    assert usage.completion_tokens == 100
    endless = worst_usage(spec(max_output_tokens=100, context_tokens=4096), [], limits_output=False)
    assert endless.completion_tokens == 4096


def test_small_policies_take_no_tokens() -> None:
    assert worst_usage(ModelSpec("embedded/nano", "embedded", 100.0), [Message("user", "x" * 1000)]) == Usage()


def test_the_worst_price_holds_where_cached_input_is_dearer() -> None:
    assert worst_cost(spec(), Usage(1000, 0, 10)) == PRICE.of(Usage(1000, 0, 10))
    dear = spec(price=Price(input=1.0, cached=3.0, output=0.0))
    assert worst_cost(dear, Usage(1000, 0, 0)) == pytest.approx(0.003)
