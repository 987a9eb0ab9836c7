"""The decisions that a program offers, read from its front end's IR, with what each promises for code size; scopes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from colt_llvm.core.errors import UsageError
from colt_llvm.llvm import ir
from colt_llvm.llvm.catalogue import Catalogue
from colt_llvm.llvm.decide import UNTOUCHABLE, refused_switch
from colt_llvm.llvm.decision import EVERY, KINDS, SWITCHES, Decision, is_decision, parse_decision, quoted
from colt_llvm.llvm.flow import block_depths
from colt_llvm.llvm.ir import latches
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.pipeline import function_passes_of
from colt_llvm.llvm.process_options import THRESHOLDS, threshold_options
from colt_llvm.objectives.registry import find_objective
from colt_llvm.search.plans import Slot, Surroundings

#: From the largest to the smallest. "passes": passes over the whole module and edits of its pipeline. "module":
#: thresholds and the level of all functions. "inline": of "function" what a source can say too: whether it is inlined.
SCOPES = ("passes", "module", "function", "inline", "call", "loop")

Scopes = tuple[str, ...]

#: From so many trials on the module is decided about, and from so many on functions and calls too. In a shorter search
#: what is known of whole sequences finds more: decisions are tried one build after another.
LEAST_TRIALS_OF_MODULE, LEAST_TRIALS = 50, 100


def default_scopes(objective: str, trials: int | None) -> Scopes:
    """What a run of this objective decides in where its user says nothing. trials: at most so many; None: no limit."""
    if not find_objective(objective).additive or (trials is not None and trials < LEAST_TRIALS_OF_MODULE):
        return ("passes",)  # where nothing is known to pay, no proposal is spent
    if trials is not None and trials < LEAST_TRIALS:
        return ("passes", "module")
    return ("passes", "module", "function", "call")


def check_scopes(scopes: Scopes) -> None:
    """Raises UsageError."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        said = repr(unknown[0]) if unknown else "nothing"
        raise UsageError(f"--scopes: {said} is no scope; use some of {', '.join(SCOPES)}")


def scope_of(action: str) -> str:
    """The scope of SCOPES that an action of a sequence is of: "passes" for a pass or an edit of the pipeline."""
    if threshold_options(action) is not None:
        return "module"
    if not is_decision(action):
        return "passes"
    decision = parse_decision(action)
    return "module" if decision.function == EVERY else decision.scope


Names = tuple[str, ...]

#: ``clang -O2``, ``-Os`` and ``-O1`` from a front end at -Oz: the level of all functions, and that level's pipeline.
_LEVELS: tuple[Names, ...] = (
    ("optspeed<*>", "default<O2>"),
    ("optsize<*>", "default<Os>"),
    ("optspeed<*>", "default<O1>"),
)
#: Thresholds of the inliner, which is 5 units at -Oz, 50 at -Os and 225 at -O2.
_INLINER = (225, 50, 100)
#: ``-fno-omit-frame-pointer -momit-leaf-frame-pointer``: shorter unwind rows.
_FRAME_POINTER = "frame-pointer<*;non-leaf>"
#: ``-mllvm -disable-lsr`` and so on in code generation: together they paid on each train program (docs/decisions/0034).
_SWITCHES = tuple(f"{switch}<{EVERY}>" for switch in SWITCHES)


def plain_flags(known: Collection[str], *, rows: bool) -> tuple[Names, ...]:
    """Sequences to begin with, those that pay most often first.

    known: the passes and decisions that may be taken; of LLVM 23 and later the levels for size are none of them.
    rows: whether the program's unwind rows are loaded.
    """
    frame = (_FRAME_POINTER,) if rows else ()
    all_of_it = (*frame, *_SWITCHES)
    inliner = [(f"inline-threshold<{value}>", *all_of_it) for value in _INLINER]
    levels = [(*names, *all_of_it) for names in _LEVELS]
    wanted = [frame, all_of_it, *inliner[:1], *levels, *inliner[1:]]
    found = (tuple(name for name in names if name in known) for names in wanted)
    return tuple(names for names in dict.fromkeys(found) if names)


#: After the pipeline: texts, by what they saved of all functions in the mean over eight train programs (-Oz, LLVM 22;
#: after the first six of a greedy cover of 400 random sequences, which save 0.9% together).
AFTER_STEPS: Mapping[str, float] = {
    "dce,loop-mssa(simple-loop-unswitch<nontrivial;no-trivial>),sink,simplifycfg": 0.004,
    "break-crit-edges": 0.0016,
    "simplifycfg<no-simplify-cond-branch>,simplifycfg<switch-to-lookup>,mergereturn,gvn": 0.0016,
    "simplifycfg<hoist-common-insts;sink-common-insts>,gvn<no-load-pre>,loop(loop-reduce)": 0.001,
    "simplifycfg<no-switch-to-lookup;no-hoist-common-insts>,sccp,sink,reassociate": 0.0004,
    "simplifycfg<bonus-inst-threshold=8>,speculative-execution": 0.0002,
}  # fmt: skip
#: Of another level for one function.
LEVEL_STEP = 0.004
#: Attributes for code generation, by what they save of all functions in the mean over the train programs (-Oz, LLVM 22,
#: x86-64): docs/decisions/0032.
CODEGEN_STEPS: Mapping[str, float] = {
    "frame-pointer;non-leaf": 0.055,
    "frame-pointer;all": 0.002,
    "no-jump-tables": 0.003,
}
#: The same of what is decided of all functions at once: docs/decisions/0034.
SWITCH_STEPS: Mapping[str, float] = {
    "disable-lsr": 0.018,
    "apply-ext-tsp-for-size": 0.0125,
    "disable-machine-licm": 0.0085,
}

_FUNCTION = "function("


def function_texts(catalogue: Catalogue) -> dict[str, str]:
    """Action -> what it runs on one function, of those that do nothing else."""
    return {
        action.name: action.pipeline[len(_FUNCTION) : -1]
        for action in catalogue
        if action.kind != "pipeline" and action.pipeline.startswith(_FUNCTION) and action.pipeline.endswith(")")
        and action.level in ("function", "loop")
    }  # fmt: skip


#: Of one run: in larger programs those of the largest functions, since a search cannot try them all.
MOST_OFFERS = 600
#: Linkage under which nobody outside can see the function, so that it goes with its last call: LLVMInternalLinkage,
#: LLVMPrivateLinkage; and where others have a copy of their own: LLVMLinkOnceAnyLinkage, LLVMLinkOnceODRLinkage.
_LOCAL, _SHARED = (8, 9), (2, 3)

#: What decisions promise before anything was tried: log ratios of size, as of actions appended to a good sequence.
_PROMISE = {
    "inline-threshold": 0.008, "level": 0.006, "threshold": 0.0005, "alwaysinline": 0.004, "noinline": 0.0015,
    "optspeed": 0.001, "optsize": 0.001, "frame-pointer": 0.001, "call": 0.0008, "loop": 0.0002,
}  # fmt: skip
_FEW_CALLS = 3


@dataclass(frozen=True)
class Offer:
    """One decision that a search may try."""

    name: str  #: of the action
    scope: str  #: one of SCOPES
    summary: str  #: what it does, in a sentence
    size: int = 0  #: instructions of its function in the front end's IR; 0 for all functions
    calls: int = 0  #: direct calls of the function
    promise: float = 0.0  #: expected gain of one decision more, a log ratio


@dataclass
class FunctionFacts:
    """What of a function's IR tells which decisions there are."""

    name: str  #: its symbol
    size: int  #: instructions
    linkage: int  #: LLVMLinkage
    calls: int = 0  #: from other functions
    recursive: bool = False  #: calls itself
    decided: bool = False  #: the source says whether it is inlined
    sites: tuple[tuple[str, int], ...] = ()  #: whom it calls, and the how many-th call of that one it is
    site_depths: tuple[int, ...] = ()  #: of each of these calls, how many loops are around it
    loops: tuple[int, ...] = ()  #: of each natural loop, how many are around its last block, itself included


@dataclass(frozen=True)
class Offered:
    """The decisions of one program."""

    offers: tuple[Offer, ...] = ()  #: those that promise most first, MOST_OFFERS at most
    surroundings: Surroundings = field(default_factory=Surroundings)  #: all of them, by where they show
    begin_with: tuple[Names, ...] = ()  #: whole sequences that are worth a trial before all others


def offers_of(
    library: Library,
    bitcodes: Sequence[bytes],
    scopes: Collection[str],
    catalogue: Catalogue,
    pipeline: str,
    *,
    rows: bool = True,
) -> Offered:
    """The decisions of these scopes; "passes" has none here. Raises InvalidIR.

    pipeline: what completes a sequence, every pass by name; empty where that is not known.
    rows: whether unwind rows are loaded; without them a frame pointer makes code longer and nothing shorter.
    """
    codegen = {
        text: gain if rows or not text.startswith("frame-pointer") else 0.0 for text, gain in CODEGEN_STEPS.items()
    }
    offers: list[Offer] = []
    surroundings = Surroundings()
    if {"function", "inline", "call", "loop"} & set(scopes):
        found = read_functions(library, bitcodes)
        scoped = [offer for function in found.values() for offer in _of_function(function, found, scopes)]
        surroundings = Surroundings(_slots(scoped, found), _callers(found))
        if "function" in scopes:
            steps = {("level", level): LEVEL_STEP for level in ("optsize", "optspeed")}
            steps |= {("codegen", text): gain for text, gain in codegen.items()}
            surroundings = replace(surroundings, steps=steps)
            if library.set_pass_gate is not None and library.run_passes_on_function is not None:
                surroundings = replace(
                    surroundings,
                    skippable=function_passes_of(pipeline),
                    texts=function_texts(catalogue),
                    steps={**steps, **{("after", text): gain for text, gain in AFTER_STEPS.items()}},
                )
        offers += scoped
    if "module" in scopes:
        calls = any(offer.calls for offer in offers) or not {"function", "inline"} & set(scopes)
        offers += _of_module(codegen, calls=calls)
        offers += _of_code_generation(library)
    offers.sort(key=lambda offer: (-offer.promise, offer.name))
    return Offered(tuple(offers[:MOST_OFFERS]), surroundings)


def _slots(offers: Sequence[Offer], functions: Mapping[str, FunctionFacts]) -> dict[str, Slot]:
    """Of decisions about inlining: what excludes each other is of one slot."""
    grouped: dict[str, list[Offer]] = {}
    for offer in offers:
        decision = parse_decision(offer.name)
        if decision.kind in ("alwaysinline", "noinline"):
            place = f" {decision.callee}#{decision.number}" if decision.callee else ""
            grouped.setdefault(f"inline {decision.function}{place}", []).append(offer)
    slots = {}
    for name, group in grouped.items():
        decision = parse_decision(group[0].name)
        values = tuple(offer.name for offer in sorted(group, key=lambda offer: -offer.promise))
        stays = functions[decision.callee or decision.function].linkage not in (*_LOCAL, *_SHARED)
        slots[name] = Slot(name, decision.function, values, decision.callee, stays)
    return slots


def _callers(found: dict[str, FunctionFacts]) -> dict[str, tuple[str, ...]]:
    callers: dict[str, dict[str, None]] = {name: {} for name in found}
    for function in found.values():
        for callee, _ in function.sites:
            if callee in callers and callee != function.name:
                callers[callee][function.name] = None
    return {name: tuple(those) for name, those in callers.items()}


def _of_module(codegen: Mapping[str, float], *, calls: bool) -> Iterator[Offer]:
    """codegen: what each attribute for it is expected to save. calls: whether anything could be inlined."""
    for option, values in THRESHOLDS.items():
        if option == "inline-threshold" and not calls:
            continue
        promise = _PROMISE.get(option, _PROMISE["threshold"])
        for value in values:
            yield Offer(f"{option}<{value}>", "module", f"-{option}={value} for the whole module.", promise=promise)
    for kind in KINDS:
        if kind.name in ("optsize", "optspeed"):
            name = str(Decision(EVERY, "", 0, kind.name))
            yield Offer(name, "module", f"All functions: {kind.summary}", promise=_PROMISE["level"])
    for text, gain in codegen.items():
        kind_name, _, how = text.partition(";")
        summary = f"All functions: {SUMMARIES[kind_name, 'function']}"
        yield Offer(str(Decision(EVERY, "", 0, kind_name, how)), "module", summary, promise=gain)


def _of_code_generation(library: Library) -> Iterator[Offer]:
    for name, gain in SWITCH_STEPS.items():
        if not refused_switch(library, name):
            yield Offer(str(Decision(EVERY, "", 0, name)), "module", SWITCHES[name], promise=gain)


def _of_function(function: FunctionFacts, known: dict[str, FunctionFacts], scopes: Collection[str]) -> Iterator[Offer]:
    def offer(decision: Decision, scope: str, promise: float, calls: int = 0) -> Offer:
        return Offer(str(decision), scope, SUMMARIES[decision.kind, decision.scope], function.size, calls, promise)

    name, calls = function.name, function.calls
    if {"function", "inline"} & set(scopes) and calls and not function.decided:
        if not function.recursive:
            # It pays where the function goes with its calls, or where these are few.
            share = 1.0 if calls <= _FEW_CALLS or function.linkage in (*_LOCAL, *_SHARED) else 0.3
            promise = _PROMISE["alwaysinline"] * share / calls**0.5
            yield offer(Decision(name, "", 0, "alwaysinline"), "function", promise, calls)
        yield offer(Decision(name, "", 0, "noinline"), "function", _PROMISE["noinline"] / calls**0.25, calls)
    if "function" in scopes:
        for kind in ("optspeed", "optsize"):
            yield offer(Decision(name, "", 0, kind), "function", _PROMISE[kind], calls)
        yield offer(Decision(name, "", 0, "frame-pointer", "non-leaf"), "function", _PROMISE["frame-pointer"], calls)
    if "call" in scopes:
        for callee, number in function.sites:
            other = known.get(callee)
            if other is None or other.decided or other.calls < 2:
                continue
            kinds = ("noinline",) if other.recursive else ("noinline", "alwaysinline")
            for kind in kinds:
                yield offer(Decision(name, callee, number, kind), "call", _PROMISE["call"], other.calls)
    if "loop" in scopes:
        for number in range(1, len(function.loops) + 1):
            for loop in (kind for kind in KINDS if kind.scope == "loop"):
                for value in loop.values or ("",):
                    yield offer(Decision(name, "", number, loop.name, value), "loop", _PROMISE["loop"])


SUMMARIES = {(kind.name, kind.scope): kind.summary for kind in KINDS}


def read_functions(library: Library, bitcodes: Sequence[bytes]) -> dict[str, FunctionFacts]:
    """Every function that may be decided about, by symbol; of equal names the first counts. Raises InvalidIR."""
    found: dict[str, FunctionFacts] = {}
    for bitcode in bitcodes:
        _read(library, bitcode, found)
    return found


def _read(library: Library, bitcode: bytes, found: dict[str, FunctionFacts]) -> None:
    """Add the functions of one module to those that were found; of equal names the first counts."""
    call = library.call
    with Module.parse(library, bitcode) as module:
        for function in ir.functions(library, module.handle):
            name = ir.name_of(library, function)
            # (A name that pipelines cannot hold as it is would not be found again by what names it.)
            if (
                name in found
                or quoted(name) != name
                or any(ir.has_attribute(library, function, word) for word in UNTOUCHABLE)
            ):
                continue
            size = sum(1 for block in ir.blocks(library, function) for _ in ir.instructions(library, block))
            decided = any(ir.has_attribute(library, function, word) for word in ("alwaysinline", "noinline"))
            found[name] = FunctionFacts(name, size, call.LLVMGetLinkage(function), decided=decided)
        for function in ir.functions(library, module.handle):
            caller = found.get(ir.name_of(library, function))
            if caller is None or caller.sites:
                continue
            found_loops = latches(library, function)
            depths = block_depths(module, function) if found_loops else {}
            caller.loops = tuple(depths.get(call.LLVMGetInstructionParent(ends[0]), 1) for ends in found_loops)
            numbers: Counter[str] = Counter()
            sites, site_depths = [], []
            for site, callee in ir.direct_calls(library, function):
                target = ir.name_of(library, callee)
                numbers[target] += 1
                sites.append((target, numbers[target]))
                site_depths.append(depths.get(call.LLVMGetInstructionParent(site), 0))
                if target == caller.name:
                    caller.recursive = True
                elif target in found:
                    found[target].calls += 1
            caller.sites, caller.site_depths = tuple(sites), tuple(site_depths)
