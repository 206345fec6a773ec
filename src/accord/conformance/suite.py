"""The examination: an agent goes through all stages, and every rule gets its outcome."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from accord.conformance.asked import Asked
from accord.conformance.candidate import Candidate
from accord.conformance.orchestrator import Forged, Orchestrator, served
from accord.conformance.process import started
from accord.conformance.rules import RULES, Outcome, outcome
from accord.conformance.stages import connection, ending, joining, large, refusals, stopping, work

Bind = Callable[[], tuple[socket.socket, str]]


async def examined(asked: Asked, bind: Bind, told: Callable[[Orchestrator], None]) -> list[Outcome]:
    """What came of every rule, in order. `bind` gives a free socket and its URL; `told` hears whom to connect to.

    Raises BadInput where no agent comes that could be examined.
    """
    outcomes = await _deceived(asked, bind) if asked.command else []
    taken, url = bind()
    with taken:
        async with served(taken, url, asked) as site:
            told(site.orchestrator)
            if not asked.command:
                outcomes += await _all(Candidate(asked, site, None))
            else:
                async with started(asked.command, url, site.orchestrator.token, asked.stderr) as process:
                    outcomes += await _all(Candidate(asked, site, process))
    found = {one.name: one for one in outcomes}
    return [found.get(name) or outcome(name, "not tested", _why(asked, name)) for name in RULES]


def _why(asked: Asked, name: str) -> str:
    if name == "welcome-about" and not asked.command:
        return "because the agent was started elsewhere, and once"
    return "because an earlier rule was broken"


async def _deceived(asked: Asked, bind: Bind) -> list[Outcome]:
    """Whether the agent believes welcomes that are none: each time it is started anew, since it rightly ends then."""
    both: tuple[tuple[str, Forged], ...] = (("welcome-key", "key"), ("welcome-about", "nonce"))
    return list(await asyncio.gather(*(_forged(asked, bind, name, how) for name, how in both)))


async def _forged(asked: Asked, bind: Bind, name: str, how: Forged) -> Outcome:
    taken, url = bind()
    with taken:
        async with (
            served(taken, url, asked, how) as site,
            started(asked.command, url, site.orchestrator.token, asked.stderr) as process,
        ):
            await joining.came(site.orchestrator, process, asked.within_s)
            if not site.orchestrator.connections:
                return outcome(name, "not tested", joining.why_not(site.orchestrator, process))
            return await joining.disbelieves(name, site, asked.heartbeat_s)


async def _all(candidate: Candidate) -> list[Outcome]:
    """What came of the rules that could be looked at."""
    if await joining.joins(candidate):
        answer = await work.works(candidate)
        await work.uses_credit_up(candidate)
        await refusals.refuses(candidate)
        await stopping.stops(candidate, candidate.asked.slow_input)
        await large.uploads(candidate, candidate.asked.large_input)
        await large.fetches(candidate, answer)
        await connection.asks_again(candidate)
        await connection.leaves(candidate)
        await connection.loses(candidate)
        if candidate.process is None:
            await connection.meets_an_impostor(candidate)
        await ending.drains(candidate)
    ending.sums_up(candidate)
    return candidate.outcomes
