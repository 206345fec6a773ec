"""`accord signer`: holds the keys of agents for processes of this machine."""

from __future__ import annotations

import asyncio
import grp
import logging
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
from rich.text import Text

from accord.cli.errors import DONE
from accord.cli.logs import Stderr
from accord.cli.options import Shared
from accord.cli.output import Screen
from accord.cli.session import carry_out, ended_or_interrupted
from accord.domain.agent import Capacity, agent_problems
from accord.domain.ids import KeyId
from accord.errors import BadInput, Problem
from accord.keys.opening import open_keys
from accord.machine import SystemClock
from accord.signer import Charge, Door
from accord.signer import signer as listening


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose keys, and for whom."""

    agents: tuple[str, ...]
    trust: tuple[str, ...]
    path: Path | None
    users: tuple[str, ...]
    groups: tuple[str, ...]
    lingers_h: float


def signer(shared: Shared, asked: Asked) -> None:
    """Carry out `accord signer`."""

    async def work(screen: Screen) -> int:
        settings = shared.settings()
        BadInput.raise_if(_problems(asked, settings.organisation))
        door = Door(
            path=asked.path or settings.home / "signer.sock",
            users=frozenset(_uid(name) for name in asked.users) or frozenset((os.geteuid(),)),
            groups=frozenset(_gid(name) for name in asked.groups),
        )
        charge = Charge(
            organisation=settings.organisation,
            agents=tuple(dict.fromkeys(asked.agents)),
            trust=frozenset(map(KeyId, asked.trust)),
            lingers=timedelta(hours=asked.lingers_h),
        )
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with (
            open_keys(settings.custody) as keys,
            listening(keys, charge, door, SystemClock()) as publics,
        ):
            names = dict(zip(charge.agents, (one.kid for one in publics), strict=True))
            if screen.as_json:
                screen.write(msgspec.json.encode({"socket": str(door.path), "keys": names}).decode() + "\n")
            else:
                screen.line(Text.assemble(("The signer", "head"), f" listens at {door.path}"))
                screen.facts(list(names.items()))
                screen.note("Ctrl-C ends it. Agents that run go on when it is there again.")
            with _refusals_told(shared):
                await ended_or_interrupted(asyncio.get_running_loop().create_future())
        return DONE

    carry_out(shared, work)


@contextmanager
def _refusals_told(shared: Shared) -> Iterator[None]:
    """Tell on stderr what is refused, whether or not more is to be logged."""
    stderr, refusals = Stderr(logging.WARNING), logging.getLogger("accord.signer")
    if not shared.verbose:
        refusals.addHandler(stderr)
    try:
        yield
    finally:
        refusals.removeHandler(stderr)


def _problems(asked: Asked, organisation: str) -> Iterator[Problem]:
    for name in asked.agents:
        yield from agent_problems(name, organisation, Capacity(1, 0))
    for kid in asked.trust:
        if len(kid) != 43:
            yield Problem("ACC307", f"{kid} is no key's id: it has 43 characters", hint="`accord serve` prints it")


def _uid(name: str) -> int:
    try:
        return int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid
    except KeyError:
        raise BadInput.of("ACC645", f"there is no user {name} on this machine", hint="--user NAME or UID") from None


def _gid(name: str) -> int:
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise BadInput.of("ACC645", f"there is no group {name} on this machine", hint="--group NAME or GID") from None
