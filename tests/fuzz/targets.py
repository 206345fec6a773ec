"""Every parser of what others write, as a function of bytes. Whatever it is given, it raises nothing but errors of
Accord's with codes, and takes an input of any shape in bounded time.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import msgspec

from accord.addresses import bus_address
from accord.codec import decode_event, decode_system_event
from accord.custody import keys_address
from accord.domain import payloads
from accord.domain.agent import decode_card
from accord.domain.capability import CapabilityRange, CapabilityRef
from accord.domain.duration import parse_duration, parse_moment
from accord.domain.expression.binding import compile_binding
from accord.domain.expression.program import compile_expression
from accord.domain.ids import Digest, RunId
from accord.domain.large import LargeCheck
from accord.domain.log import LogPayload
from accord.domain.merkle import batch_of
from accord.domain.message import decode_claims, strict_json
from accord.domain.signature import PublicKey, parse_statement
from accord.errors import AccordError, BadInput
from accord.evidence.examine import examine
from accord.nats.delivery import message_of as of_nats
from accord.policy.cedar import checked, decide_by
from accord.policy.source import PolicyFile, PolicySource
from accord.ports import Record
from accord.postgres.address import store_address
from accord.redis.names import message_of as of_redis
from accord.templates.reading import read_template

CORPUS: Final = Path(__file__).parent / "corpus"

KINDS: Final[list[Any]] = [
    payloads.HeartbeatPayload,
    payloads.FailurePayload,
    payloads.ProgressPayload,
    payloads.CancelPayload,
    payloads.AckPayload,
    payloads.RejectPayload,
    payloads.HoldingsPayload,
    LogPayload,
]

_ROWS: Final = {"type": "array", "items": {"type": "object", "required": ["n"]}}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _address(data: bytes) -> None:
    """Of a bus, a store or a key store, by the first byte."""
    (bus_address, store_address, keys_address)[data[0] % 3 if data else 0](_text(data[1:]))


def _capability(data: bytes) -> None:
    """A version, or a range of them, by the first byte."""
    (CapabilityRange.parse, CapabilityRef.parse)[data[0] % 2 if data else 0](_text(data[1:]))


def _payloads(data: bytes) -> None:
    """All kinds, by the first byte, so that one corpus does for them."""
    if data:
        payloads.decode_payload(KINDS[data[0] % len(KINDS)], data[1:])


def _bundle(data: bytes) -> None:
    """Findings are told, not raised."""
    BadInput.raise_if(examine(BytesIO(data), None, decide_by).problems)


def _jwk(data: bytes) -> None:
    value = strict_json(data)
    if isinstance(value, dict):
        _ = PublicKey.from_jwk(value).public


def _policy(data: bytes) -> None:
    checked(PolicySource((PolicyFile("fuzzed.cedar", _text(data)),)))


def _record(data: bytes) -> Record:
    return Record(RunId("run_x"), 1, Digest("0" * 64), data)


def _large(data: bytes) -> None:
    """In two pieces, cut where the first byte says."""
    check = LargeCheck(_ROWS)
    cut = data[0] if data else 0
    for piece in (data[1 : 1 + cut], data[1 + cut :]):
        check.feed(piece)
    check.end()


def _batch(data: bytes) -> None:
    batch_of(b"a.b", data)


def _nats(data: bytes) -> None:
    head, _, body = data.partition(b"\n")
    found: Any = SimpleNamespace(headers={"Accord-Statement": _text(head)}, data=body)
    parse_statement(of_nats(found).statement)


TARGETS: Final[dict[str, Callable[[bytes], object]]] = {
    "address": _address,
    "assignment": payloads.decode_assign,
    "batch": _batch,
    "binding": lambda data: compile_binding(msgspec.json.decode(data)) if _is_json(data) else None,
    "bundle": _bundle,
    "capability": _capability,
    "card": decode_card,
    "claims": decode_claims,
    "duration": lambda data: (parse_duration(_text(data)), parse_moment(_text(data))),
    "event": lambda data: decode_event(_record(data)),
    "expression": lambda data: compile_expression(_text(data)),
    "json": strict_json,
    "jwk": _jwk,
    "large": _large,
    "nats": _nats,
    "payload": _payloads,
    "policy": _policy,
    "redis": lambda data: parse_statement(of_redis(data).statement),
    "statement": parse_statement,
    "system_event": lambda data: decode_system_event(_record(data)),
    "template": lambda data: read_template(_text(data), file="t.yaml"),
}
"""By the name of its folder in the corpus."""


def _is_json(data: bytes) -> bool:
    try:
        strict_json(data)
    except AccordError:
        return False
    return True


def told(name: str, data: bytes) -> tuple[str, ...]:
    """The codes with which the parser refuses the input; none where it takes it. Any other error goes through."""
    try:
        TARGETS[name](data)
    except AccordError as error:
        codes = tuple(one.code for one in error.problems)
        assert codes, "an error without a problem"
        assert all(code.startswith("ACC") for code in codes)
        return codes
    return ()


def corpus(name: str) -> list[Path]:
    """What is kept of inputs for a parser."""
    return sorted((CORPUS / name).iterdir())
