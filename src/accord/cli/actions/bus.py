"""`accord bus`: users of the bus, and what it could not deliver."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from accord.addresses import BusKind, bus_address
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


class Written(msgspec.Struct, frozen=True):
    """Users that were written for a server."""

    configuration: Path
    agents: list[AgentId]
    made: list[Path]
    secret: str
    """What the new files hold."""
    hint: str


class Asked(msgspec.Struct, frozen=True):
    """For which users."""

    kind: BusKind
    folder: Path
    agents: tuple[str, ...]
    namespace: str | None


def write_users(shared: Shared, asked: Asked) -> None:
    """Carry out `accord bus users`."""

    async def work(screen: Screen) -> int:
        shared.here("bus users")
        settings = shared.settings()
        agents = dict(_named(one, settings) for one in asked.agents)
        write = {"nats": _of_nats, "redis": _of_redis}[asked.kind]
        _tell(screen, write(asked.folder, asked.namespace or settings.organisation, agents))
        return DONE

    carry_out(shared, work)


def _of_nats(folder: Path, namespace: str, agents: Mapping[AgentId, str | None]) -> Written:
    from accord.nats.access import CONFIGURATION, Users  # noqa: PLC0415 - it needs the driver, which is an extra

    known = Users(folder, namespace)
    made = known.add(agents)
    hint = "Include it in the configuration of the server, and have that read again: nats-server --signal reload"
    return Written(folder / CONFIGURATION, sorted(known.agents()), made, "new seed", hint)


def _of_redis(folder: Path, namespace: str, agents: Mapping[AgentId, str | None]) -> Written:
    from accord.redis.access import ACL, Users  # noqa: PLC0415 - as it is for NATS

    bus_address(f"redis://localhost?namespace={namespace}")
    if any(agents.values()):
        raise BadInput.of("ACC749", "nkeys are for NATS", hint="for Redis, an agent proves itself with a password")
    known = Users(folder, namespace)
    made = known.add(agents)
    hint = "It is for the server's aclfile: Redis 7 or newer, or Valkey. Have it read again: redis-cli ACL LOAD"
    return Written(folder / ACL, known.agents(), made, "new password", hint)


def _tell(screen: Screen, written: Written) -> None:
    if screen.as_json:
        made = [str(path) for path in written.made]
        screen.document({"configuration": str(written.configuration), "made": made, "agents": written.agents})
        return
    screen.facts([("configuration", str(written.configuration)), ("agents", ", ".join(written.agents))])
    for path in written.made:
        screen.facts([(written.secret, str(path))])
    screen.note(written.hint)


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
