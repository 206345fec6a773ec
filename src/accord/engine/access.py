"""Access: API keys, folded from `sys:access`. Of a key's secret only the hash is known here."""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import secrets
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

from accord.domain.access import KEY_NAME_PATTERN, ApiKey, IssuedApiKey, Principal, Role
from accord.domain.ids import Digest
from accord.domain.system import ACCESS, ApiKeyIssued, ApiKeyRevoked, SystemEvent
from accord.engine.streams import SystemStream
from accord.errors import BadInput, NotFound, Problem, Refused, Unauthenticated
from accord.ports import Clock, Journal

PREFIX: Final = "accord_"
"""What every API key begins with: `accord_<id>_<secret>`. Scanners of repositories find lost ones by it."""

SECRET_BYTES: Final = 32

LOOK_AGAIN_S: Final = 0.5
"""An unknown key may have been issued elsewhere just now; so often, at most, the journal is asked for it."""

_NO_SECRET: Final = Digest("0" * 64)

HOW_TO_GET_ONE: Final = (
    "send `Authorization: Bearer KEY`; an admin makes a key with: accord access keys new NAME --role ROLE"
)


class Access:
    """The API keys: issues and revokes them, and says who shows one."""

    def __init__(self, journal: Journal, clock: Clock, organisation: str) -> None:
        self.stream = SystemStream(journal, ACCESS, self._apply)
        self._clock = clock
        self._organisation = organisation
        self._keys: dict[str, ApiKey] = {}
        self._secrets: dict[str, Digest] = {}
        self._looked_at = float("-inf")

    def issued(self) -> list[ApiKey]:
        """All keys that were ever issued, the oldest first."""
        return list(self._keys.values())

    def _find(self, name: str) -> ApiKey:
        if name in self._keys:
            return self._keys[name]
        named = [key for key in self._keys.values() if key.name == name]
        if not named:
            raise NotFound.of("ACC657", f"there is no API key {name}", hint="accord access keys list")
        return named[-1]

    async def issue(self, name: str, role: Role, *, by: str, expires_at: datetime | None = None) -> IssuedApiKey:
        """A new key, with its text, which nobody can be told again.

        Raises:
            BadInput: ACC656 nothing can be called that, ACC659 it would have expired already.
            Refused: ACC658 there is a usable key of this name.
        """
        now = self._clock.now()
        BadInput.raise_if(_problems(name, expires_at, now))
        await self.stream.refresh()
        if any(key.name == name and key.usable(now) for key in self._keys.values()):
            raise Refused.of(
                "ACC658",
                f"there is an API key {name} already",
                hint=f"another name, or: accord access keys revoke {name}",
            )
        secret = _base32(secrets.token_bytes(SECRET_BYTES))
        event = ApiKeyIssued(
            at=now,
            key=_base32(secrets.token_bytes(8))[:12],
            name=name,
            role=role,
            secret=_hashed(secret),
            by=by,
            expires_at=expires_at,
        )
        await self.stream.append(event)
        return IssuedApiKey(key=self._keys[event.key], text=f"{PREFIX}{event.key}_{secret}")

    async def revoke(self, name: str, *, by: str) -> ApiKey:
        """Revoke the key of this id, or the newest one of this name; again is no error. Raises NotFound."""
        await self.stream.refresh()
        key = self._find(name)
        if key.revoked_at is None:
            await self.stream.append(ApiKeyRevoked(at=self._clock.now(), key=key.id, by=by))
        return self._keys[key.id]

    async def principal_of(self, text: str) -> Principal:
        """Who shows this key. Raises Unauthenticated, without a hint at what was wrong with a secret."""
        name, _, secret = text.removeprefix(PREFIX).partition("_")
        if name not in self._keys:
            await self._look_again()
        # Hashed and compared whether or not the key is known, so that the time tells nothing.
        matches = hmac.compare_digest(_hashed(secret), self._secrets.get(name, _NO_SECRET))
        if not matches:
            raise Unauthenticated.of("ACC651", "the API key is not known here", hint=HOW_TO_GET_ONE)
        return self.bearer_of(name)

    def bearer_of(self, key: str) -> Principal:
        """Who shows the key of this id, where it is known that they have shown it. Raises Unauthenticated."""
        known = self._keys.get(key)
        if known is None:
            raise Unauthenticated.of("ACC651", "the API key is not known here", hint=HOW_TO_GET_ONE)
        self._refuse_unusable(known)
        return Principal(name=known.name, role=known.role, organisation=self._organisation, credential=known.id)

    def _refuse_unusable(self, key: ApiKey) -> None:
        if key.revoked_at is not None:
            raise Unauthenticated.of("ACC653", f"the API key {key.name} was revoked", hint=HOW_TO_GET_ONE)
        if not key.usable(self._clock.now()):
            raise Unauthenticated.of("ACC652", f"the API key {key.name} has expired", hint=HOW_TO_GET_ONE)

    async def _look_again(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= LOOK_AGAIN_S:
            self._looked_at = now
            await self.stream.refresh()

    def _apply(self, event: SystemEvent) -> None:
        if isinstance(event, ApiKeyIssued):
            self._secrets[event.key] = event.secret
            self._keys[event.key] = ApiKey(
                id=event.key,
                name=event.name,
                role=event.role,
                issued_at=event.at,
                issued_by=event.by,
                expires_at=event.expires_at,
            )
        elif isinstance(event, ApiKeyRevoked) and event.key in self._keys:
            self._keys[event.key] = msgspec.structs.replace(self._keys[event.key], revoked_at=event.at)


def _problems(name: str, expires_at: datetime | None, now: datetime) -> Iterator[Problem]:
    if not re.fullmatch(KEY_NAME_PATTERN, name):
        yield Problem("ACC656", f"no key can be called {name!r}", hint="up to 63 letters, digits and . _ -")
    if expires_at is not None and expires_at <= now:
        yield Problem("ACC659", f"the key would have expired at {expires_at.isoformat()} already")


def _hashed(secret: str) -> Digest:
    return Digest(sha256(secret.encode("utf-8", "surrogateescape")).hexdigest())


def _base32(data: bytes) -> str:
    """Lower case, without padding: a double click marks all of it."""
    return base64.b32hexencode(data).decode("ascii").rstrip("=").lower()
