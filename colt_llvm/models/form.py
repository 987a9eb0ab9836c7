"""What an endpoint takes: found out by its refusals, remembered for the run, and written beside each call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from colt_llvm.models.question import Question

Structured = Literal["schema", "json", "text"]
_NEXT: Mapping[str, Structured] = {"schema": "json", "json": "text"}
_NEXT_LENGTH = {"max_tokens": "max_completion_tokens", "max_completion_tokens": ""}
_STRUCTURE_WORDS = re.compile(
    r"response[_ ]format|json[_ ]?schema|json[_ ]object|json mode|structured|guided|grammar|\bschema\b", re.I
)
_NOT_TAKEN = re.compile(
    r"unsupported|not supported|unrecogni[sz]ed|unknown|unexpected|not permitted|extra|instead", re.I
)
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
    endpoint takes none. dropped: fields that it refuses, and "system role" where it takes no such message.
    """

    structured: Structured = "schema"
    length: str = "max_tokens"
    dropped: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {"structured": self.structured, "length": self.length, "dropped": list(self.dropped)}

    @staticmethod
    def from_dict(record: Mapping[str, Any]) -> Form:
        return Form(record["structured"], record["length"], tuple(record["dropped"]))

    def fields(self, question: Question, max_output_tokens: int, options: Mapping[str, Any]) -> dict[str, Any]:
        """What a request holds beside model and messages."""
        fields = {**options, "seed": (question.seed * 1_000_003 + question.request_id) % 2**31}
        if self.length:
            fields[self.length] = max_output_tokens
        if self.structured == "schema":
            schema = {"name": "joint_action", "strict": True, "schema": answer_schema(question)}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self.structured == "json":
            fields["response_format"] = {"type": "json_object"}
        return {name: value for name, value in fields.items() if name not in self.dropped}

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
        if about_structure and may_step_down and self.structured in _NEXT:
            return replace(self, structured=_NEXT[self.structured])
        return None


def answer_schema(question: Question) -> dict[str, Any]:
    """The protocol as a JSON schema, with the models on offer as the only names.

    Strict schemas have no optional fields, so a confidence is either asked for or not to be given.
    """
    names = [offer.name for offer in question.offers]
    next_model = {"type": "string", "enum": names} if names else {"type": "string"}
    properties: dict[str, Any] = {
        "passes": {"type": "array", "items": {"type": "string"}},
        "next_model": next_model,
        "reason": {"type": "string"},
    }
    if question.confidence_wanted:
        properties["confidence"] = {"type": "number"}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
