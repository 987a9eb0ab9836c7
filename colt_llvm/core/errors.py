"""Every failure that a user can meet, as a type whose message names the remedy.

The leaves are also the builtin that they resemble, so that callers who know nothing of this
package catch what they expect. ``exit_status`` is what the command line ends with.
"""

from __future__ import annotations


class ColtError(Exception):
    """Base of all errors raised on purpose. The message is one line and says what to do."""

    exit_status = 1


class UsageError(ColtError, ValueError):
    """An option, a file or a value that the user gave cannot be used."""

    exit_status = 2


class ToolchainError(ColtError, RuntimeError):
    """No usable clang and libLLVM, or two that do not belong together."""

    exit_status = 3


class CompileError(ColtError, ValueError):
    """The user's source does not compile or link; ``diagnostics`` is the compiler's own text."""

    exit_status = 4

    def __init__(self, message: str, diagnostics: str = "") -> None:
        super().__init__(message)
        self.diagnostics = diagnostics


class ProgramError(ColtError, RuntimeError):
    """The baseline program cannot be verified: it crashes, never ends, or differs from run to run."""

    exit_status = 5


class NotRepeatable(ProgramError):
    """The program itself does something else from run to run, so nobody can be blamed for a difference."""


class RunDirectoryError(ColtError, OSError):
    """A run directory, recipe or output file cannot be read or written."""

    exit_status = 6


class RecipeError(ColtError, ValueError):
    """A recipe cannot be read, or does not fit this program or toolchain."""

    exit_status = 7


class CommandNotFound(ColtError, FileNotFoundError):
    """An executable is missing."""

    exit_status = 3


class ProcessTimeout(ColtError, TimeoutError):
    """A child process went over its wall-clock limit and was ended."""


class ChildStillRuns(ColtError, RuntimeError):
    """A command has ended, but a process that it started runs on and cannot be ended."""


class OutputLimitExceeded(ColtError, OSError):
    """A child process wrote more than its limit and was ended."""


class PassError(ColtError, RuntimeError):
    """A pass sequence could not be applied. Subclasses say how it failed."""


class PipelineSyntaxError(PassError, ValueError):
    """libLLVM does not accept the pipeline text."""


class InvalidIR(PassError, ValueError):
    """A module does not parse or does not verify."""


class PassCrashed(PassError):
    """The process that ran the pass died."""


class PassTimedOut(PassError, TimeoutError):
    """The pass did not end within its limit."""


class PassOutOfMemory(PassError, MemoryError):
    """The pass went over its memory limit."""


class ClusterError(ColtError, ConnectionError):
    """No scheduler answers, no worker can be used, or all of them have gone."""

    exit_status = 9
