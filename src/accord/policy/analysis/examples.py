"""Examples that are easy to read: as much of a request as may be is replaced by familiar names, as long as it stays an
example. Whoever calls says whether it does: Cedar is asked each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from msgspec.structs import replace

from accord.domain.policy import Act, HandOff, OrchestratorFacts, Request, agent_facts

_FAMILIAR: Final = {
    "organisation": "local",
    "template": "audit",
    "tenant": "ann",
    "version": "1.0.0",
    "name": "ann",
    "role": "viewer",
}


def readable(request: Request, is_example: Callable[[Request], bool]) -> Request:
    """The example with familiar names and small sets, as far as they do not matter."""
    for change in _changes(request):
        changed = change(request)
        if is_example(changed):
            request = changed
    return request


_Change = Callable[[Request], Request]


def _changes(request: Request) -> Iterator[_Change]:
    for label in sorted(request.labels):
        yield lambda one, label=label: replace(one, labels=one.labels - {label})  # type: ignore[misc]  # bound now
    if isinstance(request, HandOff):
        for tag in sorted(request.agent.tags):
            yield lambda one, tag=tag: replace(one, agent=replace(one.agent, tags=one.agent.tags - {tag}))  # type: ignore[misc]  # as above
        yield _with("agent", "quarantined", False)
        yield lambda one: _renamed(one, "local", None)
        yield lambda one: _renamed(one, "acme", None)
        yield lambda one: _renamed(one, None, "scout")
        yield _with("capability", "name", "text.summarize")
        yield _with("capability", "version", "1.0.0")
        yield from (_with("run", name, _FAMILIAR[name]) for name in request.run.__struct_fields__)
    else:
        yield from (_with("principal", name, _FAMILIAR[name]) for name in ("role", "name", "organisation"))
        names = request.to.__struct_fields__
        known = {**_FAMILIAR, "name": "audit"} if not isinstance(request.to, OrchestratorFacts) else _FAMILIAR
        yield from (_with("to", name, known[name]) for name in names)


def _with(of: str, name: str, value: object) -> _Change:
    return lambda one: replace(one, **{of: replace(getattr(one, of), **{name: value})})


def _renamed(request: Request, organisation: str | None, name: str | None) -> Request:
    """The request of another agent."""
    assert not isinstance(request, Act)  # noqa: S101 - only hand-offs are changed so
    agent = request.agent
    id_ = f"spiffe://{organisation or agent.organisation}/agent/{name or agent.name}"
    return replace(request, agent=agent_facts(type(agent.id)(id_), agent.tags, quarantined=agent.quarantined))
