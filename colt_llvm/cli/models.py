"""``colt-llvm models``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from colt_llvm.models.base import ModelSpec

_EMBEDDED = ("embedded/nano", "embedded/small", "embedded/base")


@click.command("models", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--models", "named", metavar="LIST|FILE",
    help="Models to list: names with commas between, or a .toml file. Default: the embedded policies and your "
    "~/.config/colt-llvm/models.toml.",
)  # fmt: skip
@click.option(
    "--example", is_flag=False, flag_value="all", metavar="[PROVIDER]",
    help="Print an example of a .toml file; for ollama, vllm, llama.cpp, lmstudio, openrouter or openai alone where "
    "one is named.",
)  # fmt: skip
@click.option(
    "--check",
    is_flag=True,
    help="Ask each model one question as long as those of a search; endpoints may charge for it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(named: str | None, example: str | None, check: bool, as_json: bool) -> int | None:
    """List the models that may propose, with --check also whether they answer.

    Exit status 1 if --check finds one that fails.
    """
    from colt_llvm.models import registry

    if example:
        click.echo(registry.example("" if example == "all" else example), nl=False)
        return None
    specs = registry.load_models(named) if named else _all_known()
    rows = [_row(spec) for spec in specs]
    if check:
        from colt_llvm.proposal.check_question import try_model

        for row, spec in zip(rows, specs, strict=True):
            row["check"] = try_model(spec)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        _print_table(rows)
    return 1 if any(row["check"]["error"] for row in rows if "check" in row) else None


def _all_known() -> list[ModelSpec]:
    from colt_llvm.models import registry

    specs = registry.load_models(",".join(_EMBEDDED))
    file = registry.configuration_file()
    if file.exists():
        specs += [spec for spec in registry.read_models(file) if spec.name not in _EMBEDDED]
    return specs


def _row(spec: ModelSpec) -> dict[str, Any]:
    """What a person has to know of a model. Whether the key is set, never the key."""
    return {
        "name": spec.name,
        "kind": spec.kind,
        "what": spec.can.summary,
        "parameters": spec.parameters,
        "price": {"input": spec.price.input, "cached": spec.price.cached, "output": spec.price.output},
        "endpoint": spec.base_url,
        "key_variable": spec.key_variable,
        "key_set": bool(os.environ.get(spec.key_variable, "").strip()) if spec.key_variable else None,
    }


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    lines = [("NAME", "PARAMETERS", "PRICE IN/CACHED/OUT", "KIND", "ENDPOINT")]
    for row in rows:
        price = "/".join(f"{value:g}" for value in row["price"].values()) if any(row["price"].values()) else "-"
        endpoint = row["endpoint"] or "-"
        if row["key_variable"]:
            endpoint += f" (${row['key_variable']} {'set' if row['key_set'] else 'NOT SET'})"
        lines.append((row["name"], _short(row["parameters"]), price, row["what"], endpoint))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line, row in zip(lines, [{}, *rows], strict=True):
        cells = [f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())
        if "check" in row:
            click.echo(f"  {_checked(row['check'])}")


def _checked(check: dict[str, Any]) -> str:
    if check["error"]:
        return f"failed: {check['error']}"
    tokens = f", {check['prompt_tokens']} + {check['completion_tokens']} tokens" if check["prompt_tokens"] else ""
    tokens += f" ({check['tokens_per_second']:.0f} tokens/s)" if tokens and check["tokens_per_second"] else ""
    price = f", price {check['cost']:.6f} (100 calls {check['cost_of_100']:.2f})" if check["cost"] else ""
    proposal = f"; proposes {', '.join(check['proposal'])}" if check.get("proposal") else ""
    requests = f" in {check['calls']} requests" if check["calls"] > 1 else ""
    form = f"; structured output: {check['structured']}" if check["structured"] else ""
    note = f" ({check['note']})" if check["note"] else ""
    return f"answered after {check['seconds']:.2f} s{note}{requests}{tokens}{price}{form}{proposal}"


def _short(count: float) -> str:
    """A parameter count as people say it: 7B, 1.5B, 300."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return f"{count:g}"
