"""`accord doctor`: what is wrong is found, each thing by itself, with its way out; what is right is left as it is."""

from __future__ import annotations

import asyncio
import socketserver
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from accord.app import open_node, open_stores
from accord.cli.actions.doctor import doctor, examined
from accord.cli.doctor import store
from accord.cli.doctor.finding import Finding
from accord.cli.options import Shared
from accord.domain.ids import Digest
from accord.keys.file import WRAPPING
from accord.planner import sentences
from accord.ports import BlobStore, Head, Journal
from accord.settings import Settings
from accord.testing.journal_values import claimed, letter_to, run_append, summary_of

NOT_THERE = sha256(b"not there").hexdigest()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which a node has been open."""

    async def open_and_close() -> None:
        async with open_node(Settings(home=tmp_path / "home")):
            pass

    asyncio.run(open_and_close())
    return tmp_path / "home"


def found(home: Path, *agents: str) -> dict[str, list[Finding]]:
    """What is not right, by what it is about."""
    by: dict[str, list[Finding]] = {}
    for finding in examined(Shared(home, agents=agents)):
        if finding.grade != "ok":
            assert finding.hint or finding.grade == "fail", finding
            by.setdefault(finding.what, []).append(finding)
    return by


def in_store(home: Path, work: Callable[[Journal, BlobStore], Awaitable[None]]) -> None:
    async def do() -> None:
        async with open_stores(Settings(home=home)) as (journal, blobs):
            await work(journal, blobs)

    asyncio.run(do())


def change(home: Path, *statements: str) -> None:
    """Change the journal from outside, past its triggers."""
    with closing(sqlite3.connect(home / "journal.db")) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for statement in [*(f"DROP TRIGGER {name}" for (name,) in names), *statements]:
            connection.execute(statement)
        connection.commit()


async def a_run(journal: Journal, *events: bytes, updated_at: datetime | None = None) -> None:
    summary = summary_of(1, updated_at=updated_at or datetime.now(UTC))
    await journal.append([run_append(await claimed(journal), summary, Head(), *events)])


def test_a_healthy_home_is_left_as_it_is(home: Path) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and "journal" not in path.name}
    assert found(home) == {}
    assert {path: path.read_bytes() for path in before} == before


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert found(tmp_path / "none") == {}
    assert not (tmp_path / "none").exists()


def test_all_settings_that_are_wrong_are_told(home: Path) -> None:
    (home / "settings.toml").write_text("keep_dyas = 3\nmax_runs = 0\n")
    told = found(home)["settings"]
    assert [finding.told.partition("ACC")[2][:3] for finding in told] == ["901", "902"]
    assert "keep_days" in told[0].hint


def test_a_passphrase_that_is_gone(home: Path) -> None:
    (home / "passphrase").unlink()
    told = found(home)
    assert "is gone" in told["passphrase"][0].told
    assert told["keys"][0].grade == "fail"
    assert not (home / "passphrase").exists(), "a new one would open nothing"


def test_a_journal_of_a_newer_version(home: Path) -> None:
    change(home, "INSERT INTO migrations VALUES (99, '099_new.sql', 'x')")
    [told] = found(home)["schema"]
    assert (told.grade, "newer" in told.hint) == ("fail", True)


def test_a_journal_that_nobody_can_write(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "WRITER_WAITS_S", 0.01)
    with closing(sqlite3.connect(home / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        [told] = found(home)["writing"]
    assert (told.grade, "lsof" in told.hint) == ("fail", True)
    assert found(home) == {}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET data = CAST(replace(CAST(data AS TEXT), 'one', 'two') AS BLOB)",
        "DELETE FROM events WHERE sequence = 2",
        "DELETE FROM events WHERE sequence = 1",
    ],
)
@pytest.mark.abuse(
    "ASI06", at="store", stride="tampering", case="a chain of events that does not hold is found at the next look"
)
def test_a_chain_that_does_not_hold(home: Path, statement: str) -> None:
    async def work(journal: Journal, _: BlobStore) -> None:
        await a_run(journal, b'"one"', b'"more"')

    in_store(home, work)
    assert "chains" not in found(home)
    change(home, statement)
    [told] = found(home)["chains"]
    assert "ACC526" in told.told


@pytest.mark.parametrize("damage", ["nothing", "gone", "other bytes"])
def test_blobs_are_read(home: Path, damage: str) -> None:
    data = b"x" * 20_000

    async def work(journal: Journal, blobs: BlobStore) -> None:
        digest = await blobs.put(data)
        await a_run(journal, b'{"output":{"sha256":"%s","len":20000}}' % digest.encode())

    in_store(home, work)
    place = next(path for path in (home / "blobs").rglob("*") if len(path.name) == 64)
    if damage == "gone":
        place.unlink()
    elif damage == "other bytes":
        place.write_bytes(b"y" * 20_000)
    assert ("blobs" in found(home)) == (damage != "nothing")


def test_what_nobody_deals_with(home: Path) -> None:
    async def work(journal: Journal, _: BlobStore) -> None:
        await a_run(journal, b"{}")
        await journal.post(letter_to(3, "one"))

    in_store(home, work)
    told = found(home)
    assert set(told) == {"left runs", "commands"}
    assert "accord runs resume run_" in told["left runs"][0].hint


def test_commands_that_are_told_find_this_home(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def work(journal: Journal, _: BlobStore) -> None:
        await a_run(journal, b"{}")

    doctor(Shared(home))
    assert "these commands need" not in capsys.readouterr().err, "none was told"
    in_store(home, work)
    doctor(Shared(home))
    assert f"these commands need --home {home}." in capsys.readouterr().err


def test_an_owner_that_lets_its_runs_wait(home: Path) -> None:
    async def work(journal: Journal, _: BlobStore) -> None:
        await a_run(journal, b"{}")
        await journal.claim("busy", partition=3, now=datetime.now(UTC), ttl=timedelta(hours=1))

    in_store(home, work)
    assert set(found(home)) == {"wake-ups"}


@pytest.mark.parametrize(("owned", "told"), [(1, set()), (2, {"replicas"})])
def test_replicas_that_do_not_share_evenly(home: Path, owned: int, told: set[str]) -> None:
    async def work(journal: Journal, _: BlobStore) -> None:
        now, hour = datetime.now(UTC), timedelta(hours=1)
        for name in ("one", "two"):
            await journal.attend(name, now=now, ttl=hour)
        for partition in range(owned):
            await journal.claim("one", partition=partition, now=now, ttl=hour)

    in_store(home, work)
    problems = found(home)
    assert set(problems) == told
    assert all(finding.told == "one has 2, two has 0" for findings in problems.values() for finding in findings)


def test_a_clock_that_was_set_back(home: Path) -> None:
    async def work(journal: Journal, _: BlobStore) -> None:
        await a_run(journal, b"{}", updated_at=datetime.now(UTC) + timedelta(hours=1))

    in_store(home, work)
    assert [finding.grade for finding in found(home)["clock"]] == ["fail"]


def test_agents_that_cannot_be_loaded_and_settings_about_nobody(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def (:\n")
    assert [finding.grade for finding in found(home, str(tmp_path / "bad.py"))["agents"]] == ["fail"]
    (home / "settings.toml").write_text('system_agents = ["spiffe://local/agent/nobody"]\n')
    [told] = found(home)["system agents"]
    assert "nobody knows spiffe://local/agent/nobody" in told.told


def test_findings_are_json(home: Path) -> None:
    assert msgspec.json.encode(list(examined(Shared(home))))


def test_faulty_policies_are_told_and_the_rest_is_looked_at(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = {finding.what: finding.told for finding in examined(Shared(home))}
    assert healthy["policies"].startswith("the set that ships with Accord: 6 policies, ")
    file = home / "mine.cedar"
    file.write_text('@id("a") permit (principal, action);')
    monkeypatch.setenv("ACCORD_POLICIES", str(file))
    told = {finding.what: finding for finding in examined(Shared(home))}
    assert (told["policies"].grade, "ACC671" in told["policies"].told) == ("fail", True)
    assert told.keys() == healthy.keys(), "the other checks go on"
    file.write_text('@id("a") permit (principal, action, resource);')
    told = {finding.what: finding for finding in examined(Shared(home))}
    assert (told["policies"].grade, f"{file}: 1 policy" in told["policies"].told) == ("ok", True)


class NoRedis(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_bus_that_speaks_no_redis_is_told_and_the_rest_is_looked_at(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = {finding.what for finding in examined(Shared(home))}
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), NoRedis) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        monkeypatch.setenv("ACCORD_BUS", f"redis://127.0.0.1:{server.server_address[1]}")
        told = list(examined(Shared(home)))
        server.shutdown()
    assert [finding.what for finding in told if finding.grade == "fail"] == ["bus"]
    assert {finding.what for finding in told} == healthy | {"bus"}


def test_the_key_that_wraps_is_tried_where_runs_are_encrypted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapping = home / "keys" / WRAPPING
    assert "keys" not in found(home)
    assert not wrapping.exists(), "nothing is made that nobody wants"
    monkeypatch.setenv("ACCORD_ENCRYPT_PAYLOADS", "true")
    assert "keys" not in found(home)
    wrapping.write_bytes(wrapping.read_bytes()[:-1])
    (finding,) = found(home)["keys"]
    assert (finding.grade, "ACC619" in finding.told) == ("fail", True)


def test_a_file_that_the_planner_refuses_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "planner" not in found(home)
    monkeypatch.setattr(sentences, "MODEL", sentences.MODEL._replace(digest=Digest("0" * 64)))
    (refused,) = found(home)["planner"]
    assert (refused.grade, sentences.MODEL.file in refused.told) == ("warn", True)
