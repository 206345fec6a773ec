"""`accord agent`: agents of this process, for an orchestrator elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from rich.text import Text

from accord.addresses import BUS_SCHEMES, BusAddress
from accord.bus.socketio import Watch
from accord.cli.children import Child, kept_running, parent_gone, until_stopped
from accord.cli.errors import DONE
from accord.cli.hosting import agents_of
from accord.cli.logs import logging_as
from accord.cli.options import Shared, named_ca
from accord.cli.output import Screen
from accord.cli.session import carry_out, ended_or_interrupted, tell_draining
from accord.credentials import read_credential
from accord.domain.delegation import LIFETIME, OF_AGENTS
from accord.domain.ids import KeyId
from accord.errors import BadInput
from accord.joining import Destination, Joined, Station, join
from accord.keys.short import delegating
from accord.otel import open_telemetry
from accord.ports import Telemetry
from accord.settings import Settings
from accord.tls import is_encrypted_or_here, wanted


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which agent, and for whom."""

    target: str
    url: str
    token: str | None = None
    trust: tuple[str, ...] = ()
    signer: Path | None = None
    drain_s: float = 30.0
    is_child: bool = False
    """Whether it is one of several, and ends with the process that has started it."""


def agent(shared: Shared, asked: Asked, instances: int) -> None:
    """Carry out `accord agent`."""

    async def work(screen: Screen) -> int:
        return await (_one(shared, asked, screen) if instances == 1 else _many(shared, asked, instances, screen))

    carry_out(shared, work, raises=True)


async def _one(shared: Shared, asked: Asked, screen: Screen) -> int:
    settings = shared.settings()
    with logging_as(settings) as level:
        async with (
            open_telemetry(settings.exports, "accord-agent", level) as telemetry,
            _joined(shared, asked, _Connections(asked.url, screen), telemetry) as joined,
        ):
            return await _working(asked, joined, screen)


async def _working(asked: Asked, joined: Sequence[Joined], screen: Screen) -> int:
    for one in joined:
        _tell(screen, one, asked.url)
    ends = [one.ended for one in joined]
    if asked.is_child:
        ends.append(asyncio.create_task(parent_gone()))
    await ended_or_interrupted(*ends)
    if not asked.is_child:
        tell_draining(screen)
    return DONE


class _Connections:
    """Tells how it is with the connections of this process's agents; they come and go together, and are told as one."""

    def __init__(self, url: str, screen: Screen) -> None:
        self._url = url
        self._screen = screen
        self._were_there = self._is_lost = False

    def lost(self, why: str) -> None:
        """Say so, unless it was said."""
        if not self._is_lost:
            said = "The connection is lost" if self._were_there else f"{self._url} does not answer"
            self._screen.note(f"{said} ({why}). Trying again until it is there; Ctrl-C gives up.", "yellow")
        self._is_lost = True

    def joined(self) -> None:
        """Say so, where it was said that there is none; the first time says itself."""
        if self._is_lost and self._were_there:
            self._screen.note(f"Connected to {self._url} again.")
        self._were_there, self._is_lost = True, False


def _joined(
    shared: Shared, asked: Asked, watch: Watch, telemetry: Telemetry | None = None
) -> AbstractAsyncContextManager[list[Joined]]:  # fmt: skip
    settings = shared.settings()
    if settings.require_tls and not is_encrypted_or_here(asked.url) and urlsplit(asked.url).scheme not in BUS_SCHEMES:
        raise BadInput(wanted(f"the server {asked.url}", "use its https URL"))
    destination = Destination(
        url=asked.url.rstrip("/"),
        bus=_bus(asked.url, settings),
        server=shared.named_server or settings.server,
        token=asked.token,
        credential=read_credential(settings.credentials),
        trusted=frozenset(map(KeyId, asked.trust)),
    )
    station = Station(
        home=settings.home,
        custody=settings.custody,
        drain_within=timedelta(seconds=asked.drain_s),
        watch=watch,
        tls=settings.tls,
        signer=asked.signer,
        # A key that a signer keeps out of this process has no delegate in it.
        delegating=delegating(settings.delegate_keys, LIFETIME, OF_AGENTS) if asked.signer is None else None,
        tracing=None if telemetry is None else telemetry.tracing,
    )
    return join(agents_of(asked.target), destination, station)


def _bus(url: str, settings: Settings) -> BusAddress | None:
    """The address of the bus, where it is one that is connected to. Raises BadInput."""
    if urlsplit(url).scheme not in BUS_SCHEMES:
        return None
    named = Shared(bus=url).settings().bus  # without a password, as everywhere on a command line
    return named.opened_by(settings.bus_password_file) if named else None


# -- several instances -------------------------------------------------------------------------------------------


async def _many(shared: Shared, asked: Asked, instances: int, screen: Screen) -> int:
    """Processes of one agent, each started again when it ends by itself; they end when this one is told to."""
    async with _joined(shared, asked, _Connections(asked.url, screen)):
        pass  # it is let in once before the others start: a token is good for one time
    child = Child(name="An instance", command=_command(shared, asked))
    return await until_stopped([kept_running(child, screen) for _ in range(instances)], screen)


def _command(shared: Shared, asked: Asked) -> list[str]:
    """The command of one instance; it is known by now and needs no token."""
    ca = named_ca.get()
    server = ["--ca", str(ca)] if ca else []
    server += ["--server", shared.named_server] if shared.named_server else []
    command = [sys.executable, "-m", "accord", *server, "agent", asked.target, "--connect", asked.url, "--child"]
    command += [part for key in asked.trust for part in ("--trust", key)]
    command += ["--signer", str(asked.signer)] if asked.signer else []
    command += ["--drain", str(asked.drain_s)]
    command += ["--home", str(shared.home)] if shared.home else []
    command += ["--json"] if shared.as_json else []
    return [*command, "--verbose"] if shared.verbose else command


def _tell(screen: Screen, one: Joined, url: str) -> None:
    agent, instance = one.worker.agent, one.worker.instance
    if screen.as_json:
        told = {"agent": agent.id, "instance": instance, "offers": list(agent.capabilities), "url": url}
        screen.write(msgspec.json.encode(told).decode() + "\n")
        return
    screen.line(Text.assemble((agent.name, "head"), f" works for {url}"))
    screen.facts(
        [("agent", agent.id), ("instance", instance.rpartition("#")[2]), ("offers", ", ".join(agent.capabilities))]
    )
    screen.note("Ctrl-C ends it once it has ended what it has begun.")
