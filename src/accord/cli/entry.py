"""The entry point: builds the command line, runs it, and turns every error into problems and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, Any

import typer

from accord.cli import errors
from accord.cli.commands import app
from accord.cli.usage import UsageError, unreadable, usage_problems, with_key_ids
from accord.errors import AccordError, BadInput
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli import output
else:
    output = later("accord.cli.output")


_UNWRITABLE = frozenset((errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT))
"""Why stdout cannot be written. The same of journal and blobs is a StoreUnavailable long before it comes here."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line (that of the process where None), and exit with its code; no error gets out."""
    given = with_key_ids(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(given)
    except (output.ReaderGone, OSError):  # nobody reads what is wrong, or it cannot be written
        _let_go()
        code = errors.FAILED
    sys.exit(code)


def _run(given: list[str]) -> int:
    as_json, verbose = "--json" in given, not {"--verbose", "-v"}.isdisjoint(given)
    if problems := unreadable(given):
        errors.tell(BadInput(*problems), as_json=as_json)
        return errors.BAD_INPUT
    try:
        return copy_context().run(_called, given)  # what options in front of the command say ends with it
    except UsageError as error:
        if error.format_message():  # there is none where nothing was given: the help has been printed then
            errors.tell(BadInput(*usage_problems(error, _command_line(), given)), as_json=as_json)
        return errors.BAD_INPUT
    except AccordError as error:
        errors.tell(error, as_json=as_json)
        return errors.exit_code(error)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("Interrupted.\n")
        return errors.INTERRUPTED
    except output.ReaderGone:
        _let_go()
        return errors.DONE
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            errors.tell_fault(error, verbose=verbose)
            return errors.FAULT
        _let_go()
        hint = "what was done is in the journal: accord runs list"
        unwritten = AccordError.of("ACC914", f"stdout cannot be written: {error.strerror}", hint=hint)
        errors.tell(unwritten, as_json=as_json)
        return errors.FAILED
    except Exception as error:
        errors.tell_fault(error, verbose=verbose)
        return errors.FAULT


def _let_go() -> None:
    """Nothing more may be flushed into a stdout that nobody reads, or that is full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@cache
def _command_line() -> Any:
    """All commands; made once in a process, as that takes longer than many a command."""
    return typer.main.get_command(app)


def _called(given: list[str]) -> int:
    code = _command_line().main(given, prog_name="accord", standalone_mode=False)
    sys.stdout.flush()
    return code if isinstance(code, int) else errors.DONE
