"""Learning from use: the user's own copy of the embedded policies, fine-tuned from run directories.

Reading order: train (all of it), lessons (what runs teach), tries and tables (gains of single actions), lines (what the
state changes of them), sequences (whole ones, for the policy that retrieves), validation (old against new at a
workbench), packing (the file).
"""
