"""Finding what a name on the command line means: runs, agents, times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from accord.cli.errors import usage
from accord.cli.output import agent_name
from accord.domain.agent import AgentCard
from accord.domain.duration import parse_duration, parse_moment
from accord.domain.ids import AgentId, RunId
from accord.errors import BadInput, NotFound
from accord.ports import RunQuery
from accord.service import Service

SHORTEST = 4
"""Characters of an id's beginning or end that are enough to look for it."""

_SEARCHED = 2000
_PAGE = 50


async def find_run(service: Service, text: str) -> RunId:
    """The run that an id, the beginning or the end of one, or `last` means: the newest that is no part of another.

    Raises:
        NotFound: ACC409, there is none.
        BadInput: ACC915, there are several.
    """
    if text == "last":
        return await _newest(service)
    if await service.summary(RunId(text)) is not None:
        return RunId(text)
    found = await _like(service, text)
    if not found:
        hint = "accord runs list shows them" if len(text) >= SHORTEST else f"give {SHORTEST} characters or more"
        raise NotFound.of("ACC409", f"there is no run {text}", hint=hint)
    if len(found) > 1:
        shown = ", ".join(found[:4]) + (", …" if len(found) > 4 else "")
        raise BadInput.of("ACC915", f"{len(found)} runs are called like {text}: {shown}", hint="give more of the id")
    return found[0]


async def _newest(service: Service) -> RunId:
    page = await service.runs(RunQuery(limit=_PAGE))
    while page:
        for one in page:
            if one.parent is None:
                return one.run
        page = await service.runs(RunQuery(limit=_PAGE, after=page[-1].run))
    raise NotFound.of("ACC409", "there are no runs yet", hint="accord run --help shows how to start one")


async def _like(service: Service, text: str) -> list[RunId]:
    if len(text) < SHORTEST or any(letter.isspace() for letter in text):
        return []
    named = await service.runs(RunQuery(text=text, limit=_SEARCHED))
    return [one.run for one in named if one.run.startswith((text, f"run_{text}")) or one.run.endswith(text)]


def find_agent(cards: Sequence[AgentCard], text: str) -> AgentId:
    """The agent of this name or id. Raises NotFound."""
    for card in cards:
        if text in (card.agent, agent_name(card.agent)):
            return card.agent
    names = [agent_name(card.agent) for card in cards]
    close = get_close_matches(text, names, n=1)
    hint = f"did you mean {close[0]}?" if close else "accord agents list shows them"
    raise NotFound.of("ACC735", f"there is no agent {text}", hint=hint)


def read_lifetime(text: str | None) -> timedelta | None:
    """How long a key may sign, as `--expires` says; None where nothing was said. Raises BadInput ACC911."""
    length = parse_duration(text) if text is not None else None
    if text is not None and length is None:
        raise usage("ACC911", f"--expires {text}: this is no duration", "for example 12h, 90d")
    return length


def read_moment(text: str, option: str) -> datetime:
    """A time, or how long ago, that an option was given: `2h`, `2026-11-23T09:00:00Z`. Raises BadInput ACC911."""
    ago = parse_duration(text)
    if ago is not None:
        return datetime.now(UTC) - ago
    moment = parse_moment(text)
    if moment is None:
        raise usage("ACC911", f"{option} {text}: this is no time", "for example 30m, 2h, 7d, or 2026-11-23T09:00:00Z")
    return moment
