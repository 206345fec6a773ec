"""Large payloads of agents elsewhere: over HTTP, beside their connection (`docs/protocol.md`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from accord.domain.large import Blob
from accord.errors import ContractViolation, MessageRefused, NotFound, Problem, StoreUnavailable
from accord.loading.http import httpx
from accord.tls import SYSTEM, TlsFiles

logger = logging.getLogger("accord.connection")

SILENT_MAX_S: Final = 60.0
TRIES: Final = 5
BACKOFF_FIRST_S: Final = 0.5


class HttpPayloads:
    """Uploads to an orchestrator's gateway, and fetches from it; what breaks off while it is fetched goes on there."""

    def __init__(self, url: str, tls: TlsFiles = SYSTEM) -> None:
        self._url = f"{url}/v1/uploads"
        self._tls = tls.context() if url.startswith("https:") else False
        self._timeout = httpx.Timeout(SILENT_MAX_S)

    async def bring(self, statement: bytes, chunks: AsyncIterator[bytes]) -> Blob:
        headers = {"Accord-Statement": statement.decode("ascii"), "Content-Type": "application/json"}
        try:
            async with self._client() as http:
                answer = await http.put(self._url, content=chunks, headers=headers)
        except httpx.HTTPError as error:
            raise StoreUnavailable.of("ACC797", f"the upload broke off: {error!r}") from error
        _refuse(answer.status_code, answer.content)
        return msgspec.json.decode(answer.content, type=Blob)

    async def open(self, statement: bytes, blob: Blob) -> AsyncIterator[bytes]:
        headers = {"Accord-Statement": statement.decode("ascii")}
        read = tries = 0
        while read < blob.length_bytes:
            try:
                async with (
                    self._client() as http,
                    http.stream(
                        "GET", f"{self._url}/{blob.sha256}", headers={**headers, "Accord-Offset": str(read)}
                    ) as answer,
                ):
                    if not answer.is_success:
                        _refuse(answer.status_code, await answer.aread())
                    async for chunk in answer.aiter_bytes():
                        read, tries = read + len(chunk), 0
                        yield chunk
            except httpx.HTTPError as error:
                tries += 1
                if tries == TRIES:
                    raise StoreUnavailable.of("ACC797", f"the document cannot be read on: {error!r}") from error
                logger.warning("fetching broke off after %d bytes, going on: %r", read, error)
                await asyncio.sleep(BACKOFF_FIRST_S * 2**tries)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=self._timeout, verify=self._tls)


class _Told(msgspec.Struct):
    problems: tuple[Problem, ...] = ()


def _refuse(status: int, content: bytes) -> None:
    if status < 400:
        return
    try:
        problems = msgspec.json.decode(content, type=_Told).problems
    except msgspec.DecodeError:
        problems = ()
    problems = problems or (Problem("ACC797", f"the server answered with status {status}"),)
    if status >= 500 or status == 429:
        raise StoreUnavailable(*problems)
    kind = {404: NotFound, 422: ContractViolation}.get(status, MessageRefused)
    raise kind(*problems)
