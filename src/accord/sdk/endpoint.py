"""An HTTP endpoint as the body of a capability: the input is posted, the response is the output."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from accord.domain.message import PAYLOAD_MAX_BYTES, strict_json
from accord.errors import MessageRefused
from accord.loading.http import httpx
from accord.sdk.context import Context
from accord.sdk.envelope import confidence_in, cost_in
from accord.sdk.outcome import Failure, Output
from accord.sdk.schema import not_json

TOO_MANY_REQUESTS: Final = 429


class EndpointBody:
    """Posts JSON with an `Idempotency-Key`. 2xx is the output; 429 and 5xx may be tried again, nothing else may. The
    headers `Accord-Confidence` and `Accord-Cost` say how sure the endpoint is, and what it has spent.

    Redirects are not followed, and proxies of the environment are not used: the input goes where it was declared
    to go. Responses may hold at most `max_bytes`.
    """

    __slots__ = ("_headers", "_max_bytes", "_timeout_s", "_tls", "_transport", "_url")

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout: timedelta,
        *,
        max_bytes: int = PAYLOAD_MAX_BYTES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url
        self._headers = dict(headers)
        self._timeout_s = timeout.total_seconds()
        self._max_bytes = max_bytes
        self._transport = transport
        # Reading the certificates takes longer than a call.
        self._tls: ssl.SSLContext | bool = ssl.create_default_context() if url.startswith("https:") else False

    async def __call__(self, document: bytes, context: Context) -> Output:
        client = httpx.AsyncClient(
            verify=self._tls, timeout=self._timeout_s, transport=self._transport, trust_env=False
        )
        try:
            sent = client.stream("POST", self._url, content=document, headers=self._sent(context))
            async with client, sent as response:
                return await self._read(response)
        except httpx.TimeoutException:
            raise Failure("http-timeout", f"no answer within {self._timeout_s} s", retryable=True) from None
        except httpx.HTTPError as error:
            raise Failure("http-unreachable", f"{type(error).__name__}: {error}", retryable=True) from None

    def _sent(self, context: Context) -> list[tuple[bytes, bytes]]:
        """The declared headers, and ours, which come last and win."""
        own = {
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
            "idempotency-key": context.idempotency_key,
            **({"traceparent": context.traceparent} if context.traceparent else {}),
        }
        names = {name.lower(): value for name, value in self._headers.items()} | own
        return [(name.encode(), value.encode()) for name, value in names.items()]

    async def _read(self, response: httpx.Response) -> Output:
        status, cost = response.status_code, cost_in(response.headers)
        if not response.is_success:
            again = status == TOO_MANY_REQUESTS or response.is_server_error
            said = f"the endpoint answered {status} {response.reason_phrase}"
            raise Failure("http-status", said, retryable=again, details={"status": status}, cost=cost)
        confidence = confidence_in(response.headers)
        data = bytearray()
        async for chunk in response.aiter_bytes():
            data += chunk
            if len(data) > self._max_bytes:
                raise Failure("output-too-large", f"the endpoint sent more than {self._max_bytes} bytes")
        try:
            strict_json(bytes(data).strip())
        except MessageRefused as error:
            raise not_json(error) from None
        return Output(bytes(data).strip(), confidence, cost)
