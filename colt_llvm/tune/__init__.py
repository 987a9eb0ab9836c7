"""The composition root: the only place where environment, search and measurement meet.

Read in this order: ``options``, ``builder`` (sequence to object code, through the environment), ``judge`` (is it still
right, how good is it), ``driver`` (the loop), ``claim`` (the proof), ``tuner`` (all of it).
"""
