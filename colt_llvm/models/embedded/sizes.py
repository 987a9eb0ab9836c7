"""Learned numbers of each model. Written by tools/train_embedded.py together with the weights."""

PARAMETERS = {
    "embedded/nano": 1905,
    "embedded/small": 18794,
    "embedded/base": 103580,
}
