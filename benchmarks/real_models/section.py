"""The section of docs/BENCHMARKS.md about real language models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import records
from benchmarks.real_models.runs import VARIANTS
from benchmarks.real_models.weights import SERVER_PACKAGE, WEIGHTS

FILE = "real-models.jsonl"
_HEAD = "## Real language models\n"
_TEXT = (
    "`make bench-models`: `colt-llvm tune PROGRAM --objective size --workers 1`, one run at a time; a model's server "
    "has one thread and is started anew for each run. *Valid*: answers without any fault, of those that language "
    "models gave. *Hits*: their trials that were better than the state they were proposed at. *Corrections*: made, and "
    "in brackets how many gave more than what they corrected. *Largest*: its share of the language models' answers. "
    "*Counts*: whether our ledger and the server's own counts are the same to the token. *Replay*: whether the run "
    "repeats node for node without the models. Prices are made up: what is measured is who is asked for how much.\n"
)
_COLUMNS = (
    "variant", "calls", "valid", "hits", "corrections", "largest", "prompt tokens (cached)", "answer tokens", "counts",
    "cost", "replay", "minutes", "ratio",
)  # fmt: skip


def real_models_section(results: Path) -> str:
    """As Markdown; empty where nothing was measured."""
    found = records.read(results / FILE)
    if not found:
        return ""
    lines = [_HEAD, _TEXT, f"{found[-1]['date']}, {found[0]['cpu']}.{_served_by(found)}\n"]
    places = list(dict.fromkeys(map(_place, found)))
    for place in places:
        program, seed, trials = place
        lines += [f"{program}, {trials} trials, seed {seed}:\n", *_table([r for r in found if _place(r) == place]), ""]
    everywhere = [group for group in _by_variant(found) if len(set(map(_place, group))) == len(places)]
    if len(places) > 1 and everywhere:
        lines += ["All of them, the ratio as a geometric mean, of variants that were run on each:\n"]
        lines += _table(list(map(_sum, everywhere)))
    return "\n".join(lines).rstrip("\n") + "\n"


def _place(record: Mapping[str, Any]) -> tuple[str, int, int]:
    """What runs of two variants have to have in common to be compared."""
    return record["program"], record["seed"], record["trials"]


def _served_by(found: Sequence[Mapping[str, Any]]) -> str:
    if not any(record["served"] for record in found):
        return ""
    models = "; ".join(
        f"`{each.name}`: {each.about}, {each.price.input:g}/{each.price.cached:g}/{each.price.output:g}"
        for each in WEIGHTS
    )
    return f" Served by llama.cpp (`{SERVER_PACKAGE}`): {models} per million tokens of input, cached input and answer."


def _by_variant(found: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Groups of runs, in the order of VARIANTS."""
    groups = [[record for record in found if record["variant"] == variant.name] for variant in VARIANTS]
    return [group for group in groups if group]


def _sum(group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Runs of one variant as one."""
    added = {
        key: sum(each[key] for each in group)
        for key in ("calls", "answers", "valid", "hits", "corrections", "corrections_better", "largest",
                    "prompt_tokens", "cached_tokens", "completion_tokens", "cost", "seconds")
    }  # fmt: skip
    counted = [each["counted"] for each in group if "counted" in each]
    if len(counted) == len(group):
        added["counted"] = {key: sum(each[key] for each in counted) for key in counted[0]}
    if all("replay_same" in each for each in group):
        added["replay_same"] = all(each["replay_same"] for each in group)
    ratio = math.exp(sum(math.log(each["ratio"]) for each in group) / len(group))
    return {"variant": group[0]["variant"], **added, "ratio": ratio}


def _table(found: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [f"| {' | '.join(_COLUMNS)} |", "|" + "---|" * len(_COLUMNS)]
    return lines + [f"| {' | '.join(_row(record))} |" for record in found]


def _row(record: Mapping[str, Any]) -> list[str]:
    about = {variant.name: variant.about for variant in VARIANTS}[record["variant"]]
    ratio, minutes = f"{record['ratio']:.4f}", f"{record['seconds'] / 60:.1f}"
    if not record["calls"]:
        return [about, "0", *[""] * (len(_COLUMNS) - 4), minutes, ratio]
    answers = record["answers"]
    return [
        about,
        str(record["calls"]),
        f"{record['valid']} of {answers}",
        str(record["hits"]),
        f"{record['corrections']} ({record['corrections_better']})",
        f"{record['largest'] / answers:.0%}" if answers else "",
        f"{record['prompt_tokens']:,} ({record['cached_tokens']:,})",
        f"{record['completion_tokens']:,}",
        _counts(record),
        f"{record['cost']:.3f}",
        "same" if record["replay_same"] else "DIFFERENT",
        minutes,
        ratio,
    ]


def _counts(record: Mapping[str, Any]) -> str:
    """Our ledger against what the server says."""
    if "counted" not in record:
        return ""
    counted = record["counted"]
    ours = (record["prompt_tokens"], record["cached_tokens"], record["completion_tokens"])
    theirs = (counted["prompt"], counted["cached"], counted["completion"])
    return "same" if ours == theirs else f"server {theirs[0]:,} ({theirs[1]:,}) + {theirs[2]:,}"
