"""What goes wrong, on stderr, and the exit codes that scripts rely on.

    0  done
    1  the run failed or was cancelled; a check did not pass
    2  bad input: nothing was changed
    3  refused in this state: try again later, or change the state first
    4  the store or a key cannot be used
   70  a fault of Accord itself
  130  interrupted; a run that was under way can be resumed

ACC910  the command line is wrong                     ACC914  a file cannot be written
ACC911  an option's value cannot be read              ACC915  more than one run begins, or ends, like this
ACC912  a file is there already                       ACC916  nothing waits, or more than one task does
ACC913  options that do not go together               ACC917  nobody is at the terminal to answer
ACC918  no agent here can do a task                   ACC921  no copy can be made there, or of that
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Final

import msgspec

from accord.errors import (
    AccordError,
    BadInput,
    InputRequired,
    KeyUnusable,
    NotFound,
    NotUnderstood,
    Problem,
    Refused,
    StoreError,
    Wanting,
    kind_of,
)
from accord.loading.later import later

if TYPE_CHECKING:
    from rich.console import Console

    from accord.cli import output
else:
    output = later("accord.cli.output")

DONE: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2
REFUSED: Final = 3
UNUSABLE: Final = 4
FAULT: Final = 70
INTERRUPTED: Final = 130

EXIT_CODES: Final = (
    "Exit codes: **0** done · **1** the run failed or was cancelled · **2** bad input · **3** refused in this state · "
    "**4** store or key unusable · **70** a fault of Accord · **130** interrupted, the run can be resumed"
)


def exit_code(error: AccordError) -> int:
    """The exit code that stands for an error."""
    if isinstance(error, BadInput | NotFound):
        return BAD_INPUT
    if isinstance(error, Refused):
        return REFUSED
    if isinstance(error, KeyUnusable | StoreError):
        return UNUSABLE
    return REFUSED  # what another process has refused comes back as problems alone


def usage(code: str, message: str, hint: str | None = None) -> BadInput:
    """The error of a command that was called in a wrong way."""
    return BadInput.of(code, message, hint=hint)


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """An error as scripts get it, with the names that problem details over HTTP have."""

    kind: str
    problems: tuple[Problem, ...]
    wanting: Wanting | msgspec.UnsetType = msgspec.UNSET
    several: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


def tell(error: AccordError, *, as_json: bool) -> None:
    """Write the problems to stderr, each with its place, code and way out; as one JSON document where asked for."""
    if as_json:
        told = _Told(
            kind=kind_of(error),
            problems=error.problems,
            wanting=(error.wanting if isinstance(error, InputRequired) else None) or msgspec.UNSET,
            several=(error.several if isinstance(error, NotUnderstood) else ()) or msgspec.UNSET,
        )
        sys.stderr.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
        return
    shown = output.console(sys.stderr)
    for problem in error.problems:
        show_problem(shown, problem)


def show_problem(shown: Console, problem: Problem, style: str = "bad") -> None:
    """One problem: place, code and message on the first line, the way out below."""
    place = f"{problem.place}: " if str(problem.place) else ""
    line = output.styled((place, "place"), (f"{problem.code} ", style), (problem.message, ""))
    shown.print(line, soft_wrap=True)
    if problem.hint:
        shown.print(output.styled((f"  → {problem.hint}", "hint")), soft_wrap=True)


def tell_fault(error: BaseException, *, verbose: bool) -> None:
    """Write that Accord itself is at fault, how to report it, and where asked for the traceback."""
    if verbose:
        traceback.print_exception(error, file=sys.stderr)
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    sys.stderr.write(f"This is a fault of Accord, not of yours: {said}\n")
    again = "" if verbose else "run the same command with --verbose and "
    sys.stderr.write(f"  → please {again}report it to the project that you have Accord from, with what this prints\n")
