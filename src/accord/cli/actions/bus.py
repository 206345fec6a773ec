"""`accord bus`: users of the bus, and what it could not deliver."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rich.text import Text

from accord.app import bus_of, open_bus
from accord.cli.errors import DONE
from accord.cli.options import Shared
from accord.cli.output import Screen, size
from accord.cli.session import carry_out
from accord.domain.ids import AGENT_ID_PATTERN, AgentId
from accord.domain.message import Claims, decode_claims
from accord.domain.signature import parse_statement
from accord.errors import BadInput, MessageRefused
from accord.ports import DeadLetter
from accord.settings import Settings


def write_users(shared: Shared, folder: Path, agents: tuple[str, ...], namespace: str | None) -> None:
    """Carry out `accord bus users`."""

    async def work(screen: Screen) -> int:
        from accord.nats.access import CONFIGURATION, Users  # noqa: PLC0415 - it needs the driver, which is an extra

        shared.here("bus users")
        settings = shared.settings()
        known = Users(folder, namespace or settings.organisation)
        made = known.add(dict(_named(one, settings) for one in agents))
        told = {
            "configuration": str(folder / CONFIGURATION),
            "made": [str(path) for path in made],
            "agents": sorted(known.agents()),
        }
        if screen.as_json:
            screen.document(told)
            return DONE
        screen.facts([("configuration", str(folder / CONFIGURATION)), ("agents", ", ".join(sorted(known.agents())))])
        for path in made:
            screen.facts([("new seed", str(path))])
        screen.note(
            "Include it in the configuration of the server, and have that read again: nats-server --signal reload"
        )
        return DONE

    carry_out(shared, work)


def _named(text: str, settings: Settings) -> tuple[AgentId, str | None]:
    name, equals, nkey = text.partition("=")
    agent = name if "/" in name else f"spiffe://{settings.organisation}/agent/{name}"
    if not re.match(AGENT_ID_PATTERN, agent):
        hint = "a name such as writer, or spiffe://ORGANISATION/agent/NAME"
        raise BadInput.of("ACC749", f"{name} is no agent", hint=hint)
    return AgentId(agent), nkey if equals else None


def list_dead(shared: Shared, limit: int) -> None:
    """Carry out `accord bus dead`."""

    async def work(screen: Screen) -> int:
        shared.here("bus dead")
        settings = shared.settings()
        if bus_of(settings) is None:
            hint = "set ACCORD_BUS, or bus in settings.toml: nats://USER@HOST"
            raise BadInput.of("ACC757", "no bus is named: messages are in the memory of a process", hint=hint)
        async with open_bus(settings) as bus:
            letters = await bus.dead_letters(limit=limit)
        if screen.as_json:
            screen.document([_document(one) for one in letters])
        elif letters:
            screen.table(("queue", "kind", "from", "run", "times", "size"), map(_row, letters))
        else:
            screen.note("There are no dead letters.")
        return DONE

    carry_out(shared, work)


def _claims(letter: DeadLetter) -> Claims | None:
    """What it says of itself: nobody has proven it."""
    try:
        return decode_claims(parse_statement(letter.message.statement).claims)
    except MessageRefused:
        return None


def _document(letter: DeadLetter) -> dict[str, Any]:
    claims = _claims(letter)
    told = {"kind": claims.kind, "from": claims.issuer, "run": claims.run, "task": claims.task} if claims else {}
    return {
        "subject": letter.subject,
        "attempts": letter.attempts,
        **told,
        "statement": letter.message.statement.decode("utf-8", "replace"),
        "payload_bytes": len(letter.message.payload),
    }


def _row(letter: DeadLetter) -> tuple[str | Text, ...]:
    claims = _claims(letter)
    said = (claims.kind, claims.issuer, claims.run or "") if claims else ("?", "?", "")
    return letter.subject, *said, str(letter.attempts), size(len(letter.message.payload))
