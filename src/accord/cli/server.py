"""Commands against a server: which one, under which key, and what cannot be asked of it."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from accord.cli.errors import usage
from accord.cli.options import Shared
from accord.client.answers import unreachable
from accord.client.connection import Connection, checked_url, is_loopback
from accord.client.patience import Patience
from accord.client.remote import Remote
from accord.credentials import read_credential
from accord.errors import BadInput, Unauthenticated
from accord.service import Service
from accord.settings import Settings
from accord.tls import is_encrypted_or_here, wanted


@asynccontextmanager
async def asked_server(url: str, shared: Shared) -> AsyncIterator[Service]:
    """The service of a server. Raises BadInput, Unauthenticated, KeyUnusable, StoreUnavailable."""
    if shared.agents:
        hint = "start them beside the server, or leave --server and ACCORD_SERVER out to run them here"
        raise usage("ACC913", "--agents are run by this process, and a server has agents of its own", hint)
    settings = shared.settings()
    async with connected(url, settings) as connection:
        yield Remote(connection)


def _tell(words: str) -> None:
    """Say on stderr what is waited for: above the table, while one is drawn."""
    sys.stderr.write(words + "\n")


def connected(
    url: str, settings: Settings, patience: Patience | None = None, tell: Callable[[str], None] = _tell
) -> Connection:
    """The connection to a server, to be opened: as patient as the settings say, where nothing else is said; `tell` is
    as there. Raises BadInput, Unauthenticated, KeyUnusable, StoreUnavailable.
    """
    patience = patience or Patience(refused_s=settings.server_within_s)
    if settings.require_tls and not is_encrypted_or_here(url):
        raise BadInput(wanted(f"the server {url}", "use its https URL"))
    key, plain = _key(url, settings), settings.insecure_http
    return Connection(url, key, patience=patience, insecure_http=plain, tls=settings.tls, tell=tell)


def _key(url: str, settings: Settings) -> str:
    """The key of the environment; that which `accord serve` has kept is for servers of this machine alone."""
    kept = None
    if settings.api_key is None and is_loopback(checked_url(url, insecure_http=settings.insecure_http)):
        kept = read_credential(settings.credentials)
        if kept is None:
            _refuse_where_nobody_listens(checked_url(url, insecure_http=settings.insecure_http))
    key = settings.api_key or kept
    if key is None:
        hint = "set ACCORD_API_KEY; whoever runs the server makes one with: accord access keys new NAME --role ROLE"
        raise Unauthenticated.of("ACC973", f"there is no API key for {url}", hint=hint)
    return key


def _refuse_where_nobody_listens(url: httpx.URL) -> None:
    """Raise StoreUnavailable where no server runs at this address of this machine: it keeps a key as it begins."""
    try:
        socket.create_connection((url.host, url.port or (443 if url.scheme == "https" else 80)), timeout=1).close()
    except ConnectionRefusedError as error:
        raise unreachable(url, error) from error
    except OSError:
        return
