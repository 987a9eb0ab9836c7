"""A trial in the search runs just as often as needed. No clock: the times are given."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from colt_llvm.measure.rounds import TimeRound, TrialMeasurement, TrialPolicy, measure_trial

from .simulate import Host, in_turn

#: Arms that give their seconds when they are called.
CALLED: TimeRound[Callable[[], float]] = in_turn(lambda arm: arm())


def trial(candidate: float, seed: int = 0, best: float | None = None, **policy: float) -> tuple[TrialMeasurement, Host]:
    host = Host({"c": candidate, "b": 1.0}, seed)
    options = TrialPolicy(**policy)  # type: ignore[arg-type]
    measured = measure_trial(("c", "b"), in_turn(host.time), options, best_ratio=best, seed=seed, clock=host.clock)
    return measured, host


def test_a_hopeless_candidate_is_cut_after_one_pair() -> None:
    measured, host = trial(3.0)
    assert measured.cut
    assert host.order == ["c", "c", "b"]
    assert measured.ratio == pytest.approx(1 / 3, rel=0.3)


def test_one_disturbed_run_does_not_condemn_a_candidate() -> None:
    runs = iter([1.0, 9.0, *[1.0] * 50])
    measured = measure_trial((lambda: next(runs), lambda: 1.0), CALLED, TrialPolicy())
    assert not measured.cut
    assert measured.ratio == pytest.approx(1.0)


def test_arms_run_in_turn_and_neither_always_comes_first() -> None:
    _, host = trial(1.0, target_half_width=1e-9, max_pairs=6)
    assert "".join(host.order) == "c" + "cbbc" * 3


def test_a_clear_ratio_needs_the_fewest_pairs() -> None:
    measured = measure_trial((lambda: 0.5, lambda: 1.0), CALLED, TrialPolicy())
    assert len(measured.candidate) == len(measured.baseline) == TrialPolicy().min_pairs
    assert measured.ratio == pytest.approx(2.0)
    assert not measured.cut


def test_a_noisy_ratio_takes_more_pairs_up_to_the_limit() -> None:
    measured, _ = trial(1.0, target_half_width=1e-6, max_pairs=9)
    assert len(measured.candidate) == 9
    assert not measured.cut


def test_what_is_surely_not_better_than_the_best_known_is_cut() -> None:
    measured, _ = trial(1.2, best=1.1, target_half_width=1e-6, max_pairs=50)
    assert measured.cut
    assert len(measured.candidate) < 15
    assert measured.interval.high < 1.1


def test_what_may_be_better_than_the_best_known_is_not_cut() -> None:
    measured, _ = trial(1 / 1.1, best=1.1, target_half_width=1e-6, max_pairs=12)
    assert not measured.cut
    assert len(measured.candidate) == 12


def test_the_time_limit_ends_a_trial() -> None:
    measured, _ = trial(1.0, target_half_width=1e-9, max_pairs=1000, max_seconds=10)
    assert 4 <= len(measured.candidate) <= 6


def test_the_warm_up_is_kept_but_not_counted() -> None:
    runs = iter([7.0, *[1.0] * 50])
    measured = measure_trial((lambda: next(runs), lambda: 1.0), CALLED, TrialPolicy())
    assert measured.warmup == (7.0,)
    assert set(measured.candidate) == {1.0}


def test_no_warm_up_is_possible() -> None:
    measured, host = trial(1.0, warmup_runs=0)
    assert measured.warmup == ()
    assert host.order.count("c") == host.order.count("b")


def test_a_trial_is_reproducible_from_its_seed() -> None:
    assert trial(1.0, seed=5)[0] == trial(1.0, seed=5)[0]


def test_the_trial_ratio_is_close_to_the_truth() -> None:
    errors = [abs(trial(1 / 1.1, seed=seed)[0].ratio / 1.1 - 1) for seed in range(100)]
    assert sorted(errors)[90] < 0.02


def test_what_the_candidate_raises_passes_through() -> None:
    def never_ends() -> float:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        measure_trial((never_ends, lambda: 1.0), CALLED)


@pytest.mark.parametrize("policy", [{"hopeless_ratio": 1.0}, {"confidence": 1.0}, {"min_pairs": 9, "max_pairs": 8}])
def test_refuses_a_policy_that_cannot_work(policy: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="need"):
        TrialPolicy(**policy)  # type: ignore[arg-type]


def test_a_screen_lets_go_what_is_no_better_than_the_best_known() -> None:
    policy = TrialPolicy(warmup_runs=0, screens=((2, -0.02), (3, 0.005)))
    slower = measure_trial((lambda: 1.05, lambda: 1.0), CALLED, policy)
    assert (len(slower.candidate), slower.cut) == (2, True)
    equal = measure_trial((lambda: 1.0, lambda: 1.0), CALLED, policy)
    assert (len(equal.candidate), equal.cut) == (3, True)
    better = measure_trial((lambda: 0.9, lambda: 1.0), CALLED, policy)
    assert (len(better.candidate), better.cut) == (policy.min_pairs, False)
    beaten = measure_trial((lambda: 0.9, lambda: 1.0), CALLED, policy, best_ratio=1.2)
    assert (len(beaten.candidate), beaten.cut) == (2, True)


def test_one_disturbed_run_does_not_decide_a_screen() -> None:
    runs = iter([1.4, *[0.9] * 50])
    policy = TrialPolicy(warmup_runs=0, hopeless_ratio=2.0, screens=((2, -0.02),))
    measured = measure_trial((lambda: next(runs), lambda: 1.0), CALLED, policy)
    assert not measured.cut
