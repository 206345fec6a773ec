"""The file of a set of requests over tools: read strictly, and turned into what the planner works with.

The format is documented in `docs/how-to/measure-sets.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from accord.errors import BadInput, Place, Problem
from accord.planner.composition.ability import ANY, Ability, Member, kind_named
from bench.sets.files import read


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class NamedValue(_Strict, frozen=True):
    """A parameter or a result of a tool."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    type: str = ""
    description: str = ""
    required: bool = True


class Tool(_Strict, frozen=True):
    """A tool: what it is called, what it is for, what it takes and gives."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    description: str = ""
    parameters: tuple[NamedValue, ...] = ()
    results: tuple[NamedValue, ...] = ()
    takes: tuple[str, ...] = ()
    """Types that it takes, where parameters have no names: `text`, `image`."""
    gives: tuple[str, ...] = ()
    """Types that it gives, where results have no names."""


class Call(_Strict, frozen=True):
    """A call of a tool, in the right answer or in a predicted one."""

    tool: str
    id: str = ""
    """The tool's name where it is empty."""
    inputs: dict[str, Any] = {}
    """Values that are said in the request."""

    @property
    def node(self) -> str:
        return self.id or self.tool


class Arrow(_Strict, frozen=True):
    """One call feeds another one; with members where it is known which."""

    source: str = msgspec.field(name="from")
    to: str
    output: str | None = None
    input: str | None = None


class Request(_Strict, frozen=True):
    """One line: a request, and what is known of it. Or, first in the file, the catalogue of all requests."""

    id: str = ""
    said: str | msgspec.UnsetType = msgspec.field(name="request", default=msgspec.UNSET)
    """The words; they may be empty, and then nothing is asked for."""
    catalogue: tuple[Tool, ...] | None = None
    """The tools of all requests that have none of their own; alone on its line."""
    tools: tuple[Tool, ...] | None = None
    """The request's own tools."""
    steps: tuple[str, ...] | None = None
    """The tools that are called, in order, where that is known before; then only the data flow is asked for."""
    calls: tuple[Call, ...] | None = None
    """The right calls; None where there is no right answer."""
    links: tuple[Arrow, ...] = ()
    """The right links."""

    @property
    def request(self) -> str:
        """The words; none where they are not there."""
        return self.said or ""


class RequestSet(msgspec.Struct, frozen=True):
    """The file."""

    catalogue: tuple[Tool, ...]
    requests: tuple[Request, ...]

    def tools_of(self, request: Request) -> Sequence[Tool]:
        """The request's own tools, or the catalogue's."""
        return request.tools if request.tools is not None else self.catalogue


def read_set(path: Path, catalogue: Sequence[Tool] = ()) -> RequestSet:
    """The set in a file; its tools are `catalogue` where the file has none.

    Raises:
        BadInput: ACC911, with every line that is wrong, and every name of a tool, a call or a member that is unknown.
    """
    lines = read(path, Request)
    if lines and lines[0].catalogue is not None:
        catalogue, lines = lines[0].catalogue, lines[1:]
    found = RequestSet(tuple(catalogue), tuple(lines))
    hint = "docs/how-to/measure-sets.md has the format"
    BadInput.raise_if(
        [
            Problem("ACC911", f"request {one.id or number}: {what}", Place(file=str(path)), hint)
            for number, one in enumerate(lines, 1)
            for what in _problems(one, found.tools_of(one))
        ]
    )
    return found


def _problems(request: Request, several: Sequence[Tool]) -> Iterator[str]:
    if request.catalogue is not None:
        yield "the catalogue stands on the first line, alone"
        return
    if not request.id or request.said is msgspec.UNSET:
        yield "a line has an `id` and a `request`"
    tools = {tool.name: tool for tool in several}
    if not tools:
        yield "there are no tools: give it `tools`, or the file a `catalogue` on its first line"
    if len(tools) < len(several):
        yield "two tools have the same name"
    for name in (*(request.steps or ()), *(call.tool for call in request.calls or ())):
        if name not in tools:
            yield f"`{name}` is none of its tools"
    yield from _link_problems(request, tools)


def _link_problems(request: Request, tools: dict[str, Tool]) -> Iterator[str]:
    nodes = {call.node: tools.get(call.tool) for call in request.calls or ()}
    if len(nodes) < len(request.calls or ()):
        yield "two calls have the same id: give the second one an `id` such as `name#2`"
    for arrow in request.links:
        for end, member, side in ((arrow.source, arrow.output, "results"), (arrow.to, arrow.input, "parameters")):
            if end not in nodes:
                yield f"a link names `{end}`, which is no call"
            elif member is not None and (tool := nodes[end]) is not None and member not in _names(tool, side):
                yield f"a link names `{member}`, which is none of the {side} of `{end}`"


def _names(tool: Tool, side: str) -> set[str]:
    ability = ability_of(tool)
    return {member.name for member in (ability.outputs if side == "results" else ability.inputs)}


def ability_of(tool: Tool) -> Ability:
    """The tool as the planner knows capabilities."""
    return Ability(
        name=tool.name,
        description=tool.description,
        inputs=(*map(_member, tool.parameters), *_typed(tool.takes)),
        outputs=(*map(_member, tool.results), *_typed(tool.gives)),
    )


def _member(value: NamedValue) -> Member:
    return Member(
        name=value.name,
        description=value.description,
        kind=kind_named(value.type) if value.type else ANY,
        required=value.required,
    )


def _typed(types: Sequence[str]) -> Iterator[Member]:
    """A member for each type; the second one of the same type is `text_2`."""
    seen: Counter[str] = Counter()
    for name in types:
        seen[name] += 1
        yield Member(name=name if seen[name] == 1 else f"{name}_{seen[name]}", kind=kind_named(name))


def nodes_of(steps: Sequence[str]) -> list[str]:
    """An id for each call: the tool's name, the second time `name#2`."""
    seen: Counter[str] = Counter()
    nodes = []
    for name in steps:
        seen[name] += 1
        nodes.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return nodes
