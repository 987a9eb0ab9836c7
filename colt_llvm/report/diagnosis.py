"""Of the miscompile that was looked into: whose fault it is likely to be, the pass, and what shows it."""

from __future__ import annotations

from colt_llvm.report.run import Run
from colt_llvm.report.text import Markup, block, e, table

_FAULTS = {
    "undefined behaviour": "the program: it has undefined behaviour",
    "asks the optimiser": "nobody: the program asks what the optimiser knows",
    "none found": "perhaps the compiler",
}


def diagnosis_part(run: Run) -> str:
    """Empty where nothing was looked into. What a result lacks is left out."""
    found = run.result.diagnosis if run.result is not None else {}
    if not found:
        return ""
    fault = str(found.get("fault", ""))
    rows = [
        ("Likely at fault", _FAULTS.get(fault, "not known")),
        ("Why", found.get("reason", "")),
        ("The pass", found.get("pass_note", "")),
        ("Needed of the sequence", Markup(f"<code>{e(','.join(map(str, found.get('sequence', ()))))}</code>")),
        ("What it does otherwise", found.get("difference", "")),
        ("Not looked at", "; ".join(map(str, found.get("left_out", ())))),
        ("Script", found.get("folder", "")),
    ]
    commands = "\n".join(map(str, found.get("commands", ())))
    return (
        f"<h3>Whose fault the miscompile of trial {e(found.get('trial', ''))} is likely to be</h3>\n"
        + table("The miscompile that was looked into", ("", ""), [row for row in rows if row[1]], kind="plain")
        + (block(commands, "Commands that show it with LLVM's own tools", "Copy the commands") if commands else "")
    )
