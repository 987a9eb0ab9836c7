"""A project with Meson, built with colt-cc as the document says."""

from __future__ import annotations

from pathlib import Path

import pytest
from walkthrough import Project, blocks

pytestmark = pytest.mark.needs("meson", "ninja")

BUILD = """project('prog', 'c')
executable('prog', 'main.c', 'work.c')
"""
TUNED, UNTUNED = (f"build-{kind}/prog.p/work.c.o" for kind in ("tuned", "untuned"))


def test_the_commands_of_the_document_do_what_it_says(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write({"meson.build": BUILD})
    tune, again, without = blocks("Meson")
    setup, tuning, build = tune.commands
    assert "C compiler for the host machine: colt-cc (clang " in project.type(setup)
    project.type(tuning)
    assert project.tuned(TUNED)
    assert project.recipes_used(build) == ["-"], "tuning has left a tuned build"

    project.change_recipe()
    clean, build = again.commands
    project.type(clean)
    assert project.recipes_used(build) == ["work.c"]

    setup, build = without.commands
    project.type(setup)
    assert project.recipes_used(build) == []
    assert not project.tuned(UNTUNED)
    assert project.type("build-tuned/prog") == project.type("build-untuned/prog")
