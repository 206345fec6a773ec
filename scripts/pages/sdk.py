"""The page of the SDK: the public names of `accord.sdk`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from accord import sdk
from accord.templates.schema import field_descriptions
from pages.markdown import GENERATED, table

_HEAD = f"""\
# The SDK

{GENERATED}

`from accord.sdk import ...`. How they are used is told in [an agent in ten lines](../tutorial/agent.md).
"""
_LINE = 100
_ORDER = ("Agent", "Result", "Failure", "Context", "Worker", "WorkerOptions", "AgentKey")
"""First what every author needs, then how an agent is hosted."""


def sdk_page() -> str:
    """The page, as Markdown."""
    kinds = (getattr(sdk, name) for name in _ORDER if name in sdk.__all__)
    return "\n".join([_HEAD, *("\n\n".join(parts(kind)) + "\n" for kind in kinds)])


def parts(kind: Any) -> Iterator[str]:
    """The paragraphs about a public class."""
    is_struct = issubclass(kind, msgspec.Struct)
    yield f"## `{kind.__name__}`"
    if not is_struct:
        yield _code(f"{kind.__name__}{_signature(kind)}")
    yield inspect.getdoc(kind) or ""
    if is_struct:
        texts = field_descriptions(kind)
        fields = (field for field in msgspec.structs.fields(kind) if field.name != "link")
        yield table(("field", "what it holds"), ((f"`{field.name}`", texts.get(field.name, "")) for field in fields))
    for name, member in vars(kind).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, (property, classmethod))):
            yield from _member(name, member)


def _member(name: str, member: Any) -> Iterator[str]:
    yield f"### `{name}`"
    if not isinstance(member, property):
        function = member.__func__ if isinstance(member, classmethod) else member
        yield _code(f"{'async ' if inspect.iscoroutinefunction(function) else ''}{name}{_signature(function)}")
    yield inspect.getdoc(member) or ""


def _signature(function: Any) -> str:
    """The signature as it is called: without `self`, one parameter a line where it is long."""
    signature = inspect.signature(function)
    kept = [_plain(each) for each in signature.parameters.values() if each.name not in ("self", "cls")]
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(signature.replace(parameters=kept))).removesuffix(" -> None")
    if len(text) <= _LINE:
        return text
    parts = [re.sub(r"(: )'([^']*)'", r"\1\2", str(each)) for each in kept]
    named = next((index for index, each in enumerate(kept) if each.kind is each.KEYWORD_ONLY), None)
    if named is not None:
        parts.insert(named, "*")
    return "(\n    " + ",\n    ".join(parts) + "\n)" + text[text.rindex(")") + 1 :]


class _Default(str):
    """A default that is shown as this text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter; a default that is an object is shown as if it were just made."""
    default = parameter.default
    if isinstance(default, msgspec.Struct):
        return parameter.replace(default=_Default(f"{type(default).__name__}()"))
    return parameter


def _code(text: str) -> str:
    return f"```text\n{text}\n```"
