"""`accord doctor` on NATS: what is wrong is found, with its way out."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import msgspec
import pytest

from accord.addresses import BusAddress, bus_address
from accord.bus.nats import NatsBus
from accord.cli.actions.doctor import examined
from accord.cli.doctor import bus
from accord.cli.doctor import nats as looks
from accord.cli.doctor.finding import Finding
from accord.cli.options import Shared
from accord.domain.agent import agent_id
from accord.errors import BusUnavailable
from accord.nats.inspection import Inspection
from accord.ports import agent_subject
from accord.testing.bus_suite import parcels
from accord.testing.nats import NatsServer, nats_server

ADDRESS = BusAddress("nats://ann:gehe!m@bus")
SEEN = Inspection(
    version="2.15.1", encrypted=False, local=False, anybody=False, round_trip_ms=0.2, jetstream=None, missing=(),
    in_memory=(), replicas=3, queued=7, dead_letters=0,
)  # fmt: skip


def found(home: Path, url: str) -> dict[str, Finding]:
    return {finding.what: finding for finding in examined(Shared(home, bus=url))}


def test_what_is_seen_of_a_server(tmp_path: Path, nats: NatsServer) -> None:
    url = f"{nats.url}/{secrets.token_hex(4)}"
    by = found(tmp_path / "home", url)
    assert str(nats.port) in by["bus"].told
    assert {what for what, finding in by.items() if finding.grade == "fail"} == set()
    assert "makes the streams" in by["JetStream"].told

    async def use() -> None:
        async with NatsBus.open(bus_address(url), "local") as bus:
            await bus.publish(parcels("a", subject=agent_subject(agent_id("local", "writer"))))

    asyncio.run(use())
    by = found(tmp_path / "home", url)
    assert by["JetStream"].told == "in files, on 1 server, 1 message in queues"
    assert by["dead letters"].grade == "ok"


def test_a_bus_that_is_not_reached(tmp_path: Path) -> None:
    (failed,) = [one for one in found(tmp_path / "home", "nats://127.0.0.1:1").values() if one.grade == "fail"]
    assert failed.what == "bus"
    assert "ACC754" in failed.told
    assert failed.hint


def test_a_server_that_takes_small_messages_only_is_refused(tmp_path: Path, nats: NatsServer) -> None:
    del nats  # says whether there can be a server
    with nats_server("max_payload: 1048576\n") as server:
        by = found(tmp_path / "home", server.url)
    assert by["bus"].grade == "fail"
    assert "ACC759" in by["bus"].told
    assert "max_payload" in by["bus"].hint


@pytest.mark.parametrize(
    ("look", "changes", "grade", "said"),
    [
        (bus._way, {}, "warn", "tls://"),
        (bus._way, {"encrypted": True}, "ok", ""),
        (bus._way, {"encrypted": True, "round_trip_ms": 20.0}, "warn", "nearer"),
        (looks._jetstream, {"jetstream": "not enabled"}, "fail", "store_dir"),
        (looks._jetstream, {"in_memory": ("accord-acme-agents",)}, "fail", "made anew"),
        (looks._jetstream, {}, "ok", ""),
        (looks._user, {"anybody": True}, "warn", "accord bus users"),
        (looks._user, {}, "ok", ""),
        (bus._dead_letters, {"dead_letters": 2}, "warn", "accord bus dead"),
    ],
)
def test_what_is_wrong_has_its_way_out(look, changes, grade, said) -> None:  # type: ignore[no-untyped-def]
    finding = look(ADDRESS, msgspec.structs.replace(SEEN, **changes))
    assert finding.grade == grade
    assert said in (finding.hint or "")
    assert "gehe!m" not in finding.told


async def test_no_password_is_told_to_a_server_without_tls() -> None:
    """Somebody in between may say that there is none."""
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.15.1","max_payload":99999999,"headers":true}\r\n')
        heard.set_result(await reader.read())
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(BusUnavailable, match="secure connection not available"):
            async with NatsBus.open(bus_address(f"tls://ann:gehe!m@127.0.0.1:{port}"), "acme"):
                pass
        assert await heard == b""
