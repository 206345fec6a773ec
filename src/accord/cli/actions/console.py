"""`accord console`: a link that signs in at the console of a server, opened in the browser."""

from __future__ import annotations

import asyncio
import webbrowser
from datetime import datetime

import msgspec

from accord.cli.errors import DONE
from accord.cli.options import Shared
from accord.cli.output import Screen
from accord.cli.server import connected
from accord.cli.session import carry_out
from accord.domain.access import SignInLink
from accord.settings import Settings
from accord.views.access import link_at


class Link(msgspec.Struct, frozen=True):
    """Where the console is."""

    url: str
    """It signs in once."""
    expires_at: datetime


def console(shared: Shared, *, opens: bool) -> None:
    """Carry out `accord console`."""

    async def work(screen: Screen) -> int:
        settings = shared.settings()
        url = (shared.server() or _here(settings)).rstrip("/")
        async with connected(url, settings) as connection:
            made = await connection.post("/v1/session/links", None, SignInLink)
        link = Link(link_at(url, made), made.expires_at)
        if screen.as_json:
            screen.document(link)
            return DONE
        screen.line(link.url)
        opened = opens and await asyncio.to_thread(webbrowser.open, link.url)
        screen.note("Opened in the browser." if opened else "Open it in a browser: it signs in once.")
        return DONE

    carry_out(shared, work)


def _here(settings: Settings) -> str:
    """The server of the settings, as this machine reaches it."""
    scheme = "https" if settings.tls_cert is not None else "http"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - that is not bound here
    return f"{scheme}://[{host}]:{settings.port}" if ":" in host else f"{scheme}://{host}:{settings.port}"
