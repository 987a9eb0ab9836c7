"""After a run: what of a sequence pays, and what it does to the code."""
