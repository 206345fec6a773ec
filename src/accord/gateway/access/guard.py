"""The guard: who shows a credential, and whether they may. HTTP, Socket.IO and feeds all ask here."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Final, Protocol

from accord.domain.access import RIGHTS, Principal, Right
from accord.domain.ids import RunId
from accord.engine.access import HOW_TO_GET_ONE, PREFIX, Access
from accord.engine.permission import Permission
from accord.engine.sessions import PREFIX as SESSION
from accord.engine.sessions import Credential, Sessions
from accord.errors import AccordError, Forbidden, Unauthenticated
from accord.gateway.access.rates import Rates

TOKEN_MAX_CHARACTERS: Final = 16_384
"""A longer one is no credential of anybody's, and is not looked into."""


ASKED_AGAIN_S: Final = 30.0
"""How often a credential is looked at of somebody who stays connected."""

logger = logging.getLogger("accord.gateway")


class Tokens(Protocol):
    """Whoever can tell the principal of a bearer token that is no API key."""

    def end_of(self, token: str) -> datetime:
        """When a token ends that was accepted."""
        ...

    async def principal_of(self, token: str) -> Principal:
        """The principal. Raises Unauthenticated."""
        ...


class Guard:
    """Turns credentials into principals: API keys and sessions are the node's, other tokens are left to `tokens`."""

    def __init__(
        self, access: Access, sessions: Sessions, permission: Permission, rates: Rates, tokens: Tokens | None = None
    ) -> None:
        self._access = access
        self._sessions = sessions
        self._permission = permission
        self._rates = rates
        self._tokens = tokens

    async def principal_of(self, token: str | None) -> Principal:
        """Who shows this token; counts as one request of theirs.

        Raises:
            Unauthenticated: ACC650 there is none, or what is wrong with it.
            RateLimited: they ask too often.
        """
        principal = await self._principal_of(token)
        self._rates.take(principal.credential)
        return principal

    async def permitted(self, token: str | None, right: Right, run: RunId | None = None) -> Principal:
        """Who shows this token, once it is sure that they may do this: to a run, or where none is named, to the
        orchestrator as a whole. Raises Forbidden as well.
        """
        principal = await self.principal_of(token)
        await self._permission.require(principal, right, run)
        return principal

    async def credential_of(self, token: str | None) -> Credential:
        """What a session may rest on that begins with this token; counts as one request. Raises Unauthenticated,
        RateLimited.
        """
        principal = await self.principal_of(token)
        if token is not None and token.startswith(SESSION):
            session = await self._sessions.session_of(token)
            return Credential(principal=principal, key=session.key, until=session.expires_at)
        if token is not None and self._tokens is not None and not token.startswith(PREFIX):
            return Credential(principal=principal, until=self._tokens.end_of(token))
        return Credential(principal=principal, key=principal.credential)

    async def rights_of(self, principal: Principal, run: RunId | None = None) -> tuple[Right, ...]:
        """What a principal may do to a run, or where none is named, to the orchestrator as a whole."""
        found: list[Right] = []
        for right in RIGHTS:
            try:
                await self._permission.require(principal, right, run)
            except Forbidden:
                continue
            found.append(right)
        return tuple(found)

    async def outlasted(self, token: str | None, right: Right, run: RunId | None = None) -> Unauthenticated | Forbidden:
        """Wait until the token opens no longer what it does now, for connections that last; returns why."""
        while True:
            await asyncio.sleep(ASKED_AGAIN_S)
            try:
                await self._permission.require(await self._principal_of(token), right, run)
            except (Unauthenticated, Forbidden) as error:
                return error
            except AccordError as error:
                logger.warning("whether a credential still holds cannot be told: %s", error)

    async def _principal_of(self, token: str | None) -> Principal:
        if not token:
            raise Unauthenticated.of("ACC650", "this takes a credential", hint=HOW_TO_GET_ONE)
        if len(token) <= TOKEN_MAX_CHARACTERS:
            if token.startswith(PREFIX):
                return await self._access.principal_of(token)
            if token.startswith(SESSION):
                return (await self._sessions.session_of(token)).principal
            if self._tokens is not None:
                return await self._tokens.principal_of(token)
        raise Unauthenticated.of("ACC651", "the credential is no API key", hint=HOW_TO_GET_ONE)
