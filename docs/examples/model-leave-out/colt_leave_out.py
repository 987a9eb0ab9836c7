"""A model that proposes to leave out passes of the baseline's pipeline, those first whose like has paid in this run."""

import json
import random

from colt_llvm import Answer, DeclaredKind


class LeaveOut:
    """options: ``draws``, how many passes it proposes to leave out at once."""

    def __init__(self, spec):
        self.spec = spec
        self.draws = spec.options.get("draws", 3)

    def ask(self, prompt, timeout_seconds):
        question = prompt.question  # values; prompt.messages is the same as text, for models that read
        held = set(question.state.sequence)
        paid = [edit for edit in question.edits if question.paid.get(edit, 0.0) > 0 and edit not in held]
        draw = random.Random(f"{question.seed}/{question.request_id}")
        passes = paid[:1] + draw.sample(question.edits, min(self.draws, len(question.edits)))
        next_model = min(question.offers, key=lambda offer: offer.calls).name  # whoever was asked least
        return Answer(json.dumps({"passes": passes, "next_model": next_model}))

    def close(self):
        pass


LEAVE_OUT = DeclaredKind(
    "leave-out", "leaves out what paid before", lambda spec, environment: LeaveOut(spec), parameters=1e6, at_once=True
)
