"""Succession: an orchestrator's key says which one takes its place. Whoever believes the old one believes the new one.

    key ── succeed: `dlg` holds the next key ──► key ── succeed ──► …

Each link is signed by the key before it and holds for ever: that is how agents, and those who verify old bundles, come
from the key that they were given once to the one that signs today. Nobody follows backwards.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec

from accord.domain.agent import orchestrator_id
from accord.domain.checkpoint import FOR_EVER
from accord.domain.ids import AgentId, KeyId
from accord.domain.message import Claims, Grant, decode_claims
from accord.domain.signature import PublicKey, parse_statement, verify
from accord.errors import AccordError, MessageRefused, Problem

LINKS_MAX: Final = 16
"""How many successions are told and followed at once: who has missed more of them has to be given a key anew."""

REFUSALS: Final[dict[str, str]] = {
    "ACC667": "the succession of the orchestrator's keys is too long",
    "ACC668": "the succession of the orchestrator's keys does not hold",
}


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A succession as it is told."""

    jwk: Annotated[dict[str, str], msgspec.Meta(max_length=8)]
    """The key before, which has signed."""
    statement: str


def succession_claims(organisation: str, key: PublicKey, now: datetime) -> Claims:
    """What an orchestrator's key signs, so that this one takes its place."""
    return _claims(orchestrator_id(organisation), key, int(now.timestamp()))


def _claims(issuer: AgentId, key: PublicKey, issued_at: int) -> Claims:
    return Claims(
        issuer=issuer,
        audience=issuer,
        id=f"succession/{key.kid}",
        issued_at=issued_at,
        expires_at=FOR_EVER,
        kind="succeed",
        grant=Grant(key.to_jwk(), ("succeed",)),
    )


def successor(claims: Claims, before: KeyId, issuer: AgentId) -> PublicKey:
    """The key that takes the place of this one, by its authentic claims. Raises MessageRefused."""
    if claims.kind != "succeed" or claims.grant is None:
        raise refusal("ACC668", "/knd", claims.kind)
    if claims.issuer != issuer:
        raise refusal("ACC668", "/iss", claims.issuer)
    try:
        key = PublicKey.from_jwk(claims.grant.jwk)
    except AccordError as error:
        raise refusal("ACC668", "/dlg/jwk", error.problems[0].message) from None
    if claims != _claims(issuer, key, claims.issued_at):
        raise refusal("ACC668", "", "it has other claims than a succession")
    if key.kid == before:
        raise refusal("ACC668", "/dlg/jwk", "the key succeeds itself")
    return key


def followed(links: Sequence[Link], issuer: AgentId) -> list[PublicKey]:
    """The keys of a chain, the oldest first; none where there is no link.

    Raises MessageRefused: ACC667 it is too long; ACC668 a link was not signed by the key before it, or by another
    issuer, or does not go on from the one before.
    """
    if len(links) > LINKS_MAX:
        raise refusal("ACC667", "", f"{len(links)} links, at most {LINKS_MAX} are allowed")
    keys: list[PublicKey] = []
    for index, link in enumerate(links):
        try:
            before = PublicKey.from_jwk(link.jwk)
            parsed = parse_statement(link.statement.encode("utf-8", "surrogatepass"))
            verify(parsed, before)
            key = successor(decode_claims(parsed.claims), before.kid, issuer)
        except AccordError as error:
            raise refusal("ACC668", f"/{index}", error.problems[0].message) from error
        if keys and keys[-1].kid != before.kid:
            raise refusal("ACC668", f"/{index}", f"it goes on from {before.kid}, not from {keys[-1].kid}")
        if key.kid in {before.kid, *(one.kid for one in keys)}:
            raise refusal("ACC668", f"/{index}", f"{key.kid} is in it twice")
        keys += [key] if keys else [before, key]
    return keys


def heirs(links: Sequence[Link], trusted: Collection[KeyId], issuer: AgentId) -> dict[KeyId, PublicKey]:
    """The first key of the chain that is trusted, and all that came after it. Raises MessageRefused as `followed`."""
    keys = followed(links, issuer)
    first = next((index for index, key in enumerate(keys) if key.kid in trusted), len(keys))
    return {key.kid: key for key in keys[first:]}


def refusal(code: str, pointer: str, seen: str) -> MessageRefused:
    """The error for one of `REFUSALS`, with what was seen instead."""
    return MessageRefused(Problem.ruled(REFUSALS, code, pointer, seen))
