"""Learning from use: the user's own copy of the embedded policies, fine-tuned from run directories.

Reading order: train (all of it, and the file), dataset (samples of the runs, and whole sequences for the policy that
retrieves), linear_model (tables and linear models of single actions), validation (old against new by equal searches).
"""
