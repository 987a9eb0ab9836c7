"""The composition root: the only place where environment, search and measurement meet.

Read in this order: ``tuner`` (all of it), ``session`` (what a run needs), ``searching`` and ``driver`` (the loop),
``builder`` (sequence to object code, through the environment), ``judge`` (is it still right, how good is it), ``claim``
(the proof), ``handover`` (what is left behind).
"""
