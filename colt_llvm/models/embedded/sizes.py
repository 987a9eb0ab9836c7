"""Learned numbers of each model. Written by tools/train_embedded.py together with the weights."""

PARAMETERS = {
    "embedded/nano": 1560,
    "embedded/small": 16394,
    "embedded/base": 101790,
}
