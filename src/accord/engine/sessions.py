"""Sessions: who is signed in at the console, folded from `sys:sessions`. A session begins when a credential, or a link
that was made with one, is shown once; it ends when its time is up, when its bearer signs out, and with its credential.

ACC997  the session is over        ACC999  the sign-in link opens nothing
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec

from accord.domain.access import Principal, Session, SignInLink
from accord.domain.ids import Digest
from accord.domain.system import SESSIONS, SessionClosed, SessionOpened, SignInLinkMade, SystemEvent
from accord.engine.access import LOOK_AGAIN_S, Access
from accord.engine.streams import SystemStream
from accord.errors import Unauthenticated
from accord.ports import Clock, Journal

PREFIX: Final = "console_"
"""What shows a session: `console_<id>_<secret>`."""

LINK_LASTS: Final = timedelta(minutes=15)

FORGOTTEN_AT: Final = 1024
"""With so many sessions, those that are over are forgotten."""

_NO_SECRET: Final = Digest("0" * 64)


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What a session rests on."""

    principal: Principal
    key: str | None = None
    """The API key's id; the session ends with it."""
    until: datetime | None = None
    """When a token ends; None where it is a key."""


class Sessions:
    """Opens and closes sessions, makes links that open one, and says who shows one."""

    def __init__(self, journal: Journal, clock: Clock, access: Access) -> None:
        self.stream = SystemStream(journal, SESSIONS, self._apply, trimmed=True)
        self._clock = clock
        self._access = access
        self._sessions: dict[str, SessionOpened] = {}
        self._links: dict[str, SignInLinkMade] = {}
        self._looked_at = float("-inf")

    async def offer(self, credential: Credential) -> SignInLink:
        """A link that signs its bearer in once, as whoever shows this credential."""
        now, secret = self._clock.now(), secrets.token_hex(24)
        event = SignInLinkMade(
            at=now,
            link=secrets.token_hex(6),
            secret=_hashed(secret),
            principal=credential.principal,
            key=credential.key,
            expires_at=now + LINK_LASTS,
            until=credential.until,
        )
        await self.stream.append(event)
        return SignInLink(secret=f"{event.link}_{secret}", expires_at=event.expires_at)

    async def redeem(self, text: str, lasts: timedelta) -> tuple[Session, str]:
        """A session by a link, which is used up by it, whichever process is asked; and the text that shows it. Raises
        Unauthenticated.
        """
        name, _, secret = text.partition("_")
        await self._refresh()
        link = self._links.get(name)
        # Hashed and compared whether or not the link is known, so that the time tells nothing.
        matches = hmac.compare_digest(_hashed(secret), link.secret if link is not None else _NO_SECRET)
        if link is None or not matches or link.expires_at <= self._clock.now():
            raise _spent()
        credential = Credential(principal=link.principal, key=link.key, until=link.until)
        return await self._open(credential, lasts, name)

    async def open(self, credential: Credential, lasts: timedelta) -> tuple[Session, str]:
        """A session of whoever shows this credential, for so long at most, and the text that shows it. Raises
        Unauthenticated where the credential has ended.
        """
        return await self._open(credential, lasts, None)

    async def close(self, text: str) -> None:
        """Sign out whoever shows this session; one that is over is no error."""
        session = self._shown(text)
        if session is not None:
            await self.stream.append(SessionClosed(at=self._clock.now(), session=session.session))

    async def session_of(self, text: str) -> Session:
        """The session that is shown. Raises Unauthenticated."""
        if self._shown(text) is None:
            await self._look_again()
        event = self._shown(text)
        if event is None or event.expires_at <= self._clock.now():
            raise Unauthenticated.of("ACC997", "the session is over", hint="sign in again")
        return self._session(event)

    async def _open(self, credential: Credential, lasts: timedelta, link: str | None) -> tuple[Session, str]:
        if credential.key is not None:
            self._access.bearer_of(credential.key)
        now, secret = self._clock.now(), secrets.token_hex(32)
        until = now + lasts
        event = SessionOpened(
            at=now,
            session=secrets.token_hex(8),
            secret=_hashed(secret),
            principal=credential.principal,
            key=credential.key,
            link=link,
            expires_at=until if credential.until is None else min(until, credential.until),
        )
        await self.stream.append(event, check=self._unused(link))
        return self._session(event), f"{PREFIX}{event.session}_{secret}"

    def _unused(self, link: str | None) -> Callable[[], None]:
        def check() -> None:
            if link is not None and link not in self._links:
                raise _spent()

        return check

    def _session(self, event: SessionOpened) -> Session:
        principal = event.principal if event.key is None else self._access.bearer_of(event.key)
        return Session(
            id=event.session, principal=principal, key=event.key, opened_at=event.at, expires_at=event.expires_at
        )

    def _shown(self, text: str) -> SessionOpened | None:
        name, _, secret = text.removeprefix(PREFIX).partition("_")
        known = self._sessions.get(name)
        matches = hmac.compare_digest(_hashed(secret), known.secret if known is not None else _NO_SECRET)
        return known if matches else None

    async def _look_again(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= LOOK_AGAIN_S:
            self._looked_at = now
            await self._refresh()

    async def _refresh(self) -> None:
        """Follow what other processes have done, to keys as well: sessions rest on them."""
        await self._access.stream.refresh()
        await self.stream.refresh()

    def _apply(self, event: SystemEvent) -> None:
        match event:
            case SignInLinkMade():
                self._links[event.link] = event
            case SessionOpened():
                self._links.pop(event.link or "", None)
                self._sessions[event.session] = event
                if len(self._sessions) % FORGOTTEN_AT == 0:
                    self._forget()
            case SessionClosed(session=session):
                self._sessions.pop(session, None)

    def _forget(self) -> None:
        """Drop what opens nothing any more."""
        now = self._clock.now()
        self._sessions = {name: one for name, one in self._sessions.items() if one.expires_at > now}
        self._links = {name: one for name, one in self._links.items() if one.expires_at > now}


def _spent() -> Unauthenticated:
    hint = "make a new one: accord console; or sign in with an API key"
    return Unauthenticated.of("ACC999", "the sign-in link is not known, was used, or has expired", hint=hint)


def _hashed(secret: str) -> Digest:
    return Digest(sha256(secret.encode("utf-8", "surrogateescape")).hexdigest())
