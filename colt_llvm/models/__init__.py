"""Whatever can be asked for a joint action: language models behind an endpoint, and the small policies that ship here.

Reading order: question (what is asked), base (prompt, answer, errors, what a model is), and then one file a kind.
"""
