"""A model of your own, beside an embedded one: anything that answers a question with passes and who is asked next."""

import json

import colt_llvm


class LeaveOut:
    """Proposes to leave out one pass of the baseline's pipeline: the next that was not tried yet."""

    spec = colt_llvm.ModelSpec("leave-out", kind="python", parameters=1e6)

    def ask(self, prompt, timeout_seconds):
        question = prompt.question  # values; prompt.messages is the same as text, for models that read
        held = set(question.state.sequence) | set(question.paid)
        new = [edit for edit in question.edits if edit not in held] or list(question.edits)
        next_model = min(question.offers, key=lambda offer: (-(offer.hit_rate or 0.0), offer.calls)).name
        return colt_llvm.Answer(json.dumps({"passes": [new[0]], "next_model": next_model}))

    def close(self):
        pass


result = colt_llvm.tune("crc_adler", objective="size", models=[LeaveOut(), "embedded/base"], trials=15, workers=1)
print(f"{result.verdict}, {result.ratio:.4f}x")
for name, record in result.models["models"].items():
    print(f"{name}: {record['answers']} answers")
