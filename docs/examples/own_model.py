"""A model of your own, beside an embedded one: anything that answers a question with passes and who is asked next."""

import json
import random
from pathlib import Path

import colt_llvm

SOURCE = Path(__file__).with_name("words.c")


class LeaveOut:
    """Proposes to leave out passes of the baseline's pipeline, those first whose like has paid in this run."""

    spec = colt_llvm.ModelSpec("leave-out", kind="python", parameters=1e6)

    def ask(self, prompt, timeout_seconds):
        question = prompt.question  # values; prompt.messages is the same as text, for models that read
        held = set(question.state.sequence)
        paid = [edit for edit in question.edits if question.paid.get(edit, 0.0) > 0 and edit not in held]
        draw = random.Random(f"{question.seed}/{question.request_id}")
        passes = paid[:1] + draw.sample(question.edits, 3)
        next_model = min(question.offers, key=lambda offer: offer.calls).name  # whoever was asked least
        return colt_llvm.Answer(json.dumps({"passes": passes, "next_model": next_model}))

    def close(self):
        pass


result = colt_llvm.tune(SOURCE, objective="size", models=[LeaveOut(), "embedded/base"], trials=30, workers=1)
print(f"{result.verdict}, {result.ratio:.4f}x")
for name, record in result.models["models"].items():
    print(f"{name}: {record['answers']} answers")
