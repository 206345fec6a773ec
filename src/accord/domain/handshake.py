"""The handshake of a connection: the orchestrator gives a nonce, the agent signs it, the orchestrator signs its answer.

    orchestrator ── challenge(nonce) ──► agent
    agent ── connect: `jti` is the nonce, the payload names the instance ──► orchestrator
    orchestrator ── welcome: `ins` is the digest of `connect`, the payload holds the orchestrators' keys ──► agent

So each knows that the other holds the key that it is known by, and that both speak of this one connection. An agent
whose key is not known yet sends it along, with an enrolment token.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec

from accord.domain.agent import key_name
from accord.domain.ids import AgentId, Digest, InstanceId, KeyId
from accord.domain.ingress import claims_flaw
from accord.domain.message import Claims, Kind, Message, decode_claims, payload_ref, refusal
from accord.domain.payloads import decode_payload
from accord.domain.signature import PublicKey, parse_statement, statement_digest, verify
from accord.errors import MessageRefused, Problem

VALID_FOR: Final = timedelta(minutes=5)
PAYLOAD_MAX_BYTES: Final = 64 << 10
"""Of the payloads of a handshake; nobody is known yet when the first one comes."""

REFUSALS: Final[dict[str, str]] = {
    "ACC770": "the handshake is not about this connection",
    "ACC771": "the key is not known here",
    "ACC772": "the handshake is for somebody else, or by somebody else",
    "ACC773": "the handshake has expired, or is from the future",
    "ACC774": "the payload is not the one that was signed",
    "ACC775": "the key that was sent along is not the one that has signed",
    "ACC776": "the orchestrator's key is none that this agent trusts",
    "ACC662": "nothing is accepted under the agent's key any more",
}
"""Why a handshake is refused; ACC30x to ACC32x are those of the statement itself."""

HOW_TO_ENROL: Final = "an admin makes a token with `accord agents enrol NAME`; give it with --token"
HOW_TO_RENEW: Final = (
    f"make a new key where this one is, `accord keys rotate {{name}}`, and have it enrolled: {HOW_TO_ENROL}"
)
HOW_TO_TRUST: Final = "compare the key with what `accord serve` printed; then give it with --trust KEY"


class ConnectPayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which instance connects."""

    instance: InstanceId
    key: dict[str, str] | None = None
    """The agent's public key (JWK), where it is to be enrolled."""
    token: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    """The enrolment token that allows it."""


class WelcomePayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a connected agent has to know."""

    orchestrators: tuple[dict[str, str], ...]
    """The public keys (JWK) of all orchestrators that may assign."""
    registry: AgentId
    """To whom cards and heartbeats are addressed."""
    heartbeat_s: float
    """How often an instance is to send a heartbeat, seconds."""

    def keys(self) -> dict[KeyId, PublicKey]:
        """The keys, by their ids. Raises KeyUnusable."""
        found = [PublicKey.from_jwk(jwk) for jwk in self.orchestrators]
        return {key.kid: key for key in found}


class Known(msgspec.Struct, frozen=True):
    """A key that is, or was, an agent's."""

    agent: AgentId
    key: PublicKey
    ended: str = ""
    """What has become of it where it may sign no more: `revoked`, `expired` or `retired`."""


class Connecting(msgspec.Struct, frozen=True):
    """A proven `connect`: who connects, with which key, and what they ask for."""

    claims: Claims
    payload: ConnectPayload
    key: PublicKey
    known: bool
    """Whether the key was known before; else it was sent along, and a token has to allow it."""
    statement: Digest


def connect_claims(agent: AgentId, registry: AgentId, nonce: str, payload: bytes, now: datetime) -> Claims:
    """What an agent signs to connect."""
    return _claims("connect", agent, registry, nonce, payload, now, ())


def welcome_claims(orchestrator: AgentId, connecting: Connecting, payload: bytes, now: datetime) -> Claims:
    """What an orchestrator signs in answer."""
    claims = connecting.claims
    return _claims("welcome", orchestrator, claims.issuer, claims.id, payload, now, (connecting.statement,))


def proven(
    message: Message, nonce: str, registry: AgentId, known: Callable[[KeyId], Known | None], now: datetime
) -> Connecting:
    """Who connects. `known` finds an agent's key. That it has ended is told to whoever has proven to hold it, and to
    nobody else. Raises MessageRefused, KeyUnusable.
    """
    if len(message.payload) > PAYLOAD_MAX_BYTES:
        raise refusal("ACC320", f"{len(message.payload)} bytes, at most {PAYLOAD_MAX_BYTES} are allowed")
    parsed = parse_statement(message.statement)
    found = known(parsed.kid)
    key = found.key if found is not None else _sent_along(message.payload, parsed.kid)
    verify(parsed, key)
    claims = decode_claims(parsed.claims)
    if found is not None and claims.issuer != found.agent:
        raise _refusal("ACC772", "/iss", claims.issuer)
    _check(claims, "connect", registry, nonce, message.payload, now)
    payload = decode_payload(ConnectPayload, message.payload)
    if not payload.instance.startswith(f"{claims.issuer}#"):
        raise _refusal("ACC772", "/instance", payload.instance)
    if found is not None and found.ended:
        text = f"{REFUSALS['ACC662']}: it is {found.ended}"
        raise MessageRefused.of("ACC662", text, hint=HOW_TO_RENEW.format(name=key_name(found.agent)))
    return Connecting(claims, payload, key, found is not None, statement_digest(parsed.claims))


def welcomed(
    message: Message, sent: Message, agent: AgentId, nonce: str, trusted: Collection[KeyId], now: datetime,
) -> WelcomePayload:  # fmt: skip
    """What the orchestrator answers to `sent`, once it is sure that one of the trusted keys has signed it.

    A trusted key may be known by its id alone: then the answer itself holds it. Raises MessageRefused, KeyUnusable.
    """
    parsed = parse_statement(message.statement)
    if parsed.kid not in trusted:
        raise MessageRefused.of("ACC776", f"{REFUSALS['ACC776']}: {parsed.kid}", hint=HOW_TO_TRUST)
    payload = decode_payload(WelcomePayload, message.payload)
    key = payload.keys().get(parsed.kid)
    if key is None:
        raise _refusal("ACC776", "/kid", parsed.kid)
    verify(parsed, key)
    claims = decode_claims(parsed.claims)
    _check(claims, "welcome", agent, nonce, message.payload, now)
    if claims.inputs != (statement_digest(parse_statement(sent.statement).claims),):
        raise _refusal("ACC770", "/ins", str(claims.inputs))
    return payload


def _sent_along(payload: bytes, kid: KeyId) -> PublicKey:
    """The key in the payload. It proves no more than that the sender holds it: what it may do, the token says."""
    jwk = decode_payload(ConnectPayload, payload).key
    if jwk is None:
        raise MessageRefused.of("ACC771", f"{REFUSALS['ACC771']}: {kid}", hint=HOW_TO_ENROL)
    key = PublicKey.from_jwk(jwk)
    if key.kid != kid:
        raise _refusal("ACC775", "/key", key.kid)
    return key


def _check(claims: Claims, kind: Kind, audience: AgentId, nonce: str, payload: bytes, now: datetime) -> None:
    if claims.kind != kind or claims.id != nonce:
        raise _refusal("ACC770", "/jti", claims.id)
    flaw = claims_flaw(claims, (audience,), now)
    if flaw is not None:
        raise _refusal("ACC772" if flaw.kind == "audience" else "ACC773", flaw.pointer, flaw.seen)
    if claims.payload != payload_ref(payload):
        raise _refusal("ACC774", "/pld", f"{len(payload)} bytes")


def _claims(  # noqa: PLR0913 - the claims that both messages of a handshake have
    kind: Kind,
    issuer: AgentId,
    audience: AgentId,
    nonce: str,
    payload: bytes,
    now: datetime,
    inputs: tuple[Digest, ...],
) -> Claims:
    return Claims(
        issuer=issuer,
        audience=audience,
        id=nonce,
        issued_at=int(now.timestamp()),
        expires_at=int((now + VALID_FOR).timestamp()),
        kind=kind,
        payload=payload_ref(payload),
        inputs=inputs,
    )


def _refusal(code: str, pointer: str, seen: str) -> MessageRefused:
    return MessageRefused(Problem.ruled(REFUSALS, code, pointer, seen))
