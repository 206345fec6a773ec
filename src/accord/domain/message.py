"""Messages: the claims of a statement, the payload beside it, and strict JSON.

statement ── signature.parse_statement, signature.verify ──► bytes of the claims ── decode_claims ──► Claims
payload ── payload_ref(payload) == claims.payload ──► the bytes that were signed ── strict_json ──► a value
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec
import orjson

from accord.domain.cost import PATTERN as COST_PATTERN
from accord.domain.ids import AgentId, Digest, LeaseToken, RunId, TaskId
from accord.domain.labels import MOST, LabelName
from accord.errors import MessageRefused, Place, Problem

Kind = Literal[
    "connect", "upload", "fetch", "card", "heartbeat", "accept", "progress", "log", "ask", "result", "failure", "bid",
    "welcome", "assign", "cancel", "call", "ack", "reject", "reply",
    "holdings", "delegate", "succeed",
    "checkpoint", "bundle", "certificate",
]  # fmt: skip
"""What a message is: the first line goes from agent to orchestrator, the second back; `holdings` goes between the
processes of an orchestrator, `delegate` both ways, `succeed` to agents; the last line goes to whoever asks what an
orchestrator stands for.
"""

STATEMENT_MAX_BYTES: Final = 2047
"""A statement stays under 2 KiB, signature and base64url included."""

CLAIMS_MAX_BYTES: Final = 1380
"""What is left for the claims beside the longest header and the signature, before base64url."""

PAYLOAD_MAX_BYTES: Final = 16 << 20
"""Bound of one JSON document; what is larger travels as a blob."""

ACCEPT_AFTER: Final = timedelta(milliseconds=500)
"""An agent says `accept` when it has been at work for so long; of work that is done before, it says nothing."""

REFUSALS: Final[dict[str, str]] = {
    # the statement as a compact JWS (signature.py)
    "ACC301": "the statement is too long",
    "ACC302": "the statement is not three parts joined by two dots",
    "ACC303": "a part is not canonical base64url without padding (RFC 7515, appendix C)",
    "ACC304": "the protected header has not exactly the members that are allowed",
    "ACC305": "the header's typ is another one",
    "ACC306": "the algorithm is not supported; ES256, Ed25519, ES256-MT and Ed25519-MT are",
    "ACC307": "the kid is not a SHA-256 thumbprint (RFC 7638)",
    "ACC308": "the signature is not exactly 64 bytes",
    "ACC309": "the statement names another key",
    "ACC310": "the algorithm is not the key's",
    "ACC311": "the signature does not verify",
    "ACC318": "the third part is not the signature of a batch with the proof that index and size ask for",
    # its claims (message.py)
    "ACC312": "a claim is unknown",
    "ACC313": "a claim is missing",
    "ACC314": "a claim has a wrong type or is out of bounds",
    "ACC315": "a claim is null; what is absent is left out",
    "ACC316": "the confidence is not a number from 0 to 1",
    "ACC317": "the claims do not fit into a statement",
    "ACC319": "the cost is no decimal in its shortest form, or has too many digits",
    # any JSON document of a message (message.py)
    "ACC320": "the document is too long",
    "ACC321": "the document is not JSON",
    "ACC322": "a member occurs twice in one object",
    "ACC323": "the document is nested too deeply",
    "ACC324": "a number is out of range: integers have 64 bits, others are finite doubles",
    "ACC325": "the document is not UTF-8",
    "ACC326": "a document of this size has to be an array",
}
"""Every refusal of this module and of `signature`, by its code."""


def refusal(code: str, detail: str = "", *, pointer: str | None = None) -> MessageRefused:
    """The error for one of `REFUSALS`, with what was seen instead."""
    return MessageRefused(problem_of(code, detail, pointer))


def problem_of(code: str, detail: str = "", pointer: str | None = None) -> Problem:
    """One of `REFUSALS`, with what was seen instead."""
    return Problem(code, f"{REFUSALS[code]}: {detail}" if detail else REFUSALS[code], Place(pointer=pointer))


# -- strict JSON -----------------------------------------------------------------------------------

_decode_any = msgspec.json.Decoder().decode
_BRACKETS = bytes.maketrans(b"[]{}", b"()()")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def strict_json(data: bytes, *, max_depth: int = 64, max_bytes: int = PAYLOAD_MAX_BYTES) -> object:
    """The value of a JSON document that every reader understands alike (I-JSON, RFC 7493).

    Refused are members that occur twice, NaN and Infinity, invalid UTF-8, lone surrogates, bytes behind the
    document, numbers beyond 64-bit integers and finite doubles, and nesting over `max_depth` (at most 250).
    """
    if len(data) > max_bytes:
        raise refusal("ACC320", f"{len(data)} bytes, at most {max_bytes} are allowed")
    value = _parsed(data)
    # The number of brackets bounds the depth, and for nearly all documents that settles it.
    if data.count(b"[") + data.count(b"{") > max_depth and _depth(data) > max_depth:
        raise refusal("ACC323", f"over {max_depth} levels")
    try:
        again = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise refusal("ACC324", str(error)) from None
    if not _as_many_members(data, again):
        raise refusal("ACC322", pointer=_duplicate(data))
    return value


def _parsed(data: bytes) -> object:
    try:
        return _decode_any(data)
    except msgspec.ValidationError as error:
        raise refusal("ACC324", str(error)) from None
    except msgspec.DecodeError as error:
        raise refusal("ACC321", str(error)) from None
    except UnicodeDecodeError as error:
        raise refusal("ACC325", f"byte {error.start} of a string: {error.reason}") from None
    except RecursionError:
        raise refusal("ACC323") from None


def _as_many_members(data: bytes, again: bytes) -> bool:
    """Whether a valid document has as many members as the parser kept: `again` is what it kept, written anew.

    A parser drops all but one of equal members, so the colons between names and values become fewer. The
    colons inside of strings are the same before and after, as long as none is written as an escape (u003a);
    where one may be, only the colons outside of strings are counted. Most documents are compact: theirs is the same.
    """
    if again == data:
        return True
    if b"\\" in data and b"\\u003" in data:
        return _outside_strings(data).count(b":") == _outside_strings(again).count(b":")
    return data.count(b":") == again.count(b":")


def _outside_strings(data: bytes) -> bytes:
    """A valid document without the contents of its strings."""
    if b"\\" in data:
        # Runs of backslashes pair up from the left; one that is left after that escapes what follows it.
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(data.split(b'"')[::2])


def _depth(data: bytes) -> int:
    """How deep a valid document is nested: every step takes the innermost pairs of brackets away."""
    pairs = _outside_strings(data).translate(_BRACKETS, _NO_BRACKETS)
    depth = 0
    while pairs:
        pairs = pairs.replace(b"()", b"")
        depth += 1
    return depth


def _duplicate(data: bytes) -> str:
    """The first name that an object has twice, as the last part of a JSON pointer."""
    found: list[str] = []

    def collect(pairs: list[tuple[str, object]]) -> None:
        found.extend(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)

    json.loads(data, object_pairs_hook=collect)
    return "/" + found[0].replace("~", "~0").replace("/", "~1")


# -- claims ----------------------------------------------------------------------------------------

_BOUNDS = msgspec.Meta(min_length=1, max_length=512)
_HEX = msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")
_TEXT = Annotated[str, _BOUNDS]
_DIGEST = Annotated[Digest, _HEX]
_SECONDS = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]  # the last second of the year 9999
_LENGTH = Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)]
_ATTEMPT = Annotated[int, msgspec.Meta(ge=0, le=(1 << 31) - 1)]
_COST = Annotated[str, msgspec.Meta(pattern=rf"\A{COST_PATTERN}\Z")]
_LABELS = Annotated[tuple[LabelName, ...], msgspec.Meta(max_length=MOST)]
_CONFIDENCE = Annotated[str, msgspec.Meta(pattern=r"\A(0|1|0\.[0-9]{0,5}[1-9])\Z")]


class PayloadRef(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Names the payload that a statement is about."""

    sha256: _DIGEST
    length_bytes: _LENGTH = msgspec.field(name="len")
    media_type: _TEXT = msgspec.field(name="typ")


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key that a statement of kind `delegate` or `succeed` lets sign, and what."""

    jwk: Annotated[dict[str, str], msgspec.Meta(max_length=8)]
    """The public JWK."""
    kinds: Annotated[tuple[Kind, ...], msgspec.Meta(min_length=1, max_length=16)] = msgspec.field(name="knd")
    """In alphabetical order."""


class Claims(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What a statement says. `decode_claims` checks the bounds, `encode_claims` only the size."""

    issuer: Annotated[AgentId, _BOUNDS] = msgspec.field(name="iss")
    audience: Annotated[AgentId, _BOUNDS] = msgspec.field(name="aud")
    id: _TEXT = msgspec.field(name="jti")
    """`statement_id` for assignments and their answers, else a UUIDv7."""
    issued_at: _SECONDS = msgspec.field(name="iat")
    """Seconds since 1970."""
    expires_at: _SECONDS = msgspec.field(name="exp")
    """Seconds since 1970; from then on the statement is refused."""
    kind: Kind = msgspec.field(name="knd")
    run: Annotated[RunId, _BOUNDS] | None = None
    task: Annotated[TaskId, _BOUNDS] | None = msgspec.field(name="tsk", default=None)
    attempt: _ATTEMPT | None = msgspec.field(name="att", default=None)
    lease: Annotated[LeaseToken, _BOUNDS] | None = msgspec.field(name="lea", default=None)
    capability: _TEXT | None = msgspec.field(name="cap", default=None)
    """`name@version`."""
    contract: _DIGEST | None = msgspec.field(name="ctr", default=None)
    payload: PayloadRef | None = msgspec.field(name="pld", default=None)
    inputs: tuple[_DIGEST, ...] = msgspec.field(name="ins", default=())
    """Digests of the statements that this one rests on: lineage."""
    confidence: _CONFIDENCE | None = msgspec.field(name="cnf", default=None)
    """A decimal from 0 to 1 in its shortest form, at most six places: `0.85`, `0`, `1`."""
    cost: _COST | None = msgspec.field(name="cst", default=None)
    """What the attempt has cost: a decimal in its shortest form, at most 12 digits before and 9 behind the point."""
    labels: _LABELS = msgspec.field(name="lbl", default=())
    """Labels of a result beside those of what the agent was given: it may add, and never takes away by this."""
    declassifies: _LABELS = msgspec.field(name="dcl", default=())
    """What a result takes away of the labels: the level to which, and categories, as the assignment allows it."""
    organisation: _TEXT | None = msgspec.field(name="org", default=None)
    trace: _TEXT | None = msgspec.field(name="trp", default=None)
    """W3C traceparent. Only its length is checked: tracing never decides about a message."""
    grant: Grant | None = msgspec.field(name="dlg", default=None)
    """Of a `delegate` or `succeed` alone: see `delegation` and `succession`."""

    def only(self, *names: str) -> Claims:
        """The same without the claims that not every statement has, except these."""
        return Claims(**{name: getattr(self, name) for name in (*_EVERYWHERE, *names)})


class Message(msgspec.Struct, frozen=True, gc=False):
    """A hand-off as it travels: the signed statement (compact JWS) and the payload, never re-encoded."""

    statement: bytes
    payload: bytes


_EVERYWHERE: Final = ("issuer", "audience", "id", "issued_at", "expires_at", "kind")
_WIRE_NAMES: Final = frozenset(Claims.__struct_encode_fields__)
_REQUIRED: Final = frozenset(("iss", "aud", "jti", "iat", "exp", "knd"))
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Claims).decode


def began(assigned: datetime, accepted: datetime) -> datetime:
    """Since when an agent is at work that has said so then: before, the assignment stood in its own queue."""
    return max(assigned, accepted - ACCEPT_AFTER)


def payload_ref(payload: bytes, media_type: str = "application/json") -> PayloadRef:
    """Digest, length and media type of these bytes."""
    return PayloadRef(Digest(hashlib.sha256(payload).hexdigest()), len(payload), media_type)


def statement_id(run: RunId, task: TaskId, attempt: int, kind: Kind) -> str:
    """The id of the one statement of this kind about this attempt; only a task may hold a slash."""
    return f"{run}/{task}/{attempt}/{kind}"


def confidence_text(confidence: float) -> str:
    """The claim for a confidence: a decimal with at most six places in its shortest form."""
    if not 0 <= confidence <= 1:
        raise refusal("ACC316", repr(confidence))
    text = format(Decimal(repr(float(confidence))).quantize(Decimal("0.000001")), "f")
    return text.rstrip("0").rstrip(".")


def encode_claims(claims: Claims) -> bytes:
    """The claims as JSON in the order of `Claims`, nothing that is absent: equal claims are equal bytes."""
    data = _encode(claims)
    if len(data) > CLAIMS_MAX_BYTES:
        raise refusal("ACC317", f"{len(data)} bytes, at most {CLAIMS_MAX_BYTES} fit")
    return data


def decode_claims(data: bytes) -> Claims:
    """The claims of a statement whose signature was verified. Raises MessageRefused."""
    try:
        claims = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong_claims(data, str(error)) from None
    # Equal counts prove that no member was dropped (see `_as_many_members`). Where they differ, the claims
    # may still be right and only written in another way than ours: then the slow and exact way decides.
    if b"\\" in data or data.count(b":") != _encode(claims).count(b":"):
        _refuse_duplicates_and_nulls(data)
    return claims


def _refuse_duplicates_and_nulls(data: bytes) -> None:
    value = strict_json(data, max_bytes=STATEMENT_MAX_BYTES)
    if isinstance(value, dict):
        MessageRefused.raise_if(
            problem_of("ACC315", pointer=f"/{name}") for name, claim in value.items() if claim is None
        )


def _wrong_claims(data: bytes, reason: str) -> MessageRefused:
    """Why `data` are no claims: all unknown and missing members, else the first member that is wrong."""
    value = strict_json(data, max_bytes=STATEMENT_MAX_BYTES)
    if not isinstance(value, dict):
        return refusal("ACC314", "the claims are an object")
    problems = [problem_of("ACC312", name, pointer=f"/{name}") for name in value if name not in _WIRE_NAMES]
    problems += [problem_of("ACC313", name, pointer=f"/{name}") for name in sorted(_REQUIRED - value.keys())]
    return MessageRefused(*problems) if problems else _out_of_bounds(reason)


def _out_of_bounds(reason: str) -> MessageRefused:
    """From msgspec's words: `Expected ... - at `$.pld.len``."""
    found = re.search(r" - at `\$\.?(.*)`\Z", reason)
    if found is None:
        return refusal("ACC314", reason)
    place = re.sub(r"[.\[\]]+", "/", found[1]).rstrip("/")
    code = {"cnf": "ACC316", "cst": "ACC319"}.get(place, "ACC314")
    return refusal(code, reason[: found.start()], pointer=f"/{place}")
