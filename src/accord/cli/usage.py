"""A command line that is wrong: everything that is wrong with it, not the first thing alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from accord.errors import Problem

# What Typer raises for a wrong command line; its own name is not public.
UsageError: type[Any] = typer.BadParameter.__mro__[1]


def unreadable(given: Sequence[str]) -> list[Problem]:
    """A problem for each argument that is no text, such as a file's name in another encoding (ACC910)."""
    shown = [text.encode("utf-8", "backslashreplace").decode() for text in given]
    hint = "arguments, and the names of files, are text in UTF-8"
    return [
        Problem("ACC910", f"`{said}` is not UTF-8", hint=hint)
        for text, said in zip(given, shown, strict=True)
        if said != text
    ]


_KEY_ID = re.compile(r"-[A-Za-z0-9_-]{42}")
"""The id of a key, a SHA-256 thumbprint in base64url, that looks like an option: one in 64 does."""


def with_key_ids(given: Sequence[str]) -> list[str]:
    """The command line with ids of keys that begin with a dash as arguments, behind `--`; an option's value stays."""
    if "--" in given:
        return list(given)
    behind = [False, *(word.startswith("--") for word in given)]
    is_id = [_KEY_ID.fullmatch(word) is not None and not after for word, after in zip(given, behind, strict=False)]
    kept = [word for word, moves in zip(given, is_id, strict=True) if not moves]
    moved = [word for word, moves in zip(given, is_id, strict=True) if moves]
    return [*kept, "--", *moved] if moved else kept


def usage_problems(error: Any, root: Any, given: Sequence[str]) -> list[Problem]:
    """All problems of a command line of `root`, of which Typer has told the first one (ACC910)."""
    context: Any = typer.Context(root, info_name="accord")
    arguments = _from_command(root, given)
    while arguments and arguments[0] in getattr(context.command, "commands", {}):
        word = arguments.pop(0)
        context = typer.Context(context.command.commands[word], info_name=word, parent=context)
    found = [_problem(each, context.command_path) for each in _errors(context, arguments)]
    first = _problem(error, context.command_path)
    return found if first in found else [first]


def _from_command(root: Any, given: Sequence[str]) -> list[str]:
    """The command line from the command on; what stands in front of it are options of `accord` itself."""
    begins = (index for index, word in enumerate(given) if word in root.commands)
    return list(given[next(begins, 0) :]) if given and given[0].startswith("-") else list(given)


def _errors(context: Any, arguments: list[str]) -> Iterator[Any]:
    """The errors of one command: options that it does not have, then values that cannot be."""
    command = context.command
    parser = command.make_parser(context)
    parsed, unknown = None, False
    while parsed is None:
        try:
            parsed = parser.parse_args(args=list(arguments))
        except UsageError as error:
            yield error
            at = _position(getattr(error, "option_name", None), arguments)
            if at is None:
                return
            unknown = True
            del arguments[at]
    values, rest, _ = parsed
    for parameter in command.get_params(context):
        try:
            _, rest = (None, rest) if parameter.is_eager else parameter.handle_parse_result(context, values, rest)
        except UsageError as error:
            yield error
    if rest and not unknown:  # else they may be the values of options that there are not
        yield UsageError(f"Got unexpected extra argument(s) ({' '.join(rest)})", context)


def _position(option: str | None, arguments: Sequence[str]) -> int | None:
    named = (index for index, text in enumerate(arguments) if option and text.partition("=")[0] == option)
    return next(named, None)


def _problem(error: Any, path: str) -> Problem:
    message = error.format_message().strip().rstrip(".").replace("Value error, ", "")
    return Problem("ACC910", message[:1].lower() + message[1:], hint=f"`{path} --help` shows what can be given")
