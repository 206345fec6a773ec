"""TLS on every way: who shows no certificate, one of another authority or one for another name is told so."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from accord.addresses import bus_address
from accord.app import open_node
from accord.bus.nats import NatsBus
from accord.bus.redis import RedisBus
from accord.client.client import Client
from accord.client.patience import Patience
from accord.custody import Custody
from accord.errors import BadInput, BusUnavailable, StoreUnavailable
from accord.gateway.application import create_application
from accord.gateway.certificate import Certificate
from accord.gateway.server import Address, bound, serving, url_of
from accord.joining import Destination, Station, join
from accord.ports import Carrier
from accord.postgres.address import StoreAddress
from accord.postgres.database import Database
from accord.settings import Settings, read_settings
from accord.testing.certificates import Authority
from accord.testing.nats import nats_server
from accord.testing.postgres import PostgresServer, postgres_server
from accord.testing.redis import programs, redis_server
from accord.tls import TlsFiles

from .conftest import LOCAL, Site
from .test_joining import Greeter

ONCE = Patience(attempts=1)
HERE = "127.0.0.1"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "stranger")


# -- the gateway -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def served(home: Path, shown: TlsFiles, clients: Path | None = None) -> AsyncIterator[Site]:
    address = Address(port=0, tls_cert=shown.cert, tls_key=shown.key, tls_clients=clients)
    address.check()
    with bound(address) as taken:
        async with (
            open_node(Settings(home=home)) as node,
            create_application(node, options=LOCAL) as gateway,
            serving(gateway, address, taken, timedelta(seconds=1)),
        ):
            yield Site(node, gateway, url_of(address, taken))


async def asked(site: Site, tls: TlsFiles, key: str, url: str = "") -> str:
    """What comes of asking a server: that it answers, or what is told."""
    try:
        async with Client(url or site.url, key, patience=ONCE, tls=tls) as client:
            await client.service().holds()
    except StoreUnavailable as error:
        return str(error)
    return "it answers"


async def test_a_client_believes_the_authority_it_is_given_and_shows_its_own_certificate(
    tmp_path: Path, authority: Authority, stranger: Authority
) -> None:
    ours, theirs = authority.issue("client"), stranger.issue("other-client")
    async with served(tmp_path / "home", authority.issue("server", HERE), clients=authority.ca) as site:
        key = (await site.node.issue_api_key("me", "admin", by="test")).text
        assert await asked(site, ours, key) == "it answers"
        assert "of nobody whom we believe" in await asked(site, msgspec.structs.replace(ours, ca=stranger.ca), key)
        assert "may want a certificate" in await asked(site, TlsFiles(authority.ca), key)
        assert "may want a certificate" in await asked(site, msgspec.structs.replace(theirs, ca=authority.ca), key)
        elsewhere = site.url.replace(HERE, "localhost")
        assert "another name" in await asked(site, ours, key, elsewhere)


async def test_whoever_speaks_plainly_to_tls_or_tls_to_a_plain_port_is_told_so(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path / "home", authority.issue("server", HERE)) as site:
        told = await asked(site, TlsFiles(authority.ca), "key", site.url.replace("https", "http"))
        assert f"where it serves TLS, its URL is {site.url}" in told
        assert "this is TLS: the URL begins with https" in caplog.text
    async with served(tmp_path / "home", TlsFiles()) as site:
        encrypted = site.url.replace("http", "https")
        told = await asked(site, TlsFiles(authority.ca), "key", encrypted)
        assert "does not speak TLS" in told
        assert f"where it serves without TLS, its URL is {site.url}" in told


def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong_with_it(tmp_path: Path, authority: Authority) -> None:
    ours, other = authority.issue("ours"), authority.issue("other")
    assert ours.key is not None
    locked = tmp_path / "locked.pem"
    secret = load_pem_private_key(ours.key.read_bytes(), None)
    locked.write_bytes(
        secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a passphrase"))
    )
    wrong = {
        "No such file": msgspec.structs.replace(ours, key=tmp_path / "none.pem"),
        "the key is another certificate's": msgspec.structs.replace(ours, key=other.key),
        "the key has a passphrase": msgspec.structs.replace(ours, key=locked),
        "certificates of those who are believed": TlsFiles(ours.key),
    }
    for words, files in wrong.items():
        with pytest.raises(BadInput, match="ACC860") as refused:
            files.context()
        assert words in str(refused.value)
    with pytest.raises(BadInput, match=re.escape(str(tmp_path / "none.pem"))):
        wrong["No such file"].context()


async def test_an_agent_joins_over_tls_with_a_certificate_and_not_without(
    tmp_path: Path, authority: Authority
) -> None:  # fmt: skip
    ours = authority.issue("agent")
    async with served(tmp_path / "home", authority.issue("server", HERE), clients=authority.ca) as site:
        custody = Custody(files=tmp_path / "a/keys", passphrase=tmp_path / "a/passphrase")
        station = Station(home=tmp_path / "a", custody=custody, tls=ours)
        destination = Destination(url=site.url, token=await site.token("hello"))
        async with join([Greeter().agent], destination, station):
            await site.node.present(Greeter().agent.id)
        told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        class Watch:
            def lost(self, why: str) -> None:
                told.done() or told.set_result(why)

            def joined(self) -> None:
                raise AssertionError("it has shown no certificate")

        bare = msgspec.structs.replace(station, tls=TlsFiles(authority.ca), watch=Watch())

        async def try_it() -> None:
            async with join([Greeter().agent], destination, bare):
                pass

        trying = asyncio.create_task(try_it())
        await asyncio.wait({told, trying}, return_when=asyncio.FIRST_COMPLETED)
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)
        assert told.done()


async def test_a_new_certificate_is_shown_without_a_restart(tmp_path: Path, authority: Authority) -> None:
    files = authority.issue("server", HERE)
    certificate = Certificate(Address(tls_cert=files.cert, tls_key=files.key))

    async def gone(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def serial(port: int) -> int:
        _, writer = await asyncio.open_connection(HERE, port, ssl=TlsFiles(authority.ca).context())
        found = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        return int(found, 16)

    server = await asyncio.start_server(gone, HERE, 0, ssl=certificate.context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        first = await serial(port)
        assert not certificate.refresh()
        authority.issue("server", HERE)
        assert certificate.refresh()
        second = await serial(port)
        assert second != first
        assert files.key is not None
        files.key.write_text("half of a key")
        assert not certificate.refresh()
        assert await serial(port) == second


def test_what_cannot_be_used_is_told(tmp_path: Path, authority: Authority) -> None:
    files = authority.issue("server", HERE)
    no_tls = Address(host="0.0.0.0", insecure_http=True, require_tls=True)  # noqa: S104 - it is refused
    with pytest.raises(BadInput, match="ACC861"):
        no_tls.check()
    with pytest.raises(BadInput, match="ACC963"):
        Address(tls_clients=authority.ca).check()
    with pytest.raises(BadInput, match="ACC962"):
        Address(tls_cert=files.cert, tls_key=files.key, tls_clients=tmp_path / "none").check()
    for wrong in (TlsFiles(tmp_path / "none"), TlsFiles(key=files.key), TlsFiles(cert=files.key)):
        with pytest.raises(BadInput, match="ACC860"):
            wrong.context()


@pytest.mark.parametrize(
    "given",
    [
        {"store": "postgresql://a@db.example.org/accord"},
        {"store": "postgresql://a@db.example.org/accord?sslmode=require"},
        {"bus": "nats://bus.example.org"},
        {"bus": "redis://10.0.0.1"},
        {"server": "http://accord.example.org"},
    ],
)
@pytest.mark.abuse(
    "ASI07",
    at="peers",
    stride="information disclosure",
    case="a way without TLS where it is required",
    codes=("ACC861",),
)
def test_nothing_leaves_this_machine_without_tls_where_it_is_required(tmp_path: Path, given: dict[str, str]) -> None:
    environment = {f"ACCORD_{name.upper()}": value for name, value in given.items()}
    assert read_settings(environment, home=tmp_path)
    with pytest.raises(BadInput, match="ACC861"):
        read_settings({**environment, "ACCORD_REQUIRE_TLS": "true"}, home=tmp_path)


@pytest.mark.parametrize(
    "given",
    [
        {"store": "postgresql://a@/accord?host=/run/postgresql"},
        {"store": "postgresql://a@[::1]:5432/accord"},
        {"store": "postgresql://a@db.example.org/accord?sslmode=verify-full"},
        {"bus": "tls://bus.example.org"},
        {"bus": "redis://localhost"},
        {"server": "https://accord.example.org"},
    ],
)
def test_what_stays_here_or_is_encrypted_may_be(tmp_path: Path, given: dict[str, str]) -> None:
    environment = {f"ACCORD_{name.upper()}": value for name, value in given.items()}
    assert read_settings({**environment, "ACCORD_REQUIRE_TLS": "true"}, home=tmp_path)


# -- buses -------------------------------------------------------------------------------------------------------


async def comes_of(url: str, tls: TlsFiles) -> str:
    """What comes of connecting to a bus."""
    files = {"ca": tls.ca, "cert": tls.cert, "key": tls.key}
    address = bus_address(url + "?" + "&".join(f"{name}={file}" for name, file in files.items() if file))
    opened: Any = RedisBus.open if address.kind == "redis" else NatsBus.open
    try:
        async with AsyncExitStack() as stack:
            bus: Carrier = await stack.enter_async_context(opened(address, "local"))
            await bus.depth("partition/1")
    except BusUnavailable as error:
        return error.problems[0].message
    return "it answers"


async def refuses_strangers(url: str, ours: TlsFiles, stranger: Authority) -> None:
    assert await comes_of(url, ours) == "it answers"
    assert "of nobody whom we believe" in await comes_of(url, msgspec.structs.replace(ours, ca=stranger.ca))
    assert "another name" in await comes_of(url.replace(HERE, "localhost"), ours)
    assert "wants a certificate of ours" in await comes_of(url, TlsFiles(ours.ca))
    assert await comes_of(url, msgspec.structs.replace(stranger.issue("other"), ca=ours.ca)) != "it answers"


async def test_nats_is_reached_with_certificates_on_both_sides(authority: Authority, stranger: Authority) -> None:
    shown = authority.issue("server", HERE)
    block = f'tls {{ cert_file: "{shown.cert}", key_file: "{shown.key}", ca_file: "{authority.ca}", verify: true }}\n'
    with nats_server(block) as server:
        await refuses_strangers(server.url.replace("nats:", "tls:"), authority.issue("client"), stranger)


async def test_redis_is_reached_with_certificates_on_both_sides(authority: Authority, stranger: Authority) -> None:
    shown = authority.issue("server", HERE)
    for program in reversed(programs()):
        with redis_server(program) as plain:
            port = plain.port + 1 if plain.port < 60_000 else plain.port - 1
        more = f"tls-port {port}\ntls-cert-file {shown.cert}\ntls-key-file {shown.key}\n"
        more += f"tls-ca-cert-file {authority.ca}\n"
        try:
            with redis_server(program, more):
                await refuses_strangers(f"rediss://{HERE}:{port}", authority.issue("client"), stranger)
        except RuntimeError:  # it was built without TLS
            continue
        return
    pytest.skip("no redis-server or valkey-server here was built with TLS")


# -- the store ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def in_front_of(server: PostgresServer, shown: TlsFiles) -> AsyncIterator[int]:
    """A port that speaks TLS as PostgreSQL does, in front of a server that was built without it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=shown.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    assert shown.cert is not None
    context.load_cert_chain(shown.cert, shown.key)
    ways: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == b"\0\0\0\x08\x04\xd2\x16\x2f"  # SSLRequest
        writer.write(b"S")
        try:
            await writer.start_tls(context)
            behind = await asyncio.open_unix_connection(str(server.folder / ".s.PGSQL.5432"))
            await asyncio.gather(pass_on(reader, behind[1]), pass_on(behind[0], writer))
        except OSError:
            pass
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        ways.add(task)
        task.add_done_callback(ways.discard)

    front = await asyncio.start_server(begin, HERE, 0)
    async with front:
        yield front.sockets[0].getsockname()[1]
        for way in list(ways):
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def test_postgresql_is_reached_with_certificates_on_both_sides(
    authority: Authority, stranger: Authority
) -> None:  # fmt: skip
    ours = authority.issue("client")
    with postgres_server() as server:
        async with in_front_of(server, authority.issue("server", HERE)) as port:

            async def opened(tls: TlsFiles, host: str = HERE) -> str:
                files = {"sslrootcert": tls.ca, "sslcert": tls.cert, "sslkey": tls.key}
                asked = "&".join(f"{name}={file}" for name, file in files.items() if file)
                url = f"postgresql://postgres@{host}:{port}/postgres?sslmode=verify-full&{asked}"
                try:
                    async with Database.open(StoreAddress(url)):
                        return "it answers"
                except StoreUnavailable as error:
                    return error.problems[0].message

            assert await opened(ours) == "it answers"
            assert "of nobody whom we believe" in await opened(msgspec.structs.replace(ours, ca=stranger.ca))
            assert "another name" in await opened(ours, "localhost")
            assert await opened(msgspec.structs.replace(stranger.issue("other"), ca=authority.ca)) != "it answers"
