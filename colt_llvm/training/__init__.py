"""Learning from use: the user's own copy of the embedded policies, fine-tuned from run directories.

Reading order: train (all of it), dataset (samples of the runs), linear_model (tables and linear models of single
actions), sequences (whole ones, for the policy that retrieves), validation and learning_curves (old against new by
equal searches), packing (the file).
"""
