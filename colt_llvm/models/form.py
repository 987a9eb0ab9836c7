"""What an endpoint takes: found out by its refusals, remembered for the run, and written beside each call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from colt_llvm.models.question import MOST_ASKED_FOR, Question

Structured = Literal["schema", "json", "text"]
_NEXT: Mapping[str, Structured] = {"schema": "json", "json": "text"}
_NEXT_LENGTH = {"max_tokens": "max_completion_tokens", "max_completion_tokens": ""}
_STRUCTURE_WORDS = re.compile(
    r"response[_ ]format|json[_ ]?schema|json[_ ]object|json mode|structured|guided|grammar|\bschema\b", re.I
)
_NOT_TAKEN = re.compile(
    r"unsupported|not supported|unrecogni[sz]ed|unknown|unexpected|not permitted|extra|instead", re.I
)
#: In ``dropped``: the schema has types alone, no lists of names and no lengths.
_BOUNDS = "schema bounds"
_BOUNDS_WORDS = re.compile(r"\benum\b|max_?length|m(in|ax)_?items|keyword|too (large|long|complex|many)|exceeds", re.I)
#: What OpenAI's strict schemas take is 15,000 letters in an enum of more than 250 names.
_MOST_LETTERS = 12_000
_REASON_LETTERS = 160
#: In ``dropped``: the instructions stand in the user's message.
_SYSTEM = "system role"
_SYSTEM_WORDS = re.compile(
    r"\bsystem\b.{0,20}\b(role|message|prompt|instruction)|\brole\b.{0,20}\bsystem\b|developer instruction|"
    r"roles must alternate|only user and assistant",
    re.I,
)


@dataclass(frozen=True)
class Form:
    """How a request is put.

    structured: JSON schema, JSON mode or plain text. length: the field with the limit of output tokens; "" where the
    endpoint takes none. dropped: fields that it refuses, "system role" where it takes no such message, and
    "schema bounds" where it takes no schema with lists of names and lengths. thinking: tokens that its thinking took
    beyond the limit that was set.
    """

    structured: Structured = "schema"
    length: str = "max_tokens"
    dropped: tuple[str, ...] = ()
    thinking: int = 0

    def to_dict(self) -> dict[str, Any]:
        record = {"structured": self.structured, "length": self.length, "dropped": list(self.dropped)}
        return {**record, "thinking": self.thinking} if self.thinking else record

    @staticmethod
    def from_dict(record: Mapping[str, Any]) -> Form:
        return Form(
            record["structured"], record["length"], tuple(record["dropped"]), int(record.get("thinking", 0))
        )  # fmt: skip

    def fields(self, question: Question, max_output_tokens: int, options: Mapping[str, Any]) -> dict[str, Any]:
        """What a request holds beside model and messages."""
        fields = {**options, "seed": (question.seed * 1_000_003 + question.request_id) % 2**31}
        if self.length:
            fields[self.length] = max_output_tokens + self.thinking
        if self.structured == "schema":
            schema = {
                "name": "joint_action",
                "strict": True,
                "schema": answer_schema(question, _BOUNDS not in self.dropped),
            }
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self.structured == "json":
            fields["response_format"] = {"type": "json_object"}
        return {name: value for name, value in fields.items() if name not in self.dropped}

    def with_more_thinking(self, output_tokens: int, most: int) -> Form | None:
        """After thinking that took all of an answer: twice as much, up to ``most`` in all; None where that is all."""
        more = min(2 * self.thinking or max(output_tokens, 1_024), most - output_tokens)
        return replace(self, thinking=more) if more > self.thinking else None

    def messages(self, messages: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
        """What a request holds of roles and texts."""
        if _SYSTEM in self.dropped:
            messages = [("user", "\n\n".join(text for _, text in messages))]
        return [{"role": role, "content": text} for role, text in messages]

    def after_refusal(self, text: str, field: str, sent: Mapping[str, Any], may_step_down: bool) -> Form | None:
        """The form to try next; None where the refusal is about something else.

        text: the endpoint's words. field: which one it names, if it says so apart. sent: the fields of the request.
        """
        if self.length and (
            field == self.length or (re.search(rf"\b{self.length}\b", text) and _NOT_TAKEN.search(text))
        ):
            return replace(self, length=_NEXT_LENGTH[self.length])
        for name in sent:
            if name not in ("response_format", self.length) and (
                field == name or re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text)
            ):
                return replace(self, dropped=(*self.dropped, name))
        if _SYSTEM not in self.dropped and _SYSTEM_WORDS.search(text):
            return replace(self, dropped=(*self.dropped, _SYSTEM))
        about_structure = field.startswith("response_format") or _STRUCTURE_WORDS.search(text)
        bounded = self.structured == "schema" and _BOUNDS not in self.dropped
        if about_structure and bounded and _BOUNDS_WORDS.search(text):
            return replace(self, dropped=(*self.dropped, _BOUNDS))
        if about_structure and may_step_down and self.structured in _NEXT:
            return replace(self, structured=_NEXT[self.structured])
        return None


def answer_schema(question: Question, bounded: bool = True) -> dict[str, Any]:
    """The protocol as a JSON schema: thinking first, then names that exist here.

    bounded: with lists of names and with lengths; small models repeat themselves or copy the instructions without.
    Strict schemas have no optional fields, so a confidence is either asked for or not to be given.
    """
    reason: dict[str, Any] = {"type": "string"}
    several: dict[str, Any] = {"type": "array"}
    passes: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
    if bounded:
        reason["maxLength"] = _REASON_LETTERS
        passes |= {"minItems": 1, "maxItems": MOST_ASKED_FOR}
        several |= {"minItems": question.wanted, "maxItems": question.wanted}
        if names := _names(question):
            passes["items"] = {"type": "string", "enum": names}
    models = [offer.name for offer in question.offers]
    next_model = {"type": "string", "enum": models} if models else {"type": "string"}
    action: dict[str, Any] = {"passes": passes, "next_model": next_model}
    if question.confidence_wanted:
        action["confidence"] = {"type": "number"}
    if question.wanted is None:
        return _object({"reason": reason, **action})
    return _object({"reason": reason, "proposals": several | {"items": _object(action)}})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


def _names(question: Question) -> list[str]:
    """What may be proposed, as much as a schema takes: passes, whole edits, decisions by promise, numbered edits."""
    edits = question.pipeline_edits
    whole = [edit for edit in edits if "#" not in edit]
    wanted = [*question.passes, *whole, *question.decisions, *(edit for edit in edits if "#" in edit)]
    names, letters = [], 0
    for name in dict.fromkeys(wanted):
        letters += len(name)
        if letters > _MOST_LETTERS:
            break
        names.append(name)
    return names
