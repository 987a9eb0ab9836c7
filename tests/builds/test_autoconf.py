"""A project with autoconf, automake and libtool, built with colt-cc as the document says."""

from __future__ import annotations

from pathlib import Path

import pytest
from walkthrough import Project, blocks

pytestmark = pytest.mark.needs("autoreconf", "automake", "libtoolize", "make")

CONFIGURE = """AC_INIT([prog], [1])
AC_CONFIG_AUX_DIR([aux])
AM_INIT_AUTOMAKE([foreign])
AC_PROG_CC
AM_PROG_AR
LT_INIT
AC_CONFIG_FILES([Makefile])
AC_OUTPUT
"""
MAKEFILE = """noinst_LTLIBRARIES = libwork.la
libwork_la_SOURCES = work.c
bin_PROGRAMS = prog
prog_SOURCES = main.c
prog_LDADD = libwork.la
"""


@pytest.mark.slow
def test_the_commands_of_the_document_do_what_it_says(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write({"configure.ac": CONFIGURE, "Makefile.am": MAKEFILE})
    project.type("mkdir aux && autoreconf -i")
    tune, again, without = blocks("autoconf")
    make_folder, configure, tuning, build = tune.commands
    project.type(make_folder)
    assert "the C compiler works... yes" in (said := project.type(configure))
    assert "checking for gcc... colt-cc" in said
    project.type(tuning)
    assert project.tuned("build-tuned/work.o")
    assert project.recipes_used(build) == ["-"], "tuning has left a tuned build"

    project.change_recipe()
    (rebuild,) = again.commands
    assert project.recipes_used(rebuild) == ["work.c"]

    *prepare, build = without.commands
    for command in prepare:
        project.type(command)
    assert project.recipes_used(build) == []
    assert not project.tuned("build-untuned/work.o")
    assert project.type("build-tuned/prog") == project.type("build-untuned/prog")
