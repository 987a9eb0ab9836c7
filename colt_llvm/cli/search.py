"""``colt-llvm search``."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from colt_llvm.core.errors import UsageError


@click.command("search", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--env", required=True, metavar="ID", help="Id of a registered environment, such as gcc-v0.")
@click.option("--benchmark", metavar="URI", help="A benchmark of its datasets, or a file such as prog.c.")
@click.option("--reward", metavar="SPACE", help="Reward space. Needed where the environment has several.")
@click.option("--observation", metavar="SPACE", help="Observation space. States that look alike count as one: take one "
              "that tells states apart, such as a hash of the code, or none.")  # fmt: skip
@click.option("--action-space", metavar="SPACE", help="Action space. Default: the first.")
@click.option("--actions", metavar="REGEX", help="Use actions whose names match, such as '^-O|^-f'. Default: all.")
@click.option("--trials", type=int, metavar="N", help="Stop after N sequences. Default: 100, if --time is not given.")
@click.option("--time", "seconds", type=float, metavar="SECONDS", help="Stop after so long.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Repeats a run of --trials.")
@click.option("--max-depth", type=int, default=64, show_default=True, metavar="N", help="Actions in a sequence.")
@click.option("--passes-per-step", default="1-4", show_default=True, metavar="LEAST-MOST",
              help="Actions that a random proposal adds.")  # fmt: skip
@click.option("--models", default="random:1,random:7e9", show_default=True, metavar="LIST",
              help="Proposers that draw at random, each with a parameter count.")  # fmt: skip
@click.option("--step-time", type=float, default=60.0, show_default=True, metavar="SECONDS",
              help="How long one call to the environment may take, where it takes a limit.")  # fmt: skip
@click.option("--single-steps", is_flag=True, help="One call for each action, for rewards that count calls.")
@click.option("--no-fork", is_flag=True, help="Replay every sequence from reset.")
@click.option("--option-json", metavar="JSON", help='Arguments of the environment, such as \'{"gcc_bin": "gcc-12"}\'.')
@click.option("--import", "modules", multiple=True, metavar="MODULE",
              help="Module, or Python file, that registers the environment. Repeats.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
def command(**given: Any) -> None:
    """Search the best sequence of actions in any environment of CompilerGym or gym.

    The environment needs one list of actions and a reward. What counts is the cumulative reward of an episode, as the
    environment gives it; the state after reset has 0. Ctrl-C ends the search with the best so far, which is replayed
    in a fresh environment in any case.
    """
    from colt_llvm.gym.options import EnvironmentOptions, SearchOptions, parse_models

    least, most = _range(given["passes_per_step"])
    environment = EnvironmentOptions(
        given["env"], given["benchmark"], given["reward"], given["observation"], given["action_space"],
        _arguments(given["option_json"]), given["modules"],
    )  # fmt: skip
    options = SearchOptions(
        trials=given["trials"], seconds=given["seconds"], seed=given["seed"], max_length=given["max_depth"],
        min_actions=least, max_actions=most, step_seconds=given["step_time"], single_steps=given["single_steps"],
        forks=0 if given["no_fork"] else SearchOptions.forks, actions=given["actions"],
    )  # fmt: skip
    models = parse_models(given["models"])
    # Imported here: what is wrong above is told without waiting for compiler_gym.
    from colt_llvm.gym.result import result_to_dict
    from colt_llvm.gym.run import run_search

    with _signals_as_interrupt():
        result = run_search(environment, options, models=models, on_trial=None if given["as_json"] else _show)
    if given["as_json"]:
        click.echo(json.dumps(result_to_dict(result), indent=1))
    else:
        _print(result)


def _range(text: str) -> tuple[int, int]:
    least, _, most = text.partition("-")
    try:
        return int(least), int(most or least)
    except ValueError:
        raise UsageError(f"--passes-per-step {text!r}: write 3, or 1-4") from None


def _arguments(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise UsageError(f'--option-json: {error}; write an object such as \'{{"gcc_bin": "gcc"}}\'') from None
    if not isinstance(value, dict):
        raise UsageError('--option-json: write an object such as \'{"gcc_bin": "gcc"}\'')
    return value


def _show(trial: int, valued: Any, improved: bool) -> None:
    if improved:
        click.echo(f"trial {trial}: reward {valued.outcome.reward:g} with {len(valued.taken)} actions", err=True)


def _print(result: Any) -> None:
    click.echo(f"{result.env}{f' on {result.benchmark}' if result.benchmark else ''}: reward {result.reward:g}"
               f"{f' ({result.reward_space})' if result.reward_space else ''}")  # fmt: skip
    failures = ", ".join(f"{kind} {count}" for kind, count in sorted(result.failures.items())) or "none"
    click.echo(f"{result.trials} trials, {result.transpositions} led to a known state, {result.seconds:.1f} s; "
               f"failures: {failures}")  # fmt: skip
    for kind, detail in sorted(result.examples.items()):
        if detail:
            click.echo(f"  {kind}: {detail}")
    if result.found_at is None:
        click.echo("nothing better than the state after reset was found")
    else:
        click.echo(f"found at trial {result.found_at}")
        click.echo(f"sequence: {', '.join(result.sequence)}")
        if result.confirmed:
            click.echo("a fresh replay gives the same reward")
        elif result.replayed is not None:
            click.echo(f"a fresh replay gives {result.replayed:g}: the reward is not deterministic, or it needs "
                       "--single-steps or --no-fork")  # fmt: skip
        else:
            click.echo("the replay did not end: nothing is confirmed")
    if result.stopped not in ("trials", "time"):
        click.echo(f"ended early: {result.stopped}{f', {result.note}' if result.note else ''}")


@contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """SIGTERM too, and SIGINT also where a shell started this with SIGINT ignored, as in the background."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
