"""`accord serve`: a node with its gateway, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote

import msgspec
from rich.text import Text

from accord.app import host, open_node, suggestions_of, tuning_of
from accord.cli.children import parent_gone
from accord.cli.errors import DONE
from accord.cli.hosting import hosted_agents
from accord.cli.logs import logging_as
from accord.cli.options import Shared, home_option
from accord.cli.output import Screen
from accord.cli.session import carry_out, ended_or_interrupted, tell_draining, who
from accord.credentials import keep_credential, read_credential
from accord.domain.access import Principal
from accord.engine.node import Node
from accord.engine.sessions import Credential
from accord.errors import Unauthenticated
from accord.gateway.access.guard import Tokens
from accord.gateway.application import Options, create_application
from accord.gateway.colleagues import Place
from accord.gateway.server import Address, bound, lift_file_limit, serving, url_of
from accord.gateway.webhooks.endpoint import allowed_networks
from accord.otel import open_telemetry
from accord.settings import Settings
from accord.views.access import link_at

FIRST_KEY = "first"
"""The name of the admin key that the first start makes."""


class Asked(msgspec.Struct, frozen=True):
    """Where to listen, as far as the command line says."""

    host: str | None = None
    port: int | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_clients: Path | None = None
    insecure_http: bool = False


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A process of several that serve together, and end with the one that has started them."""

    socket: int
    """The open file of the socket that they share."""
    number: int
    folder: str
    """Where they find each other."""


class Started(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is told once the server listens."""

    url: str
    pid: int
    key: str
    """The id of the orchestrator's key: what agents on other machines believe it by."""
    credentials: str | None = None
    """The file with an admin key of this server."""
    admin_key: str | None = None
    """The admin key that was made just now; it is shown this once."""
    console: str | None = None
    """The address of the console; on this machine alone it signs in once, as who has the file with the key."""


def serve(shared: Shared, asked: Asked, worker: Worker | None = None) -> None:
    """Carry out `accord serve`, alone or as one of several workers."""

    async def work(screen: Screen) -> int:
        shared.here("serve")
        settings = shared.settings()
        address = address_of(settings, asked)
        address.check()
        lift_file_limit()
        agents = hosted_agents(shared.agents)
        tuning = msgspec.structs.replace(tuning_of(settings), serves=True)
        with (
            logging_as(settings) as level,
            bound(address) if worker is None else socket.socket(fileno=worker.socket) as taken,
        ):
            async with (
                open_telemetry(settings.exports, "accord", level) as telemetry,
                open_node(settings, tuning, telemetry) as node,
                host(node, agents),
            ):
                new = await _first_key(node, settings, address)
                drain_within = timedelta(seconds=settings.drain_within_s)
                async with (
                    tokens_of(settings, node) as tokens,
                    create_application(
                        node, tokens, options_of(settings, address.host, worker), suggestions_of(settings)
                    ) as gateway,
                    nullcontext() if telemetry is None else telemetry.metrics(gateway.metrics.families),
                    serving(gateway, address, taken, drain_within) as running,
                ):
                    started = await _started(node, settings, address, url_of(address, taken), new)
                    tell(screen, started, home_option(settings), for_program=worker is not None)
                    ends = [running] if worker is None else [running, asyncio.create_task(parent_gone())]
                    await ended_or_interrupted(*ends)
                    if worker is None:
                        tell_draining(screen)
        return DONE

    carry_out(shared, work, warns=True)


@asynccontextmanager
async def tokens_of(settings: Settings, node: Node) -> AsyncIterator[Tokens | None]:
    """Who tells the principals of the tokens of the issuer that the settings name; None where they name none."""
    if settings.oidc_issuer is None or settings.oidc_audience is None or settings.oidc_jwks is None:
        yield None
        return
    from accord.gateway.access.jwks import Jwks  # noqa: PLC0415 - JOSE's other algorithms, which few servers need
    from accord.gateway.access.tokens import Issuer, IssuerTokens  # noqa: PLC0415 - as above

    issuer = Issuer(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        algorithms=settings.oidc_algorithms,
        name_claim=settings.oidc_name_claim,
        role_claim=settings.oidc_role_claim,
        roles=settings.oidc_roles,
        organisation=settings.organisation,
    )
    async with Jwks(settings.oidc_jwks, time.monotonic) as jwks:
        yield IssuerTokens(issuer, jwks, node.parts.ports.clock)


def options_of(settings: Settings, host: str, worker: Worker | None = None) -> Options:
    """What the settings say of the gateway of a server that listens there."""
    return Options(
        cors_origins=settings.cors_origins,
        max_body_bytes=settings.max_body_bytes,
        request_within=timedelta(seconds=settings.request_within_s),
        handshake_within=timedelta(seconds=settings.handshake_within_s),
        upload_within=timedelta(seconds=settings.upload_within_s),
        guests_per_address=settings.guests_per_address,
        requests_per_second=settings.requests_per_second,
        burst=settings.request_burst,
        open_metrics=settings.open_metrics,
        console=settings.console,
        session_lasts=timedelta(seconds=settings.console_session_s),
        webhook_networks=allowed_networks(settings.webhook_networks, host),
        require_tls=settings.require_tls,
        place=Place(worker.number, Path(worker.folder)) if worker is not None else None,
    )


def address_of(settings: Settings, asked: Asked) -> Address:
    return Address(
        host=settings.host if asked.host is None else asked.host,
        port=settings.port if asked.port is None else asked.port,
        tls_cert=asked.tls_cert or settings.tls_cert,
        tls_key=asked.tls_key or settings.tls_key,
        tls_clients=asked.tls_clients or settings.tls_clients,
        insecure_http=asked.insecure_http,
        require_tls=settings.require_tls,
        trusted_proxies=settings.trusted_proxies,
    )


async def _first_key(node: Node, settings: Settings, address: Address) -> str | None:
    """The text of an admin key, where there is none yet and only this machine can use it."""
    if not address.loopback or await _has_admin(node):
        return None
    issued = await node.issue_api_key(FIRST_KEY, "admin", by=who())
    keep_credential(settings.credentials, issued.text)
    return issued.text


async def _has_admin(node: Node) -> bool:
    now = datetime.now(UTC)
    return any(key.role == "admin" and key.usable(now) for key in await node.api_keys())


async def _started(node: Node, settings: Settings, address: Address, url: str, new: str | None) -> Started:
    bearer = await _bearer(node, settings.credentials)
    kept = str(settings.credentials.absolute()) if bearer is not None else None
    console = await _console(node, url, bearer if address.loopback else None) if settings.console else None
    kid = node.parts.identity.key.kid
    return Started(url=url, pid=os.getpid(), key=kid, credentials=kept, admin_key=new, console=console)


async def _bearer(node: Node, path: Path) -> Principal | None:
    """Who shows the credential that is kept there; None where it opens nothing."""
    key = read_credential(path)
    try:
        return None if key is None else await node.parts.access.principal_of(key)
    except Unauthenticated:
        return None


async def _console(node: Node, url: str, bearer: Principal | None) -> str:
    """The address of the console; it signs in as whoever that is, where only this machine can reach the server: what a
    server says elsewhere may be kept where many read it.
    """
    if bearer is None:
        return f"{url}/"
    link = await node.parts.sessions.offer(Credential(principal=bearer, key=bearer.credential))
    return link_at(url, link)


def tell(screen: Screen, started: Started, home: str, *, for_program: bool = False) -> None:
    """Say where the server listens, and how to go on in another terminal, by the option that names the `home`; one line
    of JSON for a program.
    """
    if screen.as_json or for_program:
        screen.write(msgspec.json.encode(started).decode() + "\n")
        return
    screen.line(Text.assemble("Accord listens on ", (started.url, "head")))
    screen.facts(
        [
            ("admin key", started.admin_key or ""),
            ("kept in", started.credentials or ""),
            ("console", started.console or ""),
        ]
    )
    if started.credentials is None:
        screen.line(f"No key is kept here. Make one with: accord access keys new NAME --role admin{home}")
    key = (
        f'"Authorization: Bearer $(cat {quote(started.credentials)})"'
        if started.credentials
        else '"Authorization: Bearer KEY"'
    )
    screen.facts([("try", f"curl -H {key} {started.url}/v1/access/keys")])
    screen.facts([("a command", f"accord --server {started.url} runs list{home}")])
    screen.facts([("an agent", f"accord agent FILE.py --connect {started.url}{home}"), ("its trust", started.key)])
    screen.note("Ctrl-C stops it.")
