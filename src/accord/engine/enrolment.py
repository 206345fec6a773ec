"""Enrolment: which key may sign for which agent, what its cards may offer, and the tokens that allow it once.

What is said of agents is appended to `sys:registry` before it holds; which key signs for which, to `sys:delegations`.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Final

import msgspec

from accord.domain.agent import AgentCard, agent_id
from accord.domain.delegation import Delegation, refusal
from accord.domain.document import Document
from accord.domain.enrolment import EnrolmentToken, IssuedEnrolmentToken, Wanted
from accord.domain.ids import AgentId, Digest, KeyId
from accord.domain.signature import PublicKey, parse_statement
from accord.domain.system import (
    AgentEnrolled,
    CardAccepted,
    EnrolmentTokenIssued,
    EnrolmentTokenRevoked,
    KeyDelegated,
    KeyRetired,
    KeyRevoked,
    SystemEvent,
)
from accord.engine.registry import Registry
from accord.engine.streams import SystemStream
from accord.errors import BadInput, MessageRefused, NotFound, Problem
from accord.service import KnownKey

PREFIX: Final = "accord-enrol"
"""What every token begins with: `accord-enrol.<id>.<secret>.<key>`; the last part is the orchestrator's key, so that
the agent knows whom to believe."""

_NO_SECRET: Final = Digest("0" * 64)


Follow = Callable[[], Awaitable[None]]
"""Follows the stream, with the cards that others have accepted."""


class _Moved(Exception):
    """Others have appended something."""


class Terms(msgspec.Struct, frozen=True):
    """How one key takes the place of another."""

    overlap: timedelta
    """How long the old one is accepted beside it."""
    lifetime: timedelta | None
    """How long the new one may sign; None: it does not end by itself."""


class Enrolment:
    """The durable side of the registry."""

    def __init__(
        self, registry: Registry, stream: SystemStream, delegations: SystemStream, trust: KeyId, follow: Follow
    ) -> None:
        self._registry = registry
        self._stream = stream
        self._delegations = delegations
        self._trust = trust
        self._follow = follow
        self._tokens: dict[str, EnrolmentToken] = {}
        self._secrets: dict[str, Digest] = {}

    def apply(self, event: SystemEvent) -> None:
        """Fold an event of the stream `sys:registry`."""
        match event:
            case EnrolmentTokenIssued():
                self._secrets[event.token] = event.secret
                self._tokens[event.token] = EnrolmentToken(
                    id=event.token,
                    agent=event.agent,
                    offers=event.offers,
                    issued_at=event.at,
                    issued_by=event.by,
                    expires_at=event.expires_at,
                    key_valid_s=event.key_valid_s,
                )
            case EnrolmentTokenRevoked(token=token, at=at) if token in self._tokens:
                self._tokens[token] = msgspec.structs.replace(self._tokens[token], revoked_at=at)
            case AgentEnrolled(token=str(token), at=at) if token in self._tokens:
                self._tokens[token] = msgspec.structs.replace(self._tokens[token], used_at=at)

    # -- tokens --------------------------------------------------------------------------------------------------

    async def tokens(self) -> list[EnrolmentToken]:
        """All tokens that were ever issued, the oldest first."""
        await self._stream.refresh()
        return list(self._tokens.values())

    async def issue(self, wanted: Wanted, *, by: str, now: datetime) -> IssuedEnrolmentToken:
        """A new token, with its text, which nobody can be told again. Raises BadInput."""
        wanted.check()
        secret = secrets.token_hex(24)
        event = EnrolmentTokenIssued(
            at=now,
            token=secrets.token_hex(6),
            secret=_hashed(secret),
            agent=agent_id(wanted.organisation, wanted.name),
            offers=wanted.offers,
            by=by,
            expires_at=now + wanted.valid_for,
            key_valid_s=wanted.key_valid_for.total_seconds() if wanted.key_valid_for is not None else None,
        )
        await self._stream.append(event)
        text = f"{PREFIX}.{event.token}.{secret}.{self._trust}"
        return IssuedEnrolmentToken(token=self._tokens[event.token], text=text)

    async def withdraw(self, token: str, *, by: str, now: datetime) -> EnrolmentToken:
        """Let the token of this id allow nothing any more; again is no error. Raises NotFound."""
        await self._stream.refresh()
        known = self._tokens.get(token)
        if known is None:
            raise NotFound.of("ACC781", f"there is no enrolment token {token}", hint="accord agents enrolments")
        if known.revoked_at is None:
            await self._stream.append(EnrolmentTokenRevoked(at=now, token=token, by=by))
        return self._tokens[token]

    async def redeem(self, text: str, agent: AgentId, public: PublicKey, now: datetime) -> None:
        """Enrol the agent's key with a token, which is used up by it. Raises MessageRefused."""
        parts = text.split(".")
        token, secret = (parts[1], parts[2]) if len(parts) == 4 and parts[0] == PREFIX else ("", "")
        if token not in self._tokens:
            await self._stream.refresh()
        await self._delegations.refresh()  # what signs for another key is enrolled for nobody
        # Hashed and compared whether or not the token is known, so that the time tells nothing.
        if not hmac.compare_digest(_hashed(secret), self._secrets.get(token, _NO_SECRET)):
            raise MessageRefused.of("ACC782", "the enrolment token is not known here", hint=_HOW_TO_GET_ONE)
        allowed = self._tokens[token]
        event = AgentEnrolled(
            at=now,
            agent=agent,
            key=public.kid,
            jwk=public.to_jwk(),
            by=f"token {token}",
            token=token,
            offers=allowed.offers,
            expires_at=now + timedelta(seconds=allowed.key_valid_s) if allowed.key_valid_s is not None else None,
        )
        await self._stream.append(event, check=lambda: self._refuse_unusable(token, agent, public, now))

    def _refuse_unusable(self, name: str, agent: AgentId, public: PublicKey, now: datetime) -> None:
        known, token = self._registry.known_key(public.kid), self._tokens[name]
        if known is not None:
            raise _taken(public, known.agent)
        if token.agent != agent:
            raise MessageRefused.of("ACC783", f"the token is for {token.agent}, not for {agent}", hint=_HOW_TO_GET_ONE)
        if not token.usable(now):
            why = "was used already" if token.used_at else "was revoked" if token.revoked_at else "has expired"
            raise MessageRefused.of("ACC784", f"the enrolment token {why}", hint=_HOW_TO_GET_ONE)

    # -- keys ----------------------------------------------------------------------------------------------------

    async def enrol(
        self, agent: AgentId, public: PublicKey, *, by: str, now: datetime, expires_at: datetime | None = None
    ) -> None:
        """Let the agent sign with this key, until then; nothing happens when it may already. Raises MessageRefused
        for another's key, and for one that has ended.
        """
        if self._is_enrolled(agent, public, now):
            return
        await self._delegations.refresh()
        jwk = public.to_jwk()
        event = AgentEnrolled(at=now, agent=agent, key=public.kid, jwk=jwk, by=by, expires_at=expires_at)
        try:
            await self._stream.append(event, check=lambda: self._refuse_enrolled(agent, public, now))
        except _Moved:
            return  # another process has enrolled it meanwhile

    def _is_enrolled(self, agent: AgentId, public: PublicKey, now: datetime) -> bool:
        """Whether the agent may sign with this key already. Raises as `enrol` does."""
        known = self._registry.known_key(public.kid)
        if known is None:
            return False
        if known.agent != agent:
            raise _taken(public, known.agent)
        if not known.usable(now):
            hint = "make a new key; one of this home with: accord keys rotate"
            raise MessageRefused.of("ACC712", f"the key {public.kid} of {agent} is {known.state(now)}", hint=hint)
        return True

    def _refuse_enrolled(self, agent: AgentId, public: PublicKey, now: datetime) -> None:
        if self._is_enrolled(agent, public, now):
            raise _Moved

    async def revoke(self, kid: KeyId, *, by: str, reason: str, now: datetime, since: datetime | None = None) -> None:
        """Accept nothing more under this key; again only says more of since when it is in doubt.

        Raises:
            NotFound: nobody knows it.
            BadInput: `since` is in the future.
        """
        await self._follow()
        known = self._known(kid)
        if since is not None and since > now:
            hint = "to end a key later, give it a successor: accord keys rotate"
            raise BadInput.of("ACC785", f"{since.isoformat()} is in the future", hint=hint)
        sooner = since is not None and (known.doubtful_from is None or since < known.doubtful_from)
        if known.revoked_at is None or sooner:
            event = KeyRevoked(at=now, agent=known.agent, key=kid, by=by, reason=reason, since=since)
            await self._stream.append(event)

    async def succeed(self, old: KeyId, new: PublicKey, terms: Terms, *, by: str, now: datetime) -> None:
        """Let an agent sign with a new key, for what the old one could, and with the old one no longer than said.
        Raises NotFound for the old one.
        """
        await self._stream.refresh()
        known = self._known(old)
        agent, jwk = known.agent, new.to_jwk()
        await self._stream.append(
            AgentEnrolled(
                at=now,
                agent=agent,
                key=new.kid,
                jwk=jwk,
                by=by,
                offers=known.offers,
                expires_at=now + terms.lifetime if terms.lifetime is not None else None,
            ),
            KeyRetired(at=now, agent=agent, key=old, until=now + terms.overlap, by=by),
        )

    async def delegate(self, delegation: Delegation, statement: str, now: datetime) -> None:
        """Let a key sign for the one that has said so in this statement; again is no change. Raises MessageRefused."""
        if self._is_delegated(delegation):
            return
        event = KeyDelegated(
            at=now,
            agent=delegation.issuer,
            key=delegation.key.kid,
            jwk=delegation.key.to_jwk(),
            parent=delegation.bounds.parent,
            until=delegation.bounds.until,
            kinds=delegation.bounds.kinds,
            statement=statement,
        )
        try:
            await self._delegations.append(event, check=lambda: self._refuse_delegation(delegation, now))
        except _Moved:
            return  # another replica has heard it as well, and was quicker

    def _is_delegated(self, delegation: Delegation) -> bool:
        known = self._registry.known_key(delegation.key.kid)
        return known is not None and known.agent == delegation.issuer and known.delegation == delegation.bounds

    def _refuse_delegation(self, delegation: Delegation, now: datetime) -> None:
        """Why this cannot be delegated, by what is known of the keys: the end of a chain is never the middle of one.
        What is said of the key behind it at the same time, in the other stream, goes for the delegated one as well.
        """
        if self._is_delegated(delegation):
            raise _Moved
        parent = self._registry.known_key(delegation.bounds.parent)
        if self._registry.known_key(delegation.key.kid) is not None or delegation.key.kid == self._trust:
            raise refusal("ACC356", "/dlg/jwk", "the key is known already")
        if parent is None:
            if delegation.bounds.parent != self._trust:
                raise refusal("ACC358", "/kid", delegation.bounds.parent)
        elif parent.delegation is not None or parent.agent != delegation.issuer:
            raise refusal("ACC356", "/kid", "the key behind it is a delegated one, or another's")
        elif not parent.usable(now):
            raise refusal("ACC358", "/kid", delegation.bounds.parent)
        elif any(end is not None and end < delegation.bounds.until for end in (parent.retires_at, parent.expires_at)):
            raise refusal("ACC356", "/exp", "it would outlive the key behind it")

    def _known(self, kid: KeyId) -> KnownKey:
        known = self._registry.known_key(kid)
        if known is None:
            raise NotFound.of("ACC713", f"no key {kid} is known", hint="accord agents show lists an agent's keys")
        return known

    # -- cards ---------------------------------------------------------------------------------------------------

    async def register(self, card: AgentCard, document: Document, statement: str, now: datetime) -> None:
        """Accept an authentic card: remember what it offers, and let the instance in. Raises MessageRefused with
        all problems.
        """
        self._refuse_wrong(card, statement)
        while not self._registry.is_offered(card):
            known = self._stream.sequence
            accepted = CardAccepted(at=now, agent=card.agent, card=document, statement=statement)
            try:
                await self._stream.append(accepted, check=partial(self._refuse_moved, known))
            except _Moved:
                # Another replica, which has heard the same card or another one, was quicker.
                await self._follow()
                self._refuse_wrong(card, statement)
            else:
                break
        self._registry.remember_card(card)
        self._registry.arrive(card, now)

    def _refuse_wrong(self, card: AgentCard, statement: str) -> None:
        problems = (*self._registry.card_problems(card), *self._beyond_key(card, statement))
        if problems:
            refusal = MessageRefused(*problems)
            self._registry.refuse(card.agent, refusal)
            raise refusal

    def _refuse_moved(self, known: int) -> None:
        if self._stream.sequence != known:
            raise _Moved

    def _beyond_key(self, card: AgentCard, statement: str) -> list[Problem]:
        """What the card offers and the key that signed it may not."""
        key = self._registry.known_key(parse_statement(statement.encode()).kid)
        refused = [] if key is None else [one.ref for one in card.contracts() if not key.allows(one.ref)]
        hint = f"it may offer {', '.join(key.offers)}" if key else None
        return [Problem("ACC719", f"the agent was not enrolled for {ref}", hint=hint) for ref in refused]


_HOW_TO_GET_ONE: Final = "an admin makes a token with: accord agents enrol NAME"


def _taken(public: PublicKey, agent: AgentId) -> MessageRefused:
    return MessageRefused.of("ACC712", f"the key {public.kid} is {agent}'s, or revoked", hint="make a new key")


def _hashed(secret: str) -> Digest:
    return Digest(sha256(secret.encode("utf-8", "surrogateescape")).hexdigest())
