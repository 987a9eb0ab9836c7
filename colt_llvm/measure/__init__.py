"""Running programs, checking what they do, timing them, and saying honestly which is faster.

Read in this order: ``runner`` (one run, or some at once), ``folder_state`` (what it wrote), ``lines``, ``difference``
and ``compared`` (what counts), ``check`` (is it still right?), ``confirmation`` (which of the two differs?),
``intervals`` (the statistics), ``rounds`` (arms again and again, re-ranking), ``sampling`` (a trial), ``ab_test`` (the
proof), ``host``.
"""
