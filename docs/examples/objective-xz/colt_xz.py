"""Bytes of the object files after xz: what a download of them weighs."""

import lzma

from colt_llvm import Figure, Objective


def compressed(objects):
    """The objects of one build, one for each source, as they are on disk."""
    return {"xz": sum(len(lzma.compress(data)) for data in objects)}


XZ = Objective(
    "xz",
    combines={"xz": 1.0},
    level="Oz",
    measure=compressed,
    measures=(Figure("xz", "bytes after xz", "bytes"),),
    goal="Bytes of the object file after xz, fewer is better.",
    improved="is {share} smaller after xz than with {baseline}: {new:,.0f} bytes instead of {old:,.0f}, an exact count",
)
