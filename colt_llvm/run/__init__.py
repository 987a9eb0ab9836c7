"""One run, from a program to what is left behind; the only place where environment, search and measurement meet.

Read in this order: ``tuner`` (all of it), ``session`` (what a run needs), ``searching`` and ``driver`` (the loop),
``evaluate.builder`` (sequence to object code, through the environment), ``evaluate.timer`` (is it still right, how good
is it), ``proof``, ``results`` (what is left behind).
"""
