"""``colt-llvm search``."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from colt_llvm.cli.grouped import GroupedCommand, option, together
from colt_llvm.cli.options import HOW_LONG, SEARCH, WHERE_IT_GOES
from colt_llvm.core.errors import UsageError

_WHAT, _CALLS = "What to search", "How the environment is called"
_options_of_search = together(
    option("--env", required=True, metavar="ID", group=_WHAT, common=True,
           help="Id of a registered environment, such as gcc-v0."),
    option("--benchmark", metavar="URI", group=_WHAT, common=True,
           help="Benchmark of the environment's datasets, or a file such as prog.c."),
    option("--reward", metavar="SPACE", group=_WHAT, common=True,
           help="Reward space. Needed where the environment has several."),
    option("--observation", metavar="SPACE", group=_WHAT, common=True,
           help="Observation space that identifies a state, such as a hash of the code: states that look alike count "
           "as one. Default: none."),
    option("--actions", metavar="REGEX", group=_WHAT, common=True,
           help="Use only actions whose names match, such as '^-O|^-f'. Default: all."),
    option("--action-space", metavar="SPACE", group=_WHAT, help="Action space. Default: the first."),
    option("--import", "modules", multiple=True, metavar="MODULE", group=_WHAT,
           help="Module, or Python file, that registers the environment. Repeats."),
    option("--option-json", metavar="JSON", group=_WHAT,
           help='Arguments of the environment, such as \'{"gcc_bin": "gcc-12"}\'.'),
    option("--trials", type=int, metavar="N", group=HOW_LONG, common=True,
           help="Stop after N sequences. Default: 100, unless --time is given."),
    option("--time", "seconds", type=float, metavar="SECONDS", group=HOW_LONG, common=True,
           help="Stop after SECONDS."),
    option("--json", "as_json", is_flag=True, group=WHERE_IT_GOES, common=True,
           help="Print the result as JSON, and nothing else."),
    option("--seed", type=int, default=0, show_default=True, metavar="N", group=SEARCH,
           help="Random seed. Repeats a search that --trials ends."),
    option("--max-depth", type=int, default=64, show_default=True, metavar="N", group=SEARCH,
           help="Longest sequence, in actions."),
    option("--passes-per-step", default="1-4", show_default=True, metavar="LEAST-MOST", group=SEARCH,
           help="Actions that one random proposal adds."),
    option("--models", default="random:1,random:7e9", show_default=True, metavar="LIST", group=SEARCH,
           help="Proposers that draw at random, each with the parameter count that the search takes it to have."),
    option("--step-time", type=float, default=60.0, show_default=True, metavar="SECONDS", group=_CALLS,
           help="Time limit of one call, where the environment takes a limit."),
    option("--single-steps", is_flag=True, group=_CALLS,
           help="One call for each action, for rewards that depend on the number of calls."),
    option("--no-fork", is_flag=True, group=_CALLS, help="Replay each sequence from reset instead of forking."),
)  # fmt: skip


@click.command("search", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@_options_of_search
def command(**given: Any) -> None:
    """Search for the best sequence of actions in any environment of CompilerGym or gym.

    The environment needs one list of actions and a reward. The search maximises the cumulative reward of an episode;
    the state after reset has 0. Ctrl-C ends the search with the best so far. The best sequence is replayed in a fresh
    environment at the end.
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
    from colt_llvm.gym.run import result_to_dict, run_search

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
            click.echo("the replay did not end: the reward is not confirmed")
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
