"""The later parts of the page: models, recipe, failures, notes, host, and how to repeat the run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from colt_llvm.models.ledger import Ledger, share_of_largest
from colt_llvm.program.program import Program
from colt_llvm.program.recipe import Recipe
from colt_llvm.report.run import Run
from colt_llvm.report.text import Markup, block, e, table
from colt_llvm.report.tree import Nodes, best_trial

_REPRODUCERS_SHOWN = 20


def ledger_section(run: Run, nodes: Nodes) -> str:
    """Calls, answers, hits, corrections, tokens and cost of each model."""
    ledger = _ledger(run, nodes)
    if not ledger:
        return "<p>No model was asked in this run.</p>\n"
    rows: Mapping[str, Mapping[str, Any]] = ledger["models"]
    sizes = {spec.name: spec.parameters for spec in run.specs}
    cells = [
        (
            name, _parameters(sizes.get(name)), f"{row['calls']:,}", f"{row['answers']:,}",
            "" if row.get("hit_rate") is None else f"{row['hit_rate']:.0%}", f"{row['corrections']:,}",
            f"{row.get('corrections_kept', 0):,}", f"{row['tokens']:,}", f"{row['cost']:.4f}",
            ", ".join(f"{kind} {count}" for kind, count in row["errors"].items()),
        )
        for name, row in rows.items()
    ]  # fmt: skip
    total = ledger["total"]
    cells.append(("All", "", f"{total['calls']:,}", f"{total['answers']:,}", "", f"{total['corrections']:,}", "",
                  f"{total['tokens']:,}", f"{total['cost']:.4f}", ""))  # fmt: skip
    head = ("Model", "Parameters", "Calls", "Answers", "Hit rate", "Corrections", "Kept", "Tokens", "Cost", "Errors")
    share = share_of_largest(ledger)
    note = f"<p>{e(share)}.</p>\n" if share else ""
    hint = (
        "<p>A hit is a child better than its parent. Corrections are answers of a larger model after regressions by "
        "small ones; kept are those that replaced the small model's proposal.</p>\n"
    )
    return table("Models and what they did", head, cells, range(1, 9)) + note + hint


def _ledger(run: Run, nodes: Nodes) -> Mapping[str, Any]:
    """The result's; of a run without one, from its calls and the search."""
    if run.result is not None:
        return run.result.models
    if not run.calls:
        return {}
    counted = Ledger.from_records(run.specs, run.calls).to_dict()
    for name, record in nodes.search.statistics.by_model.items() if nodes.search else ():
        counted["models"].setdefault(name, {}).update(
            hit_rate=record.hit_rate, corrections_kept=record.corrections_kept
        )
    return counted


def _parameters(count: float | None) -> str:
    if not count:
        return ""
    for least, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= least:
            return f"{count / least:.3g}{letter}"
    return f"{count:.0f}"


def recipe_section(run: Run) -> str:
    """Sequence, pipeline and the commands that make the object by hand."""
    recipe = run.recipe
    if recipe is None:
        if run.result is not None:
            return "<p>Nothing was proved better than the baseline, so there is no recipe.</p>\n"
        best = best_trial(run.trials)
        if best is None:
            return "<p>There is no recipe yet.</p>\n"
        return "<p>There is no recipe before the proof. The best sequence so far:</p>\n" + block(
            ",".join(best.sequence), "Best sequence so far", "Copy the sequence"
        )
    where = run.directory / "recipe.json"
    sources = " ".join(shlex.quote(str(source)) for source in run.program.sources)
    chips = "".join(f"<li><code>{e(name)}</code></li>" for name in recipe.sequence)
    return (
        f'<h3>Sequence</h3><ol class="chips">{chips}</ol>\n'
        + _dropped(run)
        + f"<p>Actions are applied in this order, before {e(run.baseline)}\N{RIGHT SINGLE QUOTATION MARK}s own "
        "pipeline; <code>without&lt;pass&gt;</code> leaves a pass out of that pipeline.</p>\n"
        + block(",".join(recipe.sequence), "The sequence", "Copy the sequence")
        + "<h3>Build with it</h3>\n"
        + block(
            f"colt-llvm apply {shlex.quote(str(where))} {sources} -o {shlex.quote(run.program.name)}",
            "The command that builds with the recipe",
            "Copy the command",
        )
        + _by_hand(recipe)
        + "<details><summary>The complete pipeline</summary>\n"
        + block(recipe.pipeline, "The pipeline", "Copy the pipeline")
        + "</details>\n"
    )


def _dropped(run: Run) -> str:
    gone = run.result.dropped if run.result is not None else ()
    if not gone:
        return ""
    chips = "".join(f"<li><code>{e(name)}</code></li>" for name in gone)
    return (
        f"<details><summary>{len(gone):,} of its trial's actions were dropped: they brought nothing"
        f'</summary><ul class="chips">{chips}</ul></details>\n'
    )


def _by_hand(recipe: Recipe) -> str:
    heading = "<h3>By hand, with LLVM\N{RIGHT SINGLE QUOTATION MARK}s own tools</h3>\n"
    if not recipe.opt:
        return heading + "<p>opt cannot express decisions about single functions; use the command above.</p>\n"
    return heading + block("\n".join(recipe.opt), "The commands that make the object", "Copy the commands")


def failures_section(run: Run) -> str:
    """Counts by kind with an example; what reproduces each wrong program; finalists that the proof rejected."""
    found: dict[str, list[Any]] = {}
    for trial in run.trials:
        if trial.outcome.failure:
            found.setdefault(trial.outcome.failure, []).append(trial)
    if not found and not run.rejected:
        return "<p>No sequence failed.</p>\n"
    parts = []
    if found:
        rows = [
            (kind, f"{len(trials):,}", Markup(f"<code>{e(','.join(trials[0].sequence))}</code>"),
             trials[0].outcome.detail[:300])
            for kind, trials in sorted(found.items(), key=lambda item: -len(item[1]))
        ]  # fmt: skip
        parts.append(table("Failures by kind", ("Kind", "Trials", "First sequence", "Message"), rows, (1,)))
    parts.append(diagnosis_part(run))
    if run.reproducers:
        parts.append(_reproducers(run))
    if run.rejected:
        rejected = [(Markup(f"<code>{e(sequence)}</code>"), why) for sequence, why in run.rejected.items()]
        parts.append(table("Finalists that the proof rejected", ("Sequence", "Why"), rejected))
    return "".join(parts)


def _reproducers(run: Run) -> str:
    items = []
    for wrong in run.reproducers[:_REPRODUCERS_SHOWN]:
        lines = "\n".join(wrong.opt)
        items.append(
            f"<details><summary>Trial {wrong.trial}: {e(wrong.difference[:200])}</summary>\n"
            f"<p><code>{e(','.join(wrong.sequence))}</code></p>\n"
            + block(lines, f"Commands that reproduce trial {wrong.trial}", "Copy the commands")
            + "</details>\n"
        )
    rest = sum(trial.outcome.failure == "miscompile" for trial in run.trials) - len(items)
    more = f"<p>{rest:,} more are in the trials above and in <code>miscompiles/</code>.</p>\n" if rest > 0 else ""
    return "<h3>How to reproduce each miscompile</h3>\n" + "".join(items) + more


def notes_section(run: Run, more: Sequence[str]) -> str:
    """Notes of the result, and ``more``."""
    notes = [*(run.result.notes if run.result else ()), *more]
    if run.result and run.result.profile_line:
        notes.insert(0, run.result.profile_line)
    if run.result is not None and run.result.interrupted:
        notes.append(f"interrupted; go on with: colt-llvm tune --resume {shlex.quote(str(run.directory))}")
    if not notes:
        return "<p>None.</p>\n"
    return "<ul>" + "".join(f"<li>{e(note)}</li>" for note in notes) + "</ul>\n"


def host_section(run: Run) -> str:
    """Host, toolchain, sources and options, as they were written when the run began."""
    header, host = run.header, run.header.get("host") or {}
    memory = host.get("memory_bytes")
    rows = [
        ("Processor", host.get("cpu", "")),
        ("Architecture", host.get("architecture", "")),
        ("Cores in use", host.get("cores", "")),
        ("Memory", f"{memory / 2**30:.1f} GiB" if isinstance(memory, int) else ""),
        ("Kernel", host.get("kernel", "")),
        ("Frequency governor", host.get("governor") or "not known"),
        ("Virtual machine", "yes" if host.get("virtualised") else "no"),
        ("LLVM", header.get("llvm", "")),
        ("Target", header.get("triple", "")),
        ("Baseline", run.baseline),
        ("colt-llvm", header.get("colt_llvm", "")),
        ("Begun", header.get("begun", "")),
        *((f"Source {name}", digest) for name, digest in (header.get("sources") or {}).items()),
        ("Compiler flags", shlex.join(run.program.cflags) or "none"),
        ("Linker flags", shlex.join(run.program.ldflags) or "none"),
    ]
    options = [
        (name, value) for name, value in run.options.to_dict().items() if value not in (None, "", {}, ())
    ]  # fmt: skip
    return (
        '<div class="columns">'
        + table("Host and toolchain", ("", ""), rows, kind="plain")
        + table("Options", ("Option", "Value"), options)
        + "</div>\n"
    )


def repeat_section(run: Run) -> str:
    """The command that begins the same search, and how near to this run it comes."""
    exact = run.options.workers == 1 and not run.options.times_the_program
    models = any(spec.is_language_model for spec in run.specs)
    if models:
        said = "Answers of language models differ from run to run; --models replay:RUN takes those of this run."
    elif exact:
        said = "One worker and an objective without noise: from the same seed the search repeats exactly."
    elif run.options.times_the_program:
        said = "Times differ from run to run, so the search takes another path; the proof measures again."
    else:
        said = "Several workers were in use, so the order of trials may differ; --workers 1 repeats exactly."
    text = "\n".join(_commands(run))
    return block(text, "Commands that repeat the run", "Copy the commands") + f"<p>{e(said)}</p>\n"


def _commands(run: Run) -> list[str]:
    options, words = run.options, ["colt-llvm", "tune", *_program_words(run.program)]
    words += ["--objective", options.objective, "--seed", str(options.seed)]
    if options.strategy != "colt":
        words += ["--strategy", options.strategy]
    for name, value in (
        ("--trials", options.trials),
        ("--time", options.seconds),
        ("--workers", options.workers or None),
    ):
        if value is not None:
            words += [name, f"{value:g}"]
    words += [f"--weight={name}={value:g}" for name, value in (options.weights or {}).items()]
    words += [flag for flag, on in (("--clang-baseline", options.clang_baseline), ("--risky", options.risky)) if on]
    if options.check:
        words += ["--check", options.check]
    if options.preset:
        words += ["--preset", options.preset]
    lines = [f"# the recorded options; run it in {run.directory.parent}", shlex.join(words)]
    if run.result is None or run.result.interrupted:
        lines += ["# or continue this run", shlex.join(["colt-llvm", "tune", "--resume", str(run.directory)])]
    return lines


def _program_words(program: Program) -> list[str]:
    """A folder with a program.toml says all of it; else files, flags and workloads."""
    folder = program.sources[0].parent
    if (folder / "program.toml").exists():
        return [str(folder)]
    words = list(map(str, program.sources))
    for flag, values in (("--cflags", program.cflags), ("--ldflags", program.ldflags)):
        if values:
            words.append(f"{flag}={shlex.join(values)}")
    for harness in program.harness:
        words += ["--harness", str(harness)]
    first = program.workloads[0]
    if len(program.workloads) > 1 or first.command[0] != "{exe}":
        for workload in program.workloads:
            words += ["--run", " ".join(word if word == "{exe}" else shlex.quote(word) for word in workload.command)]
    elif first.command[1:]:
        words.append(f"--args={shlex.join(first.command[1:])}")
    if first.stdin is not None:
        words += ["--stdin", str(first.stdin)]
    for name in first.outputs:
        words += ["--output-file", str(name)]
    return words


_FAULTS = {
    "undefined behaviour": "the program: it has undefined behaviour",
    "asks the optimiser": "neither: the program tests what the optimiser knows",
    "none found": "perhaps the compiler",
}


def diagnosis_part(run: Run) -> str:
    """Empty where nothing was looked into. What a result lacks is left out."""
    found = run.result.diagnosis if run.result is not None else {}
    if not found:
        return ""
    fault = str(found.get("fault", ""))
    rows = [
        ("Likely cause", _FAULTS.get(fault, "not known")),
        ("Why", found.get("reason", "")),
        ("The pass", found.get("pass_note", "")),
        ("Actions that it needs", Markup(f"<code>{e(','.join(map(str, found.get('sequence', ()))))}</code>")),
        ("Difference", found.get("difference", "")),
        ("Not examined", "; ".join(map(str, found.get("left_out", ())))),
        ("Script", found.get("folder", "")),
    ]
    commands = "\n".join(map(str, found.get("commands", ())))
    return (
        f"<h3>Likely cause of the miscompile of trial {e(found.get('trial', ''))}</h3>\n"
        + table("The miscompile that was diagnosed", ("", ""), [row for row in rows if row[1]], kind="plain")
        + (block(commands, "Commands that reproduce it with LLVM's own tools", "Copy the commands") if commands else "")
    )
