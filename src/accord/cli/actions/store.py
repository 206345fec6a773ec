"""`accord store`: what the owner of a database does to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from accord.app import database_of
from accord.cli.errors import DONE
from accord.cli.options import Shared
from accord.cli.output import Screen
from accord.cli.session import carry_out
from accord.postgres.address import StoreAddress
from accord.postgres.database import opened_once
from accord.postgres.schema import Connection, Step, grant, history, migrate, steps


def migrate_store(shared: Shared, *, finish: bool) -> None:
    """Carry out `accord store migrate`."""

    async def work(screen: Screen) -> int:
        async with _opened(shared) as (connection, address):
            done = await migrate(connection, address, steps(), finish=finish)
            left = (await history(connection, address, steps())).pending
        _tell(screen, done, left)
        return DONE

    carry_out(shared, work)


def grant_store(shared: Shared, role: str) -> None:
    """Carry out `accord store grant`."""

    async def work(screen: Screen) -> int:
        async with _opened(shared) as (connection, _):
            await grant(connection, role)
        if screen.as_json:
            screen.document({"role": role})
        else:
            screen.line(f"{role} may work with the store, now and after later migrations")
        return DONE

    carry_out(shared, work)


@asynccontextmanager
async def _opened(shared: Shared) -> AsyncIterator[tuple[Connection, StoreAddress]]:
    shared.here("store")
    address = database_of(shared.settings())
    async with opened_once(address) as connection:
        yield connection, address


def _tell(screen: Screen, done: list[Step], left: tuple[Step, ...]) -> None:
    if screen.as_json:
        screen.document({"applied": [_name(step) for step in done], "left": [_name(step) for step in left]})
        return
    for step in done:
        screen.line(f"applied {_name(step)}")
    if not done:
        screen.line("the schema is of this version")
    if left:
        names = ", ".join(map(_name, left))
        screen.line(f"left for when no process of an older version runs: {names}")
        screen.line("then: accord store migrate --finish", "hint")


def _name(step: Step) -> str:
    return f"{step.name}.{step.phase}"
