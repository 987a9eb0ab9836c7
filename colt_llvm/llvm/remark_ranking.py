"""Which remarks are worth reading, when only a few fit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from colt_llvm.llvm.remarks import Remark

#: How much a pass's remarks say about what another sequence could gain; others 1.
_PASS_WEIGHT = {
    "loop-vectorize": 5.0, "inline": 4.0, "slp-vectorizer": 3.5, "licm": 3.5, "gvn": 3.5, "loop-unroll": 3.0,
    "loop-interchange": 3.0, "loop-distribute": 3.0, "loop-idiom": 3.0, "loop-load-elim": 3.0, "tailcallelim": 2.0,
    "argpromotion": 2.0, "TTI": 0.5, "size-info": 0.0, "annotation-remarks": 0.0,
}  # fmt: skip
_KIND_WEIGHT = {"missed": 1.0, "failure": 1.0, "analysis": 0.8, "passed": 0.4}
#: Said of nearly every program, or with the reason in another remark of the same pass.
_NAME_WEIGHT = {
    "NoDefinition": 0.1, "MissedDetails": 0.6, "NeverInline": 0.5, "AlwaysInline": 0.3, "Hoisted": 0.5,
    "NotPossible": 0.6, "MissedForceOnly": 0.1,
}  # fmt: skip
_REASON = "loop-vectorize"  # its analyses say why a loop was not vectorised
#: A further remark of a kind and pass, in one function or of one wording, is worth this much of the one before.
_REPETITION = 0.8


def most_telling(remarks: Sequence[Remark], weights: Mapping[str, float], limit: int = 40) -> list[Remark]:
    """Up to ``limit`` remarks, the most telling first.

    weights: how hot each function is (``flow.Function.weight``); a remark about one that is gone counts least. Equal
    remarks are counted together. No pass fills the list alone, with one function or with one wording.
    """
    merged: Counter[Remark] = Counter()
    for remark in remarks:
        merged[_without_count(remark)] += remark.count
    total = max(sum(weights.values()), 1.0)
    scored = [(_worth(remark, count, weights, total), remark, count) for remark, count in merged.items()]
    scored.sort(key=lambda entry: (-entry[0], entry[1].line()))
    said: Counter[tuple[str, str, str]] = Counter()
    damped = []
    for worth, remark, count in scored:
        groups = [(remark.kind, remark.pass_name, same) for same in (f"in {remark.function}", remark.message)]
        damped.append((worth * _REPETITION ** sum(said[group] for group in groups), remark, count))
        said.update(groups)
    damped.sort(key=lambda entry: (-entry[0], entry[1].line()))
    return [_with_count(remark, count) for worth, remark, count in damped[:limit] if worth > 0]


def _worth(remark: Remark, count: int, weights: Mapping[str, float], total: float) -> float:
    kind = 1.1 if (remark.kind, remark.pass_name) == ("analysis", _REASON) else _KIND_WEIGHT[remark.kind]
    share = weights.get(remark.function, 0.0) / total
    hot = 1.0 + max(0.0, 4.0 + math.log10(share)) if share > 0 else 0.5  # 1 up to a ten-thousandth, 5 for all of it
    often = 1.0 + 0.1 * math.log2(count)
    return kind * _PASS_WEIGHT.get(remark.pass_name, 1.0) * _NAME_WEIGHT.get(remark.name, 1.0) * hot * often


def _without_count(remark: Remark) -> Remark:
    return Remark(remark.kind, remark.pass_name, remark.name, remark.function, remark.message, remark.location)


def _with_count(remark: Remark, count: int) -> Remark:
    one = remark
    return Remark(one.kind, one.pass_name, one.name, one.function, one.message, one.location, count)
