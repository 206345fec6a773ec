"""An endpoint: posts to it, only to addresses that are allowed, and waits longer each time that it does not take it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from ipaddress import ip_network
from typing import Final

from accord.domain.webhook import MEDIA_TYPE, signature
from accord.engine.webhooks import Networks, Reach, checked_url, in_the_clear, not_public
from accord.errors import BadInput, Refused
from accord.loading.http import httpx
from accord.ports import Clock, Ids

WITHIN_S: Final = 15.0
"""How long an endpoint may take to answer."""

FIRST_WAIT: Final = timedelta(seconds=1)
LONGEST_WAIT: Final = timedelta(minutes=5)


class Gone(Exception):
    """The endpoint has answered 410: it wants to be told nothing any more."""


class Endpoint:
    """One endpoint. After a failure everything waits; then one message at a time is tried, until one is taken."""

    def __init__(self, url: str, secret: str, reach: Reach, clock: Clock, ids: Ids) -> None:
        self._url = checked_url(url)
        self._secret = secret
        self._reach = reach
        self._clock = clock
        self._ids = ids
        self._failures = 0
        self._probe = asyncio.Lock()
        self._http = httpx.AsyncClient(timeout=WITHIN_S, follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def tell(self, message_id: str, body: bytes) -> str | None:
        """Post it once, when it is the endpoint's turn; None where it was taken, else why not. Raises Gone."""
        async with self._probe if self._failures else nullcontext():
            await asyncio.sleep(self._wait())
            problem = await self._post(message_id, body)
            self._failures = self._failures + 1 if problem is not None else 0
            return problem

    def _wait(self) -> float:
        if not self._failures:
            return 0.0
        longest = min(FIRST_WAIT * (1 << min(self._failures - 1, 20)), LONGEST_WAIT)
        return longest.total_seconds() * (0.5 + self._ids.uniform() / 2)

    async def _post(self, message_id: str, body: bytes) -> str | None:
        now = int(self._clock.now().timestamp())
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Host": self._url.netloc.decode("ascii"),
            "User-Agent": "accord",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(self._secret, message_id, now, body),
        }
        try:
            async with asyncio.timeout(WITHIN_S):
                # To the very address that was looked at: a name may stand for another one a moment later.
                url = self._url.copy_with(host=await self._address())
                extensions = {"sni_hostname": self._url.host}
                response = await self._http.post(url, content=body, headers=headers, extensions=extensions)
        except TimeoutError:
            return f"no answer within {WITHIN_S:g} s"
        except (OSError, httpx.HTTPError, Refused) as error:
            return str(error) or type(error).__name__
        if response.status_code == httpx.codes.GONE:
            raise Gone
        return None if response.is_success else f"it answered {response.status_code}"

    async def _address(self) -> str:
        plain = in_the_clear(self._url, self._reach)
        Refused.raise_if((plain,) if plain is not None else ())
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        found = await asyncio.get_running_loop().getaddrinfo(self._url.host, port, type=socket.SOCK_STREAM)
        addresses = [str(one[4][0]) for one in found]
        for text in addresses:
            if problem := not_public(self._url.host, text, self._reach.networks):
                raise Refused(problem)
        return addresses[0]


def allowed_networks(named: Sequence[str], host: str) -> Networks:
    """The networks of these names; a server that only this machine reaches may tell this machine. Raises BadInput."""
    local = ("127.0.0.0/8", "::1/128") if host in ("localhost", "127.0.0.1", "::1") else ()
    try:
        return tuple(map(ip_network, (*named, *local)))
    except ValueError as error:
        raise BadInput.of(
            "ACC988", f"webhook_networks: {error}", hint='networks are written like this: ["10.0.0.0/8"]'
        ) from None
