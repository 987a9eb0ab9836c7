"""Small changes of a sequence, from which hill climbing and the genetic search are made."""

from __future__ import annotations

from random import Random

from colt_llvm.search.sequences import ActionSet, Names

INSERT, REMOVE, REPLACE, SWAP = "insert", "remove", "replace", "swap"


def changed(sequence: Names, kinds: tuple[str, ...], actions: ActionSet, random: Random, longest: int) -> Names:
    """One change of a kind that is possible here, drawn among ``kinds``: one action more, less or another; two swapped.

    An insertion at the end appends. The result may be empty, and never has more than ``longest`` actions.
    """
    kind = random.choice([kind for kind in kinds if _possible(kind, len(sequence), longest)] or [REPLACE])
    names = list(sequence)
    if kind == INSERT or not names:
        names.insert(random.randint(0, len(names)), actions.draw(random))
    elif kind == REMOVE:
        del names[random.randrange(len(names))]
    elif kind == REPLACE:
        names[random.randrange(len(names))] = actions.draw(random)
    else:
        first, second = random.sample(range(len(names)), 2)
        names[first], names[second] = names[second], names[first]
    return actions.tidy(names)


def _possible(kind: str, length: int, longest: int) -> bool:
    return {INSERT: length < longest, REMOVE: length > 0, REPLACE: length > 0, SWAP: length > 1}[kind]
