"""Learned numbers of each model. Written by tools/train_embedded.py together with the weights."""

PARAMETERS = {
    "embedded/nano": 1560,
    "embedded/small": 7019,
    "embedded/base": 101790,
}
