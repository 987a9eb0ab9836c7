"""One run, from a program to what is left behind; the only place where environment, search and measurement meet.

Read in this order: ``tuner`` (all of it), ``setup`` (what a run needs), ``searching`` and ``loop`` (ask, propose,
evaluate, tell), ``evaluate.evaluators`` (a sequence in, an evaluation out), ``evaluate.builder`` (sequence to object
code), ``evaluate.verifier`` and ``evaluate.timer``, ``proof``, ``results`` (what is left behind).
"""
