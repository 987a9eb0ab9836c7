"""Running programs, checking what they do, timing them, and saying honestly which is faster.

Read in this order: ``runner`` (one run, or some at once), ``folder_state`` (what it wrote), ``lines``, ``difference``
(with which of the two differs) and ``compared`` (what counts), ``check`` (is it still right?), ``intervals`` (the
statistics), ``rounds`` (a trial, re-ranking), ``ab_test`` (the proof), ``host``.
"""
