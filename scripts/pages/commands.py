"""The page of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer.main

from accord.cli.entry import app
from pages.markdown import GENERATED, table

# Typer brings its own copy of Click, which it does not export: commands and parameters are typed as Any here.


def command_page() -> str:
    """The page, as Markdown."""
    root: Any = typer.main.get_command(app)
    sections = [_section(context) for context in _contexts(root.context_class(root, info_name="accord"))]
    return "\n".join([f"# The command line\n\n{GENERATED}\n", *sections])


def _contexts(context: Any) -> Iterator[Any]:
    """The command of this context, and all below it."""
    yield context
    for name, command in _inner(context):
        yield from _contexts(command.context_class(command, info_name=name, parent=context))


def _inner(context: Any) -> Iterator[tuple[str, Any]]:
    group = context.command
    for name in group.list_commands(context) if hasattr(group, "list_commands") else ():
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            yield name, command


def _section(context: Any) -> str:
    command, path = context.command, context.command_path
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    parts = [f"## `{path}`", _words(command.help or ""), f"```text\n{usage}\n```"]
    parameters = [row for parameter in command.params for row in _rows(parameter, context)]
    if parameters:
        parts.append(table(("parameter", "meaning"), parameters))
    inner = [(f"`{path} {name}`", _words(each.get_short_help_str(200))) for name, each in _inner(context)]
    if inner:
        parts.append(table(("command", "what it does"), inner))
    parts.append(_words(command.epilog or ""))
    return "\n\n".join(part for part in parts if part) + "\n"


def _rows(parameter: Any, context: Any) -> Iterator[tuple[str, str]]:
    record = parameter.get_help_record(context)
    if record is not None:
        names, words = record
        yield f"`{names.partition(' <')[0] if parameter.param_type_name == 'argument' else names}`", _words(words)


def _words(text: str) -> str:
    """Help as Markdown: marks of Rich are taken out, a paragraph that keeps its lines becomes code."""
    text = re.sub(r"<(\w+)>", r"&lt;\1&gt;", text)
    plain = inspect.cleandoc(re.sub(r"\[/?(?:bold|dim|italic|green|red|yellow|blue|cyan|magenta)[^\]]*\]", "", text))
    paragraphs = [part.strip("\n") for part in plain.split("\n\n")]
    kept = (
        "```console\n" + part.removeprefix("\b\n") + "\n```" if part.startswith("\b") else part for part in paragraphs
    )
    return "\n\n".join(kept)
