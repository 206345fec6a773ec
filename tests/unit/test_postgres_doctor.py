"""`accord doctor` and `accord store` on PostgreSQL: what is wrong is found, with its way out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from accord.cli import main
from accord.cli.actions.doctor import examined
from accord.cli.doctor import postgres as looks
from accord.cli.doctor.finding import Finding
from accord.cli.options import Shared
from accord.errors import StoreUnavailable
from accord.postgres.address import StoreAddress
from accord.postgres.inspection import Inspection, inspect
from accord.postgres.schema import Applied, History, Step
from accord.settings import Settings
from accord.testing.postgres import PostgresServer

EXPANDING = (
    *("001_store.pre", "002_replicas.pre", "003_data_keys.pre"),
    *("004_data_key_uses.pre", "005_uploads.pre", "006_run_lists.pre", "007_logs.pre", "008_rewrapping.pre"),
)
ADDRESS = StoreAddress("postgresql://ann:geheim@db/accord")


@pytest.fixture
def worker(postgres: PostgresServer, store: StoreAddress) -> Iterator[StoreAddress]:
    postgres.sql("DROP ROLE IF EXISTS doctor")
    postgres.sql("CREATE ROLE doctor LOGIN")
    yield StoreAddress(store.url.replace("postgres@", "doctor@"))
    postgres.sql("DROP OWNED BY doctor", on=store)
    postgres.sql("DROP ROLE doctor")


def found(home: Path, store: StoreAddress) -> dict[str, Finding]:
    return {finding.what: finding for finding in examined(Shared(home, store=store.url))}


def grades(home: Path, store: StoreAddress) -> dict[str, str]:
    """Of what is not right; how long the way takes is the machine's matter."""
    return {
        what: finding.grade
        for what, finding in found(home, store).items()
        if finding.grade != "ok" and what != "way to the store"
    }


def accord(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out + said.err


def test_a_database_that_cannot_be_looked_at_is_told_of_as_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(settings: Settings) -> None:
        raise StoreUnavailable.of("ACC560", "a store on PostgreSQL needs asyncpg, which is not installed")

    monkeypatch.setattr(looks, "postgres", refuse)
    assert grades(tmp_path / "home", StoreAddress("postgresql://ann@db/accord")) == {"store": "fail"}


def test_a_store_from_nothing_to_healthy(
    tmp_path: Path, postgres: PostgresServer, worker: StoreAddress, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = postgres.create()
    home, mine = tmp_path / "home", StoreAddress(empty.url.replace("postgres@", "doctor@"))
    assert grades(home, mine) == {"schema": "fail"}
    assert accord("store", "migrate", "--store", empty.url, capsys=capsys) == (
        0,
        "".join(f"applied {name}\n" for name in EXPANDING),
    )
    assert accord("store", "migrate", "--store", empty.url, capsys=capsys) == (0, "the schema is of this version\n")
    assert grades(home, mine) == {"store": "fail"}
    assert "accord store grant" in found(home, mine)["store"].hint
    assert accord("store", "grant", "doctor", "--store", empty.url, capsys=capsys)[0] == 0
    assert grades(home, mine) == {}
    assert found(home, mine)["chains"].grade == "ok"
    assert grades(home, empty) == {"role": "warn"}
    postgres.drop(empty)


def test_json_of_the_commands(store: StoreAddress, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = accord("store", "migrate", "--finish", "--json", "--store", store.url, capsys=capsys)
    assert (code, json.loads(said)) == (0, {"applied": [], "left": []})
    code, said = accord("store", "grant", "nobody_there", "--json", "--store", store.url, capsys=capsys)
    assert (code, json.loads(said)["problems"][0]["code"]) == (2, "ACC581")


def test_a_store_that_is_not_reached(tmp_path: Path) -> None:
    by = found(tmp_path / "home", StoreAddress("postgresql://ann@127.0.0.1:1/accord"))
    (failed,) = [finding for finding in by.values() if finding.grade == "fail"]
    assert "ACC561" in failed.told
    assert failed.hint
    assert "chains" not in by


def test_no_database_no_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = accord("store", "migrate", "--home", str(tmp_path), capsys=capsys)
    assert code == 2
    assert "ACC584" in said


async def test_what_is_seen(store: StoreAddress) -> None:
    seen = await inspect(store)
    assert (seen.major, seen.role, seen.local, seen.encrypted) == (18, "postgres", True, False)
    assert seen.settings == {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    assert seen.changes_events
    assert not seen.history.pending


HEALTHY = Inspection(
    version="18.4", major=18, settings={"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"},
    encrypted=True, local=False, role="app", changes_events=False, may_migrate=False,
    history=History((), ()), ahead_s=0.001, round_trip_ms=0.3, commit_ms=2.0, connections=7, connections_max=100,
    size_bytes=1,
)  # fmt: skip
PENDING = History((), (Step(2, "post", "002_x", ""),))


@pytest.mark.parametrize(
    ("look", "changes", "grade"),
    [
        (looks._server, {}, "ok"),
        (looks._server, {"major": 13}, "fail"),
        (looks._way, {}, "ok"),
        (looks._way, {"encrypted": False}, "warn"),
        (looks._way, {"encrypted": False, "local": True}, "ok"),
        (looks._way, {"round_trip_ms": 80.0}, "warn"),
        (looks._durability, {}, "ok"),
        (looks._durability, {"settings": {**HEALTHY.settings, "fsync": "off"}}, "fail"),
        (looks._durability, {"settings": {**HEALTHY.settings, "full_page_writes": "off"}}, "fail"),
        (looks._durability, {"commit_ms": 90.0}, "warn"),
        (looks._clock, {}, "ok"),
        (looks._clock, {"ahead_s": -1.0}, "warn"),
        (looks._clock, {"ahead_s": 10.0}, "fail"),
        (looks._connections, {}, "ok"),
        (looks._connections, {"connections": 95}, "warn"),
        (looks._schema, {"history": PENDING, "may_migrate": True}, "ok"),
        (looks._schema, {"history": PENDING}, "fail"),
    ],
)
def test_each_grade(look: object, changes: dict[str, object], grade: str) -> None:
    finding = look(ADDRESS, msgspec.structs.replace(HEALTHY, **changes))  # type: ignore[operator]  # one of the looks
    assert finding.grade == grade
    assert finding.grade == "ok" or finding.hint
    assert "geheim" not in finding.told


def test_what_was_put_off_is_told() -> None:
    put_off = History((Applied(1, "pre", "001_store", ""),), PENDING.pending)
    finding = looks._schema(ADDRESS, msgspec.structs.replace(HEALTHY, history=put_off))
    assert finding.grade == "warn"
    assert "--finish" in finding.hint
