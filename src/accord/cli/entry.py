"""The entry point: builds the command line, runs it, and turns every error into problems and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING

import typer

from accord.cli import errors
from accord.cli.commands import app
from accord.cli.later import later
from accord.cli.usage import UsageError, unreadable, usage_problems
from accord.errors import AccordError

if TYPE_CHECKING:
    from accord.cli import output
else:
    output = later("accord.cli.output")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line (that of the process where None), and exit with its code; no error gets out."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(given))


def _run(given: list[str]) -> int:
    as_json = "--json" in given
    if problems := unreadable(given):
        errors.tell(problems, as_json=as_json)
        return errors.BAD_INPUT
    try:
        return copy_context().run(_called, given)  # what options in front of the command say ends with it
    except UsageError as error:
        if error.format_message():  # there is none where nothing was given: the help has been printed then
            errors.tell(usage_problems(error, typer.main.get_command(app), given), as_json=as_json)
        return errors.BAD_INPUT
    except AccordError as error:
        errors.tell(error.problems, as_json=as_json)
        return errors.exit_code(error)
    except (KeyboardInterrupt, typer.Abort):
        return errors.INTERRUPTED
    except output.ReaderGone:
        # Nothing more may be flushed into the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.DONE
    except Exception as error:
        errors.tell_fault(error, verbose=not {"--verbose", "-v"}.isdisjoint(given))
        return errors.FAULT


def _called(given: list[str]) -> int:
    command = typer.main.get_command(app)
    code = command.main(given, prog_name="accord", standalone_mode=False)
    sys.stdout.flush()
    return code if isinstance(code, int) else errors.DONE
