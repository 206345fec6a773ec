"""`accord incidents`: what the gate has refused, and which agents were taken out."""

from __future__ import annotations

from rich.text import Text

from accord.cli.errors import DONE
from accord.cli.options import Shared
from accord.cli.output import Screen, agent_name, moment
from accord.cli.session import carry_out, opened
from accord.cli.tables import Column, without_year
from accord.domain.system import AgentTakenOut, Incident, IncidentsSuppressed
from accord.views.incidents import incident_of, incident_page


def list_incidents(shared: Shared, limit: int, after: int | None) -> None:
    """Carry out `accord incidents list`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            page = await incident_page(service, limit, after)
        if screen.as_json:
            screen.document(page)
        elif page.incidents:
            at, run, task = Column("at", short=without_year, spare=3), Column("run", spare=2), Column("task", spare=1)
            columns = ("#", at, "code", "agent", run, task, "what")
            screen.table(columns, [_row(*incident_of(one)) for one in page.incidents])
            if page.next is not None:
                screen.note(f"more: accord incidents list --after {page.next}")
        else:
            screen.note("Nothing was refused.")
        return DONE

    carry_out(shared, work)


def _row(number: int, event: Incident) -> tuple[str | Text, ...]:
    if isinstance(event, IncidentsSuppressed):
        sender = agent_name(event.claimed_agent) if event.claimed_agent else Text("unknown ?", "yellow")
        what = f"{event.count} more within a minute, counted only"
        return str(number), moment(event.since), event.code, sender, "", "", what
    if isinstance(event, AgentTakenOut):
        name = agent_name(event.agent)
        return str(number), moment(event.at), event.problem.code, name, "", "", event.problem.message
    name = agent_name(event.claimed_agent) if event.claimed_agent else "unknown"
    agent = Text(name) if event.authentic else Text(f"{name} ?", "yellow")
    run = event.run[-6:] if event.run else ""
    return str(number), moment(event.at), event.problem.code, agent, run, event.task or "", event.problem.message
