"""The server: uvicorn in our own event loop, on sockets that are bound before anything else is touched.

ACC960  the address cannot be used                    ACC962  the certificate or its key cannot be used
ACC961  others could listen in                        ACC963  a certificate without its key, or a key without one
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
import uvicorn
from msgspec.structs import replace

from accord.errors import BadInput, Problem
from accord.gateway.application import Gateway
from accord.gateway.certificate import Certificate
from accord.gateway.entrance import Entrance
from accord.tls import wanted

logger = logging.getLogger("accord.gateway")

BACKLOG: Final = 2048

FILES_MAX: Final = 1 << 20
"""More than this some systems do not give, though they say that there is no limit."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, and under which certificate."""

    host: str = "127.0.0.1"
    port: int = 8421
    """0: any that is free."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_clients: Path | None = None
    """Certificates of those that issue clients' certificates; who shows none of theirs is not let in."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses whose word is taken for whom they ask."""
    insecure_http: bool = False
    """Whether others than this machine may be served without TLS."""
    require_tls: bool = False
    """Whether they may not, whatever else is said."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def check(self) -> None:
        """Nothing where the address may be served at. Raises BadInput with all that is wrong with it."""
        BadInput.raise_if(self._problems())

    def _problems(self) -> Iterator[Problem]:
        if (self.tls_cert is None) != (self.tls_key is None):
            given, missing = ("--tls-key", "--tls-cert") if self.tls_cert is None else ("--tls-cert", "--tls-key")
            yield Problem("ACC963", f"there is {given} without {missing}", hint=f"give {missing} FILE as well, PEM")
        elif self.tls_cert is not None and self.tls_key is not None:
            yield from _certificate_problems(self)
        elif self.tls_clients is not None:
            text = "without TLS no client shows a certificate"
            yield Problem("ACC963", text, hint="give --tls-cert and --tls-key as well")
        elif not self.loopback and self.require_tls:
            yield wanted(f"serving at {self.host}", "give --tls-cert and --tls-key")
        elif not self.loopback and not self.insecure_http:
            text = (
                f"{self.host} can be reached by other machines, and without TLS they would send their keys in the clear"
            )
            hint = "give --tls-cert and --tls-key; or --insecure-http where a proxy in front does TLS"
            yield Problem("ACC961", text, hint=hint)


def bound(address: Address) -> socket.socket:
    """A socket at this address that does not listen yet. Raises BadInput with the way out."""
    try:
        family, kind, _, _, name = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(name)
        except OSError:
            found.close()
            raise
    except (OSError, OverflowError) as error:
        raise _unusable(address, error) from error
    return found


def lift_file_limit() -> None:
    """Let this process open as many files as it may: each connection is one, and the usual limit is 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = FILES_MAX if most == resource.RLIM_INFINITY else min(most, FILES_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


def url_of(address: Address, taken: socket.socket) -> str:
    """The URL that clients on this machine reach the socket under."""
    host, port = taken.getsockname()[:2]
    scheme = "https" if address.tls_cert else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@asynccontextmanager
async def serving(
    gateway: Gateway, address: Address, taken: socket.socket, drain_within: timedelta
) -> AsyncIterator[asyncio.Task[None]]:
    """The gateway, served on this socket inside; the task ends only where serving fails. On the way out it drains: no
    new connection is taken, requests under way may end within that time.
    """
    certificate = Certificate(address) if address.tls_cert is not None else None
    server = _Server(gateway, address, certificate, drain_within)
    running = asyncio.create_task(server.serve(sockets=[taken]), name="accord-server")
    watching = asyncio.create_task(certificate.watch(), name="accord-certificate") if certificate else None
    started = asyncio.create_task(server.listening.wait())
    await asyncio.wait([running, started], return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if running.done():
        await running
    try:
        yield running
    finally:
        gateway.readiness.draining.set()
        server.stop_listening()
        await gateway.drain()
        server.should_exit = True
        await running
        if watching is not None:
            watching.cancel()
            await asyncio.wait([watching])


class _Server(uvicorn.Server):
    """Uvicorn, without its signal handlers: who runs the loop decides when it ends."""

    def __init__(
        self, app: Gateway, address: Address, certificate: Certificate | None, drain_within: timedelta
    ) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            http=Entrance,
            ws="websockets-sansio",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(address.trusted_proxies),
            forwarded_allow_ips=list(address.trusted_proxies),
            backlog=BACKLOG,
            ws_max_size=app.options.max_message_bytes,
            ws_per_message_deflate=False,  # payloads are small or large and compressed by their makers; it costs CPU
            timeout_graceful_shutdown=max(1, round(drain_within.total_seconds())),
            ssl_context_factory=(lambda *_: certificate.context) if certificate is not None else None,
        )
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.listening.set()

    def stop_listening(self) -> None:
        """Take no new connection."""
        for server in self.servers:
            server.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def _certificate_problems(address: Address) -> Iterator[Problem]:
    try:
        Certificate(address)
    except BadInput as error:
        yield from (replace(problem, code="ACC962") for problem in error.problems)


def _unusable(address: Address, error: OSError | OverflowError) -> BadInput:
    where = f"{address.host}:{address.port}"
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        hint = "another server may be running here already; give another --port, or --port 0 for any that is free"
        return BadInput.of("ACC960", f"{where} is in use", hint=hint)
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return BadInput.of("ACC960", f"{where} cannot be used: {said}", hint="--host takes an address of this machine")
