"""What a server's answers mean: values, or the errors of the error tree.

ACC970  the server cannot be reached, or does not answer
ACC971  what answers is no Accord server, or one that this client does not understand
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from accord.errors import (
    AccordError,
    BadInput,
    Forbidden,
    InputRequired,
    NotFound,
    NotUnderstood,
    Overloaded,
    Problem,
    RateLimited,
    Refused,
    StoreUnavailable,
    Unauthenticated,
    Wanting,
    refusal_of,
)
from accord.loading.http import httpx
from accord.tls import NO_TLS, meaning

T = TypeVar("T")

AGAIN: Final = frozenset((429, 502, 503, 504))
"""Statuses of answers that another try may change."""

NO_SUCH_PATH: Final = "ACC950"

_BY_STATUS: Final[dict[int, type[AccordError]]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: NotFound,
    409: Refused,
    429: RateLimited,
    503: Overloaded,
}


class _Details(msgspec.Struct):
    problems: tuple[Problem, ...]
    kind: str = "error"
    wanting: Wanting | None = None
    several: tuple[str, ...] = ()


def value_of(response: httpx.Response, kind: type[T]) -> T:
    """The value in an answer. Raises StoreUnavailable where it is none of ours."""
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise not_understood(response, str(error)) from error


def not_understood(response: httpx.Response, why: str) -> StoreUnavailable:
    """The error that an answer is none of Accord's."""
    hint = "is this the URL of an Accord server, and no newer than this client?"
    told = f"{response.request.method} {response.request.url}: the answer is not understood: {why}"
    return StoreUnavailable.of("ACC971", told, hint=hint)


def unreachable(url: object, error: Exception) -> StoreUnavailable:
    """The error that nobody answers."""
    said = "nobody listens there" if is_refused(error) else meaning(error)
    hint = "is it running? `accord serve` starts one here; --server and ACCORD_SERVER say which one is asked"
    asked = httpx.URL(str(url))
    if said.startswith(NO_TLS):
        hint = f"where it serves without TLS, its URL is {asked.copy_with(scheme='http')}"
    elif isinstance(error, httpx.ReadError | httpx.RemoteProtocolError):
        said = f"it has cut the connection off ({said})"
        hint = (
            "it may want a certificate, of an authority that its --tls-clients names: server_cert, server_key"
            if asked.scheme == "https"
            else f"where it serves TLS, its URL is {asked.copy_with(scheme='https')}; else it may be stopping"
        )
    return StoreUnavailable.of("ACC970", f"the server at {url} cannot be reached: {said}", hint=hint)


def is_refused(error: BaseException | None) -> bool:
    """Whether nobody listens at the address, which is not the same as being slow."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_refused, error.exceptions))
    if error is None or isinstance(error, ConnectionRefusedError):
        return error is not None
    return is_refused(error.__cause__ or error.__context__)


def error_of(response: httpx.Response, url: httpx.URL) -> AccordError:
    """The error that an answer tells of; its body has been read. `url` is the server's."""
    try:
        details = msgspec.json.decode(response.content, type=_Details)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return not_understood(response, f"{response.status_code} {response.reason_phrase}, without problem details")
    if not details.problems:
        return not_understood(response, f"{response.status_code} without a problem")
    if details.problems[0].code == NO_SUCH_PATH and url.path != "/":
        return _not_the_root(url)
    error = refusal_of(details.kind, details.problems)
    if type(error) is AccordError:
        error = _of_status(response.status_code)(*details.problems)
    if isinstance(error, RateLimited):
        error.retry_after_s = retry_after_s(response) or error.retry_after_s
    if isinstance(error, InputRequired):
        error.wanting = details.wanting
    if isinstance(error, NotUnderstood):
        error.several = details.several
    return error


def _not_the_root(url: httpx.URL) -> BadInput:
    root = url.copy_with(path="/")
    told = f"{url} is not the URL of a server's root: there is an Accord server, and it has no path {url.path}"
    return BadInput.of("ACC972", told, hint=f"it may be {str(root).rstrip('/')}")


def _of_status(status: int) -> type[AccordError]:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return BadInput if 400 <= status < 500 else AccordError


def retry_after_s(response: httpx.Response) -> float | None:
    """How long the server asks to wait, None where it does not say so in seconds."""
    told: Any = response.headers.get("retry-after", "")
    return float(told) if told.isdecimal() else None
