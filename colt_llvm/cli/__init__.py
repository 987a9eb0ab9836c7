"""The command line: one file a command. Parses, calls, prints; decides nothing."""

from colt_llvm.core.variables import hide_strange_modules

hide_strange_modules()
