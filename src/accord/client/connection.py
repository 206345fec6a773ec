"""The connection to a server: requests with time limits, tried again where that is safe, and feeds that go on where
they were cut.

ACC972  the URL of the server cannot be used
ACC973  there is no credential
ACC974  the credential would be sent in the clear
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from uuid import uuid4

import msgspec

from accord.client.answers import AGAIN, error_of, is_refused, not_understood, retry_after_s, unreachable, value_of
from accord.client.patience import PATIENT, Patience
from accord.errors import BadInput, Unauthenticated
from accord.loading.http import httpx, httpx_sse
from accord.release import release
from accord.tls import SYSTEM, TlsFiles, is_unbelieved

T = TypeVar("T")
Parameters = Mapping[str, Any]

logger = logging.getLogger("accord.client")

_NO_PROXIES: Final = {"all://": None, "http://": None, "https://": None}
"""What is asked on this machine goes through no proxy that the environment names: it would be shown the key."""

TOLD_AFTER_S: Final = 1.0
"""How long nobody is told that a request waits."""

AGENT: Final = f"accord-client/{release()}"


class _Tries:
    """How often a request was sent in vain."""

    def __init__(self) -> None:
        self.failures = 0
        self.rested_s = 0.0
        """In all, since nobody listens."""
        self.last: Exception | None = None

    def are_up(self, patience: Patience, rest_s: float) -> bool:
        """Whether it is not tried again after the last failure; else it rests so long now."""
        if not is_refused(self.last):
            return self.failures >= patience.attempts or is_unbelieved(self.last)
        self.rested_s += rest_s
        return self.rested_s > patience.refused_s


class Connection:
    """A connection to a server; open it with `async with`."""

    def __init__(  # noqa: PLR0913 - how to get there, and how to wait
        self,
        url: str,
        key: str,
        *,
        patience: Patience = PATIENT,
        insecure_http: bool = False,
        tls: TlsFiles = SYSTEM,
        transport: httpx.AsyncBaseTransport | None = None,
        tell: Callable[[str], None] = logger.info,
    ) -> None:
        """`key` is an API key, or a bearer token. `insecure_http` lets it be sent without TLS to other machines; `tls`
        says whose certificates are believed, and which one is shown. `tell` gets the words for a person who waits, once
        for a connection, and once for each feed that is cut.

        Raises:
            BadInput: ACC972 this is no URL of a server, ACC974 the key would be sent in the clear, ACC860 a file of
                certificates cannot be used.
            Unauthenticated: ACC973 there is no key.
        """
        self.url = checked_url(url, insecure_http=insecure_http)
        self.patience = patience
        self._tell = tell
        self._told = False
        self._rest: Callable[[float], Awaitable[None]] = asyncio.sleep
        self._chance = random.Random().random  # noqa: S311 - it spreads retries; nothing rests on its secrecy
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {_checked_key(key)}", "User-Agent": AGENT, "Accept": "application/json"},
            timeout=httpx.Timeout(patience.answer_s, connect=patience.connect_s),
            transport=transport,
            verify=tls.context() if self.url.scheme == "https" else False,
            mounts=_NO_PROXIES if is_loopback(self.url) else None,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    # -- requests ------------------------------------------------------------------------------------------------

    async def get(self, path: str, kind: type[T], parameters: Parameters | None = None) -> T:
        """The value at a path. Raises what the server answers with, StoreUnavailable."""
        return value_of(await self._sent("GET", path, parameters=parameters), kind)

    async def data(self, path: str) -> bytes:
        """The bytes at a path."""
        return (await self._sent("GET", path)).content

    async def stream(self, path: str, parameters: Parameters | None = None) -> AsyncIterator[bytes]:
        """The bytes at a path, as they come; what is cut is raised. Raises what the server answers with."""
        timeout = httpx.Timeout(self.patience.answer_s, connect=self.patience.connect_s)
        try:
            async with self._http.stream("GET", path, params=_plain(parameters), timeout=timeout) as response:
                if not response.is_success:
                    await response.aread()
                    raise error_of(response, self.url)
                async for chunk in response.aiter_bytes():
                    yield chunk
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error

    async def data_for(self, path: str, body: Any) -> bytes:
        """The bytes that the server answers to a value with; asking changes nothing."""
        headers = {"Content-Type": "application/json"}
        return (await self._sent("POST", path, content=msgspec.json.encode(body), headers=headers)).content

    async def post(
        self, path: str, body: Any, kind: type[T], *, once: str | None = None, again: bool = True, trace: str = ""
    ) -> T:
        """What the server answers to a value, or to a text in YAML as bytes. It is sent again under one idempotency
        key, `once` where that is given, until an answer comes: what it makes is made once. What the server makes anew
        under any key is not sent `again`, once it may have arrived.
        """
        text = isinstance(body, bytes)
        content = body if text else msgspec.json.encode(body)
        kind_of_content = "application/yaml" if text else "application/json"
        headers = {"Idempotency-Key": once or uuid4().hex, "Content-Type": kind_of_content}
        headers |= {"traceparent": trace} if trace else {}
        return value_of(await self._sent("POST", path, content=content, headers=headers, again=again), kind)

    async def delete(self, path: str, kind: type[T], parameters: Parameters | None = None) -> T:
        """What the server answers when something is taken away. It is not sent again once it may have arrived."""
        return value_of(await self._sent("DELETE", path, parameters=parameters, again=False), kind)

    async def _sent(
        self,
        method: str,
        path: str,
        *,
        parameters: Parameters | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool = True,
    ) -> httpx.Response:
        """The answer, a success."""
        request = self._http.build_request(method, path, params=_plain(parameters), content=content, headers=headers)
        with self._patient() as tries:
            while True:
                tries.failures += 1
                try:
                    response = await self._http.send(request)
                except httpx.TransportError as error:
                    tries.last = error
                    reached = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                    rest_s = self.patience.rest_s(tries.failures, self._chance)
                    if (reached and not again) or tries.are_up(self.patience, rest_s):
                        raise unreachable(self.url, error) from error
                    await self._rest(rest_s)
                    continue
                if response.is_success:
                    return response
                wait_s = self._wait_s(response, tries.failures)
                arrived = response.status_code != httpx.codes.TOO_MANY_REQUESTS and not again
                if wait_s is None or arrived or tries.failures >= self.patience.attempts:
                    raise error_of(response, self.url)
                await self._rest(wait_s)

    @contextmanager
    def _patient(self) -> Iterator[_Tries]:
        """Tries of a request; where it lasts, it is told what for and how long."""
        tries = _Tries()
        telling = asyncio.get_running_loop().call_later(TOLD_AFTER_S, self._tell_that_it_waits, tries)
        try:
            yield tries
        finally:
            telling.cancel()

    def _tell_that_it_waits(self, tries: _Tries) -> None:
        if self._told:
            return
        self._told = True
        if is_refused(tries.last):
            self._tell(f"Nobody listens at {self.url} yet: trying again for {self.patience.refused_s:g} s.")
        elif tries.last is not None:
            self._tell(f"The server at {self.url} cannot be reached: trying {self.patience.attempts} times.")
        else:
            self._tell(f"The server at {self.url} has yet to answer: waiting {self.patience.answer_s:g} s at most.")

    def _wait_s(self, response: httpx.Response, failures: int) -> float | None:
        """How long to wait before the request is sent again; None where that would change nothing."""
        if response.status_code not in AGAIN:
            return None
        told = retry_after_s(response)
        if told is not None and told > self.patience.longest_told_rest_s:
            return None
        return max(told or 0.0, self.patience.rest_s(failures, self._chance))

    # -- feeds ---------------------------------------------------------------------------------------------------

    async def feed(
        self, path: str, parameters: Mapping[str, Any] | None = None, *, after: int | str = 0
    ) -> AsyncIterator[httpx_sse.ServerSentEvent]:
        """The events of a feed, from number `after` on, up to its end; where it is cut it goes on after the last number
        that was given. Raises what the server answers with, StoreUnavailable.
        """
        failures = 0
        last: Exception = ConnectionError("the feed is cut again and again")
        while failures < self.patience.feed_attempts:
            wait_s = 0.0
            try:
                async with self._feed(path, parameters, after) as response:
                    if response.status_code == httpx.codes.NO_CONTENT:
                        return
                    wait_s = await self._wait_for_feed_s(response)
                    async for event in _events(response):
                        failures, after = 0, event.id or after
                        yield event
                        if event.event == "end":
                            return
            except httpx.TransportError as error:
                last = error
            failures += 1
            if failures == 2:
                times = self.patience.feed_attempts
                self._tell(f"The server at {self.url} tells nothing more: connecting again, {times} times at most.")
            await self._rest(max(wait_s, self.patience.rest_s(failures, self._chance)))
        raise unreachable(self.url, last)

    def _feed(
        self, path: str, parameters: Mapping[str, Any] | None, after: int | str
    ) -> AbstractAsyncContextManager[httpx.Response]:
        headers = {"Accept": "text/event-stream", **({} if after == "" else {"Last-Event-ID": str(after)})}
        timeout = httpx.Timeout(self.patience.silence_s, connect=self.patience.connect_s)
        return self._http.stream("GET", path, params=_plain(parameters), headers=headers, timeout=timeout)

    async def _wait_for_feed_s(self, response: httpx.Response) -> float:
        """How long to wait where the feed does not begin now. Raises where it never will."""
        if response.is_success:
            return 0.0
        await response.aread()
        wait_s = self._wait_s(response, 1)
        if wait_s is None:
            raise error_of(response, self.url)
        return wait_s


async def _events(response: httpx.Response) -> AsyncIterator[httpx_sse.ServerSentEvent]:
    """The events of an answer; none where it is no success. Raises StoreUnavailable where it is no feed."""
    if response.is_success:
        try:
            async for event in httpx_sse.EventSource(response).aiter_sse():
                yield event
        except httpx_sse.SSEError as error:
            raise not_understood(response, str(error)) from error


def checked_url(text: str, *, insecure_http: bool = False) -> httpx.URL:
    """The URL of a server. Raises BadInput."""
    hint = "for example http://127.0.0.1:8421, or https://accord.example.org"
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise BadInput.of("ACC972", f"{text} is no URL of a server: {error}", hint=hint) from error
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment or url.userinfo:
        raise BadInput.of("ACC972", f"{text} is no URL of a server", hint=hint)
    if url.scheme == "http" and not is_loopback(url) and not insecure_http:
        told = f"{url.host} is another machine, and without TLS the key would be sent to it in the clear"
        raise BadInput.of("ACC974", told, hint="use its https URL; or allow it with ACCORD_INSECURE_HTTP=true")
    return url


def is_loopback(url: httpx.URL) -> bool:
    """Whether the URL is of this machine."""
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return url.host == "localhost"


def _checked_key(key: str) -> str:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise Unauthenticated.of(
            "ACC973", "there is no API key, or it is none", hint="accord access keys new NAME --role ROLE makes one"
        )
    return key


def _plain(parameters: Parameters | None) -> dict[str, Any]:
    """Query parameters as text; those that are None are left out."""
    given = (parameters or {}).items()
    return {name: msgspec.to_builtins(value) for name, value in given if value is not None}
