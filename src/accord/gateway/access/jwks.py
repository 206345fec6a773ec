"""The public keys of an issuer: a JWKS (RFC 7517) in a file, or behind a URL and cached.

ACC661  the keys of the issuer cannot be had
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from accord.errors import BadInput, Overloaded
from accord.loading.http import httpx

logger = logging.getLogger("accord.gateway")

FETCH_WITHIN_S: Final = 5.0
LENGTH_MAX_BYTES: Final = 1 << 20

FRESH_S: Final = 600.0
"""Keys that were fetched longer ago are fetched again when they are asked for."""

STALE_S: Final = 3600.0
"""Keys that were fetched longer ago count for nothing: one of them may have been withdrawn."""

FETCH_EVERY_S: Final = 10.0
"""At most so often: whoever makes up key ids does not make us a burden to the issuer."""


class Jwks:
    """The keys at a place: a path, or an `https` URL (`http` on this machine alone). Open it with `async with`."""

    def __init__(self, where: str, clock: Callable[[], float]) -> None:
        self._where = where
        self._clock = clock
        self._keys: KeySet | None = None
        self._read_at = self._tried_at = float("-inf")
        self._turn = asyncio.Lock()
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Jwks:
        """Raises BadInput where a file cannot be read, or the URL is none to be trusted."""
        if _is_url(self._where):
            self._http = httpx.AsyncClient(timeout=FETCH_WITHIN_S, follow_redirects=False)
        else:
            await self._read()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def keys(self, kid: str | None) -> KeySet:
        """The keys, with that of this id if there is one. Raises Overloaded ACC661 while they cannot be had."""
        if not self._knows(kid) or self._age() > FRESH_S:
            async with self._turn:
                if self._may_try() and (not self._knows(kid) or self._age() > FRESH_S):
                    await self._try()
        if self._keys is None or self._age() > STALE_S:
            raise Overloaded.of(
                "ACC661", "the keys of the issuer cannot be had", hint="try again later, or show an API key"
            )
        return self._keys

    def _knows(self, kid: str | None) -> bool:
        return self._keys is not None and (kid is None or any(key.kid == kid for key in self._keys))

    def _age(self) -> float:
        return self._clock() - self._read_at

    def _may_try(self) -> bool:
        return self._clock() - self._tried_at >= FETCH_EVERY_S

    async def _try(self) -> None:
        self._tried_at = self._clock()
        try:
            await self._read()
        except BadInput as error:
            logger.warning("the issuer's keys are those of before: %s", error)

    async def _read(self) -> None:
        """Read the keys anew. Raises BadInput."""
        self._tried_at = self._clock()
        try:
            self._keys = KeySet.import_key_set(json.loads(await self._data()))
            self._read_at = self._clock()
        except (OSError, httpx.HTTPError, ValueError, KeyError, TypeError, JoseError) as error:
            hint = "the setting oidc_jwks names a JWKS: a file, or an https URL"
            raise BadInput.of("ACC967", f"no keys at {self._where}: {error!r}", hint=hint) from error

    async def _data(self) -> bytes:
        if self._http is None:
            return await asyncio.to_thread(Path(self._where).read_bytes)
        data = b""
        async with self._http.stream("GET", self._where) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"status {response.status_code}")
            async for chunk in response.aiter_bytes():
                data += chunk
                if len(data) > LENGTH_MAX_BYTES:
                    raise ValueError(f"more than {LENGTH_MAX_BYTES} bytes")
        return data


def _is_url(where: str) -> bool:
    """Whether it is a URL. Raises BadInput where anybody in between could put keys of his own into it."""
    parts: Any = urlsplit(where)
    if parts.scheme == "https":
        return True
    if parts.scheme != "http":
        return False
    if parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise BadInput.of("ACC967", f"keys are not fetched from {where}", hint="give an https URL as oidc_jwks")
    return True
