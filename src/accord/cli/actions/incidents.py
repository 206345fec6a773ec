"""`accord incidents`: what the gate has refused, which agents were taken out or quarantined, and what became of it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterator

import msgspec
from rich.text import Text

from accord.cli.errors import DONE
from accord.cli.finding import find_agent, find_run
from accord.cli.options import Shared
from accord.cli.output import Screen, agent_name, moment
from accord.cli.session import carry_out, opened, who
from accord.cli.tables import Column, without_year
from accord.domain.agent import agent_id
from accord.domain.ids import AgentId
from accord.domain.incident import Filed, IncidentState, Severity, Sought
from accord.domain.system import AgentQuarantined, AgentTakenOut, IncidentRecorded, IncidentsSuppressed
from accord.errors import NotFound
from accord.service import Service
from accord.views.incidents import incident_document, incident_of, incident_page

SEVERITY_STYLES = {"low": "quiet", "medium": "", "high": "yellow", "critical": "red"}
STATE_STYLES = {"open": "yellow", "acknowledged": "", "resolved": "quiet"}

SHOWN_BYTES = 400
"""So much of the payload is shown; all that is kept is in `--json`."""


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Which incidents are asked for, in the words of the command line."""

    state: IncidentState | None = None
    severity: Severity | None = None
    agent: str | None = None
    code: str | None = None
    run: str | None = None

    async def sought(self, service: Service) -> Sought:
        """The same with ids. Raises NotFound for an agent or a run that nobody knows."""
        agent = run = None
        if self.agent is not None:
            agent = await _named_agent(service, self.agent)
        if self.run is not None:
            run = await find_run(service, self.run)
        code = self.code.upper() if self.code is not None else None
        return Sought(state=self.state, severity=self.severity, agent=agent, code=code, run=run)


async def _named_agent(service: Service, text: str) -> AgentId:
    """The agent of this name or id, also one that nobody knows and that messages claim to be from. Raises NotFound."""
    try:
        return find_agent([known.card for known in await service.agents()], text)
    except NotFound:
        organisation, _, name = text.rpartition("/")
        claimed = AgentId(text) if "://" in text else agent_id(organisation or "local", name)
        if not await service.incidents(1, sought=Sought(agent=claimed)):
            raise
        return claimed


def list_incidents(shared: Shared, which: Which, limit: int, after: int | None) -> None:
    """Carry out `accord incidents list`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            page = await incident_page(service, limit, after, await which.sought(service))
        if screen.as_json:
            screen.document(page)
        elif page.incidents:
            at, run, task = Column("at", short=without_year, spare=3), Column("run", spare=2), Column("task", spare=1)
            columns = ("#", at, "severity", Column("state", spare=4), "code", "agent", run, task, "what")
            screen.table(columns, [_row(incident_of(one)) for one in page.incidents])
            if page.next is not None:
                screen.note(f"more: accord incidents list --after {page.next}")
        else:
            screen.note("Nothing was refused." if which == Which() else "There is no such incident.")
        return DONE

    carry_out(shared, work)


def _row(one: Filed) -> tuple[str | Text, ...]:
    state, severity = Text(one.state, STATE_STYLES[one.state]), Text(one.severity, SEVERITY_STYLES[one.severity])
    event = one.event
    run, task = (event.run, event.task) if isinstance(event, IncidentRecorded) else (None, None)
    at = event.since if isinstance(event, IncidentsSuppressed) else event.at
    return (
        str(one.number), moment(at), severity, state, _code(one), _about(one), run[-6:] if run else "", task or "",
        _what(one),
    )  # fmt: skip


def _code(one: Filed) -> str:
    return one.event.code if isinstance(one.event, IncidentsSuppressed) else one.event.problem.code


def _what(one: Filed) -> str:
    if isinstance(one.event, IncidentsSuppressed):
        return f"{one.event.count} more within a minute, counted only"
    return one.event.problem.message


def _about(one: Filed) -> Text:
    """The agent, with `?` where it is nothing but a claim."""
    event = one.event
    if isinstance(event, AgentTakenOut | AgentQuarantined):
        return Text(agent_name(event.agent))
    signer = event.signer if isinstance(event, IncidentRecorded) else event.claimed_agent
    about = event.claimed_agent or signer
    proven = about == signer or (isinstance(event, IncidentRecorded) and event.authentic)
    name = agent_name(about) if about else "unknown"
    return Text(name) if proven and about else Text(f"{name} ?", "yellow")


def show_incident(shared: Shared, number: int) -> None:
    """Carry out `accord incidents show`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            one = await service.incident(number)
        _show(screen, one)
        return DONE

    carry_out(shared, work)


def _show(screen: Screen, one: Filed) -> None:
    if screen.as_json:
        screen.document(incident_document(one))
        return
    screen.line(f"incident {one.number}: {_code(one)} {_what(one)}")
    screen.facts(list(_facts(one)))


def _facts(one: Filed) -> Iterator[tuple[str, str | Text]]:
    event = one.event
    yield "severity", Text(one.severity, SEVERITY_STYLES[one.severity])
    yield "state", Text(one.state, STATE_STYLES[one.state])
    yield "at", moment(event.at)
    yield "agent", _about(one)
    if isinstance(event, IncidentRecorded):
        if event.signer is not None and event.signer != event.claimed_agent:
            yield "signed by", agent_name(event.signer)
        if event.run is not None:
            yield "run", f"{event.run} {event.task or ''}".strip()
        yield "statement", event.statement
        if event.inline is not None:
            yield "payload", b64decode(event.inline)[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
    for step in one.steps:
        yield step.state, f"{moment(step.at)} by {step.by}{f': {step.note}' if step.note else ''}"


def acknowledge(shared: Shared, number: int, note: str) -> None:
    """Carry out `accord incidents acknowledge`."""
    _step(shared, lambda service: service.acknowledge(number, by=who(), note=note))


def resolve(shared: Shared, number: int, note: str) -> None:
    """Carry out `accord incidents resolve`."""
    _step(shared, lambda service: service.resolve(number, by=who(), note=note))


def _step(shared: Shared, step: Callable[[Service], Awaitable[Filed]]) -> None:
    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            _show(screen, await step(service))
        return DONE

    carry_out(shared, work)
