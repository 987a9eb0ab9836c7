# Tuned builds with GNU make (3.81 or later). In a Makefile:
#
#     COLT_RUN = ./prog input.txt
#     include $(shell colt-llvm make-include)
#
# Targets
#   make tune          find recipes for COLT_RUN, and leave them in .colt/
#   make tuned         build COLT_TARGET with colt-cc and the recipes in .colt/
#   make untuned       the same without recipes
#   make colt-report   list the recipes, and say which do not fit any more
#   make COLT=1 GOAL   any other goal with colt-cc and the recipes, such as install or test after "make tuned"
#
# Variables that can stand anywhere in the Makefile
#   COLT_RUN      the command that runs the program, for "make tune"
#   COLT_BUILD    the command that builds it, for "make tune"; make COLT=1 COLT_TARGET where it is not set
#   COLT_FLAGS    further options of "colt-llvm tune", such as --objective size
#   COLT_TARGET   what is built; the Makefile's default goal where it is not set
#   COLT_CLEAN    the command that removes everything that was compiled; make clean
#
# Variables that stand before the include
#   COLT_BIN      the folder of colt-cc and colt-llvm, absolute and with a slash at its end; empty: they are on PATH
#   COLT_CC, COLT_CXX  the compilers, such as: ccache colt-cc
#   COLT_RECIPES  the folders with recipes; .colt, and that of each folder here
#   COLT_NO_BUILD goals that compile nothing, beside clean and the like; help
#   COLT_STAMP    the file that says what the objects here are; .colt-mode. Give each folder of objects its own
#
# No mixture. COLT_STAMP names the mode (plain, tuned or untuned), the compiler and the recipes that the objects were
# made with. Where one of them is another now, COLT_CLEAN runs first, and everything is compiled again. That holds for
# a plain "make" after "make tuned" too: it gives what it always gave.
#
# Nothing else changes: the default goal stays, and without COLT=1 no compiler is set.

ifndef colt_included
colt_included := yes
colt_default_goal := $(.DEFAULT_GOAL)

COLT_CC ?= $(COLT_BIN)colt-cc
COLT_CXX ?= $(COLT_BIN)colt-c++
COLT_LLVM ?= $(COLT_BIN)colt-llvm
COLT_RECIPES ?= $(wildcard .colt */.colt)
COLT_NO_BUILD ?= help
COLT_STAMP ?= .colt-mode
COLT_BUILD ?= $(colt_make) COLT=1 $(COLT_TARGET)
COLT_CLEAN ?= $(colt_make) clean

colt_empty :=
colt_space := $(colt_empty) $(colt_empty)
colt_quote = '$(subst ','\'',$(strip $(1)))'
colt_file := $(filter-out GNUmakefile makefile Makefile,$(firstword $(MAKEFILE_LIST)))
colt_make = $(MAKE)$(if $(colt_file), -f $(colt_file))
colt_on := $(filter-out 0,$(COLT))
colt_off := $(filter-out 0,$(COLT_DISABLE))

# --- which goals ---------------------------------------------------------------------------------

colt_own := tune tuned untuned
colt_idle := colt-report clean distclean mostlyclean realclean maintainer-clean mrproper clobber $(COLT_NO_BUILD)
colt_others := $(filter-out $(colt_idle),$(MAKECMDGOALS))
ifneq ($(filter $(colt_own),$(colt_others)),)
ifneq ($(words $(colt_others)),1)
$(error $(filter $(colt_own),$(colt_others)): give this goal alone; for others with recipes use make COLT=1 GOAL)
endif
endif

# --- the compilers, with COLT=1 ------------------------------------------------------------------

ifneq ($(colt_on),)
ifeq ($(shell command -v $(lastword $(COLT_CC)) 2>/dev/null),)
$(error $(lastword $(COLT_CC)): not found; put the folder of colt-llvm on PATH, or set COLT_BIN to it)
endif
ifneq ($(origin CC) $(CC),command line $(COLT_CC))
# The second is for a make that is called by this one: a plain variable would not win over the Makefile there.
override CC := $(COLT_CC)
override CXX := $(COLT_CXX)
MAKEOVERRIDES += CC=$(subst $(colt_space),\$(colt_space),$(COLT_CC))
MAKEOVERRIDES += CXX=$(subst $(colt_space),\$(colt_space),$(COLT_CXX))
endif
CCACHE_COMPILERCHECK := %compiler% --colt-identity
export CC CXX CCACHE_COMPILERCHECK COLT_DISABLE
endif

# --- what the objects here are, and what they shall be -------------------------------------------

# COLT_LOG: "colt-llvm tune" runs this make with its compilers in the place of ours.
ifneq ($(colt_on)$(COLT_LOG),)
colt_mode := $(if $(colt_on),,logged-)$(if $(colt_off),untuned,tuned)$(COLT_LEVEL)
colt_facts := $(shell { $(COLT_CC) --colt-identity; \
    find $(COLT_RECIPES) /dev/null -type f -name '*.json' -exec cksum {} + | sort; } 2>/dev/null | cksum)
colt_state := $(colt_mode)-$(subst $(colt_space),-,$(strip $(colt_facts)))
else
colt_state := plain
endif

colt_was := plain
-include $(COLT_STAMP)

colt_look := $(if $(MAKECMDGOALS),$(filter-out $(colt_own),$(colt_others)),default)
# With -n, -q and -t nothing is compiled.
colt_letters := $(filter-out --%,$(firstword -$(MAKEFLAGS)))
colt_dry := $(findstring n,$(colt_letters))$(findstring q,$(colt_letters))$(findstring t,$(colt_letters))
ifeq ($(COLT_CLEANING)$(colt_dry),)
ifneq ($(colt_look),)
ifneq ($(colt_was),$(colt_state))
ifneq ($(MAKE_RESTARTS),)
$(error $(COLT_STAMP): says $(colt_was) after it was written anew; make the folder writable)
endif
# make reads an included file again when a rule has changed it, and stops when the rule fails.
ifeq ($(wildcard $(COLT_STAMP)),)
colt_made := $(shell mkdir -p $(dir $(COLT_STAMP)) && echo 'colt_was := unknown' >$(COLT_STAMP))
endif
include $(COLT_STAMP)
$(COLT_STAMP): colt-always
	@echo 'colt-llvm: cleaning first, for objects of another mode or other recipes may be here' >&2
	+@export COLT_CLEANING=1; { $(COLT_CLEAN); } >&2 || \
	    { echo 'colt-llvm: cleaning failed; set COLT_CLEAN to a command that removes all objects' >&2; exit 1; }
	@mkdir -p $(@D) && echo 'colt_was := $(colt_state)' >$@
endif
endif
endif

# --- the targets ---------------------------------------------------------------------------------

.PHONY: tune tuned untuned colt-report colt-always

tuned:
	+@$(colt_make) COLT=1 COLT_DISABLE= $(COLT_TARGET)

untuned:
	+@$(colt_make) COLT=1 COLT_DISABLE=1 $(COLT_TARGET)

# What is not compiled cannot be learned from: without the stamp everything is built anew, and not by ccache.
tune:
	@$(if $(strip $(COLT_RUN)),,$(error COLT_RUN is not set; add a line such as COLT_RUN = ./prog input.txt))\
	    rm -f $(COLT_STAMP)
	CCACHE_DISABLE=1 $(COLT_LLVM) tune \
	    --build $(call colt_quote,$(COLT_BUILD)) --run $(call colt_quote,$(COLT_RUN)) $(COLT_FLAGS)

colt-report:
	@$(COLT_LLVM) recipes

.DEFAULT_GOAL := $(colt_default_goal)
endif
