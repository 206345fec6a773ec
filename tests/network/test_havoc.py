"""Three servers on one PostgreSQL and one bus, and agents, all of which are killed, stopped and started again, servers
of others as well. Every run ends with exactly the effects that it has to have.

`ACCORD_TEST_HAVOC_S` is how many seconds it lasts: from 60 on with ten agents. `ACCORD_TEST_HAVOC_SEED` decides what is
done; where nothing is said, something to each kind of process, once. `ACCORD_TEST_HAVOC_BUS` is `nats`, `redis` or both
(`nats,redis`). `ACCORD_TEST_PLAIN=1` takes the times of a server as it is. What was done, and when, is in `faults.log`
of the test's folder, what came of it in `summary.json`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from accord.postgres.address import StoreAddress
from accord.testing.nats import nats_server
from accord.testing.postgres import PostgresServer
from accord.testing.redis import redis_server

from .faults import Size
from .havoc import BusServer, Havoc, Place
from .processes import ACCORD, SHORT

LASTS_S = float(os.environ.get("ACCORD_TEST_HAVOC_S", "4"))
SEED = int(os.environ.get("ACCORD_TEST_HAVOC_SEED", "19029"))
KINDS = os.environ.get("ACCORD_TEST_HAVOC_BUS", "nats").split(",")
PLAIN = bool(os.environ.get("ACCORD_TEST_PLAIN"))
STILL_S = (1, 5, 15, 25) if PLAIN else (0.5, 1, 3, 6)
"""For a lease on partitions of 10 s, or of 1.5 s."""

SIZE = (
    Size(instances=10, runs_at_once=8, lasts_s=LASTS_S, gap_s=2.5, still_s=STILL_S, ends_within_s=180)
    if LASTS_S >= 60
    else Size(instances=3, runs_at_once=3, lasts_s=LASTS_S, gap_s=0.6, still_s=(0.5, 2), ends_within_s=60)
)


@contextmanager
def serving(kind: str) -> Iterator[tuple[BusServer, str]]:
    """A server of our own, since it is killed, and its address."""
    if kind == "nats":
        with nats_server() as nats:
            yield nats, nats.url
    else:
        with redis_server() as redis:
            yield redis, redis.address.url


@pytest.mark.timeout(LASTS_S + 600)
@pytest.mark.parametrize("kind", KINDS)
async def test_every_run_has_exactly_its_effects(
    tmp_path: Path, postgres: PostgresServer, store: StoreAddress, request: pytest.FixtureRequest, kind: str
) -> None:
    request.getfixturevalue(kind)  # skips where there is none
    with serving(kind) as (bus, url):
        place = Place(tmp_path, postgres, store, bus, url, ACCORD if PLAIN else SHORT)
        async with Havoc.open(place, SEED, SIZE) as havoc:
            try:
                await havoc.play()
                await havoc.leave()
                problems = await havoc.judge()
            except BaseException as error:
                error.add_note("\n".join(["what was done:", *havoc.log, *havoc.problems]))
                raise
            finally:
                (tmp_path / "summary.json").write_text(json.dumps(havoc.summary(), indent=2))
            assert problems == [], "\n".join(["what was done:", *havoc.log])
