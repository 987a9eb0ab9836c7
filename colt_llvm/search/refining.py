"""Refinement (ours): a whole sequence made from the best ones of the tree, beside growing one step by step.

What was found in different branches of the tree never meets there, for a node holds its own path alone. So a share of
the requests (``ColtOptions.refine_share``) is answered at the root, by no model: the best sequence with one action
more (see :class:`AppendTable`), two good sequences in one, or one with an action less, elsewhere, or with another
parameter.
Where nothing better was found for a while, half of these are children as genetic search has them.
Why so: docs/decisions/0008.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from random import Random

from colt_llvm.search.plans import BEFORE, SKIP, Surroundings
from colt_llvm.search.protocol import Outcome, Proposal, Request, derived
from colt_llvm.search.rivals.genetic import crossover
from colt_llvm.search.sequences import INSERT, REMOVE, REPLACE, SWAP, ActionSet, Names, changed
from colt_llvm.search.sweeping import Sweeper

#: How refined proposals are signed. No model may have this name.
REFINEMENT = "refinement"
#: The same of those that try decisions side by side, and put together what was seen to pay.
SWEEP = "sweep"
#: How often that is done, as long as there is something to try.
SWEEP_SHARE = 0.6
#: How often what is said next comes before a sweep.
TOGGLE_SHARE = 0.3
#: A decision about all functions that promises so much is added to each of the best sequences, or taken from it, before
#: anything else is tried, until it is clear (so many times more often) whether it pays, or so many trials did not tell.
_OF_ALL = "<*"
_LARGE_PROMISE, _OF_THE_BEST, _CLEAR, _MOST_TOGGLES = 0.0085, 3, 2, 6
#: What is done, and how often. "add" is to the best sequence.
MOVES: Mapping[str, float] = {"add": 0.6, "merge": 0.2, "drop": 0.1, "vary": 0.1}
#: The same after so many trials without a better one: small changes are used up, so half of them are larger. Five train
#: programs after 600 trials of ``size``: 14.2% in the mean, 13.5% without that; two decide it, none loses 0.1 points.
STANDSTILL = 60
AT_STANDSTILL: Mapping[str, float] = {"add": 0.3, "merge": 0.1, "drop": 0.05, "vary": 0.05, "breed": 0.5}
_MOST_CHANGES = 6
_LEAST_STEP = 1e-5  # what a step of a function's plan promises of which nothing is known
_GOOD = 24  # sequences that are kept to be made use of
_BEST_FIRST = 0.6  # how often the best of them is the one that is varied
_MOST_DRAWS = 30  # until a variation is new
_LONGEST = 40
_OF_THIS_RUN = 0.1  # of the appended actions, how many are drawn by what models' proposals with them gained here
_AT_THE_END = 0.6  # of the appended actions; the others come anywhere


class Refiner:
    """Deterministic from the seed, the request's id, the trials observed so far, and what is in flight."""

    def __init__(
        self,
        actions: ActionSet,
        seed: int,
        promised: Mapping[str, float] | None = None,
        moves: Mapping[str, float] = MOVES,
        at_standstill: Mapping[str, float] = AT_STANDSTILL,
        surroundings: Surroundings | None = None,
    ) -> None:
        """promised: action -> the gain that it is expected to bring to a good sequence; see ``AppendTable``.

        surroundings: where decisions can be tried side by side (``Sweeper``); None where figures have no parts.
        """
        self.surroundings = _with_steps(surroundings or Surroundings(), promised or {})
        self._sweeper = Sweeper(self.surroundings, frozenset(actions.edits))
        self._actions = actions
        self._seed = seed
        gains = {name: (promised or {}).get(name, 0.0) for name in actions.edits if _OF_ALL in name}
        large = [name for name, gain in gains.items() if gain >= _LARGE_PROMISE]
        #: What promises much, the most first -> whether it paid, each time that this was seen.
        self._large: dict[str, list[bool]] = {name: [] for name in sorted(large, key=lambda name: (-gains[name], name))}
        self._moves = moves
        self._at_standstill = at_standstill
        self._since_better = 0  # trials
        self._edits = frozenset(actions.edits)
        self._good: dict[str | None, tuple[float, Names, str]] = {}  # by key: reward, sequence, who goes on
        self._parts: dict[Names, Mapping[str, int]] = {}  # of these sequences
        self._known = {actions.meaning(())}
        self._under_way: dict[int, object] = {}  # request id -> meaning
        self._keys: set[str | None] = set()
        self._append_table = AppendTable(actions, promised or {}, seed)
        self._gains: dict[str, float] = {}  # action -> sum of what proposals with it gained, where they did
        self._rewards: dict[object, float] = {actions.meaning(()): 0.0}
        self._forms: defaultdict[str, list[str]] = defaultdict(list)  # all forms of one pass or edit
        for name in actions.names:
            self._forms[stem(name)].append(name)

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Take in a trial, in the order of telling."""
        sequence = request.sequence + proposal.passes
        self._known.add(self._actions.meaning(sequence))
        self._under_way.pop(request.id, None)
        swept = proposal.model == SWEEP
        self._sweeper.observe(
            request.id, sequence, None if outcome.reward is None else outcome.parts,
            swept=swept, together=proposal.promised is not None,
        )  # fmt: skip
        best = next(iter(self._by_reward()), (0.0, (), ""))
        base = best[1] if request.kind == "refine" else request.sequence
        if not swept:
            self._append_table.observe(base, sequence, new=outcome.key not in self._keys)
        self._keys.add(outcome.key)
        self._since_better = 0 if outcome.reward is not None and outcome.reward > best[0] else self._since_better + 1
        self._compare(sequence, outcome.reward)
        if outcome.reward is None:
            return
        self._rewards.setdefault(self._actions.meaning(sequence), outcome.reward)
        gain = outcome.reward - self._rewards.get(self._actions.meaning(request.sequence), 0.0)
        if gain > 0 and request.kind != "refine":
            for name in dict.fromkeys(proposal.passes):
                self._gains[name] = self._gains.get(name, 0.0) + gain / len(proposal.passes)
        if outcome.reward > 0 and outcome.key not in self._good:
            self._good[outcome.key] = outcome.reward, sequence, proposal.next_model
            self._parts[sequence] = outcome.parts
            if len(self._good) > _GOOD:
                worst = min(self._good, key=lambda key: self._good[key][0])
                self._parts.pop(self._good.pop(worst)[1], None)

    def propose(self, request: Request) -> Proposal:
        """The whole sequence, for a request of kind "refine"; one is handed out only after a gain."""
        random = derived(self._seed, REFINEMENT, request.id)
        good = self._by_reward()
        others = [meaning for number, meaning in self._under_way.items() if number != request.id]
        toggles = self._large if not self._sweeper.has_decisions or random.random() < TOGGLE_SHARE else ()
        for name in toggles:
            for _, base, goes_on in good[:_OF_THE_BEST]:
                names = self._toggled(base, name)
                if names and not self._is_known(names, others):
                    return Proposal(names, goes_on, REFINEMENT)
        # Without decisions nothing is drawn for them, so a search of passes alone goes as it did before there were any.
        if self._sweeper.has_decisions and random.random() < SWEEP_SHARE:
            reward, base, goes_on = good[0]
            swept = self._sweeper.propose(
                request.id, base, self._parts.get(base, {}), reward, lambda names: self._is_known(names, others)
            )
            if swept is not None:
                return Proposal(swept[0], goes_on, SWEEP, promised=swept[1])
        moves = self._moves if self._since_better < STANDSTILL else self._at_standstill
        for _ in range(_MOST_DRAWS):
            (move,) = random.choices(list(moves), list(moves.values()))
            _, base, goes_on = good[0] if move == "add" or random.random() < _BEST_FIRST else random.choice(good)
            names = self._varied(move, base, [sequence for _, sequence, _ in good], random)
            meaning = self._actions.meaning(names)
            long = sum(not self._sweeper.is_scoped(name) for name in names) > _LONGEST
            if names and not long and meaning not in self._known and meaning not in others:
                break
        return Proposal(names or base, goes_on, REFINEMENT)

    def _toggled(self, base: Names, name: str) -> Names:
        """With a decision that it lacks, or without it; () where it is clear that this does not pay, or will not be."""
        seen = self._large[name]
        ahead = (2 * sum(seen) - len(seen)) * (-1 if name in base else 1)
        if ahead <= -_CLEAR or (ahead < _CLEAR and len(seen) >= _MOST_TOGGLES):
            return ()
        return tuple(other for other in base if other != name) if name in base else self._actions.tidy([*base, name])

    def _compare(self, sequence: Names, reward: float | None) -> None:
        """With the same less one of the large decisions, or with it. reward: None where the trial failed."""
        passes, edits = self._actions.meaning(sequence)
        for name, paid in self._large.items():
            if (other := self._rewards.get((passes, edits ^ {name}))) is not None:
                paid.append((reward is not None and reward > other) == (name in edits))

    def _is_known(self, names: Names, under_way: list[object]) -> bool:
        meaning = self._actions.meaning(names)
        return meaning in self._known or meaning in under_way

    def _by_reward(self) -> list[tuple[float, Names, str]]:
        return sorted(self._good.values(), key=lambda item: (-item[0], len(item[1]), item[1]))

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        """The answer, drawn at once; the requests after this one know what is in flight."""
        proposal = self.propose(request)
        self._under_way[request.id] = self._actions.meaning(proposal.passes)
        return lambda: proposal

    def _varied(self, move: str, base: Names, good: list[Names], random: Random) -> Names:
        names = list(base)
        place = random.randrange(len(names)) if names else 0
        if move == "merge":
            other = random.choice(good)
            names += [name for name in other if name not in names]
        elif move == "drop":
            del names[place]
        elif move == "vary":
            old = names.pop(place)
            forms = [form for form in self._forms[stem(old)] if form != old]
            if forms and (old in self._edits or random.random() < 0.5):
                names.insert(place, random.choice(forms))
            else:
                names.insert(random.randint(0, len(names)), old)
        elif move == "breed":
            return self._bred(base, random.choice(good), random)
        else:
            place = len(names) if random.random() < _AT_THE_END else random.randint(0, len(names))
            names.insert(place, self._added(random, base))
        return self._actions.tidy(names)

    def _bred(self, base: Names, other: Names, random: Random) -> Names:
        """As genetic search has it: two good sequences crossed, then several changes, insertions above all."""
        child = crossover(base, other, random) if random.random() < 0.5 else base
        for _ in range(random.randint(1, _MOST_CHANGES)):
            if random.random() < 0.5:
                names = list(child)
                names.insert(random.randint(0, len(names)), self._append_table.draw(random, child))
                child = self._actions.tidy(names[:_LONGEST])
            else:
                child = changed(child, (INSERT, REMOVE, REPLACE, SWAP), self._actions, random, _LONGEST)
        return child

    def _added(self, random: Random, base: Names) -> str:
        if self._gains and random.random() < _OF_THIS_RUN:
            return random.choices(list(self._gains), list(self._gains.values()))[0]
        return self._append_table.draw(random, base)


def _with_steps(surroundings: Surroundings, promised: Mapping[str, float]) -> Surroundings:
    """What an action promises to the whole module, it promises to each function by itself."""
    steps = dict(surroundings.steps)
    steps |= {(SKIP, name): promised.get(f"without<{name}>", _LEAST_STEP) for name in sorted(surroundings.skippable)}
    steps |= {(BEFORE, text): promised.get(name, _LEAST_STEP) for name, text in surroundings.texts.items()}
    return replace(surroundings, steps=steps)


#: Share of the worth that all actions have alike: what was promised is not all there is.
_ALIKE = 0.2
#: An action that was tried n times has its worth divided by (n + 1) to this power, times what follows for new code.
_POWER = 3.0
_NEW = 3.0
#: How much a trial of one form of a pass says of its other forms.
_KIN = 0.3
#: The place in the line that is drawn, on average; 0 would be the first each time.
_MEAN_PLACE = 3.0


class AppendTable:
    """Which action to add to a sequence that is good already; deterministic from the seed and the trials observed.

    Most change nothing there, and the few that pay are not those that pay alone. So all of them are tried in turn,
    those first of which most is promised; what was tried goes to the end of the line, least far where it gave new code.
    Why so: docs/decisions/0009.
    """

    def __init__(self, actions: ActionSet, promised: Mapping[str, float], seed: int) -> None:
        """promised: action -> the gain that it is expected to bring, 0 or more; nothing where it is not named."""
        self._names = actions.names
        given = {name: max(0.0, promised.get(name, 0.0)) for name in self._names}
        total = sum(given.values()) or 1.0
        random = derived(seed, "additions", 0)  # for an order where nothing is promised
        alike = _ALIKE / max(1, len(self._names))
        self._weights = {name: random.uniform(0.5, 1.5) * alike + value / total for name, value in given.items()}
        self._tried: Counter[str] = Counter()  # actions
        self._new: Counter[str] = Counter()
        self._kin_tried: Counter[str] = Counter()  # stems
        self._kin_new: Counter[str] = Counter()
        self._forms: defaultdict[str, list[str]] = defaultdict(list)
        for name in self._names:
            self._forms[stem(name)].append(name)
        self._place = {name: place for place, name in enumerate(self._names)}  # decides between equal weights
        self._weight = {name: self._weigh(name) for name in self._names}
        self._line: list[str] = []  # sorted when it is asked for; empty when that is to be done

    def observe(self, base: Names, sequence: Names, *, new: bool) -> None:
        """A trial of ``sequence``, made from ``base``; new: whether its object code was. Counts where one was added."""
        added = set(sequence).difference(base)
        if len(added) != 1:
            return
        (name,) = added
        kin = stem(name)
        self._tried[name] += 1
        self._new[name] += new
        self._kin_tried[kin] += 1
        self._kin_new[kin] += new
        self._weight |= {form: self._weigh(form) for form in self._forms[kin]}
        self._line = []

    def draw(self, random: Random, held: Collection[str]) -> str:
        """One of those at the head of the line that is not held; any where all are."""
        if not self._line:
            self._line = sorted(self._names, key=lambda name: (-self._weight[name], self._place[name]))
        line = [name for name in self._line if name not in held] or self._line
        return line[min(int(random.expovariate(1 / _MEAN_PLACE)), len(line) - 1)]

    def _weigh(self, name: str) -> float:
        kin = stem(name)
        tried = self._tried[name] + _KIN * (self._kin_tried[kin] - self._tried[name])
        new = self._new[name] + _KIN * (self._kin_new[kin] - self._new[name])
        weight: float = self._weights[name] * (1 + _NEW * new) / (1 + tried) ** _POWER
        return weight


def stem(name: str) -> str:
    """What forms of one action have in common: ``loop-unroll<O3>`` and ``without<loop-unroll#2>`` are of two."""
    if name.startswith("without<"):
        return name.rstrip(">").partition("#")[0]
    return name.partition("<")[0]
