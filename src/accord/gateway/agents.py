"""Agents over Socket.IO: the namespace `/agents`.

server ── challenge {nonce, registry} ──► agent
agent ── prove (statement, payload) ──► server     acknowledged with the welcome, or with problems
agent ── credit (total) ──► server                 so many assignments altogether it takes in this session
agent ── message (statement, payload) ──► server   acknowledged when the journal has it
agent ── return (statement, payload) ──► server    an assignment that it has not begun
server ── message (statement, payload) ──► agent   an assignment; acknowledged when it is received
server ── notice (scope, statement, payload) ──► agent
server ── leaving () ──► agent                     connect again, to another server
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from accord.domain.agent import registry_id
from accord.domain.handshake import Connecting, Known, WelcomePayload, proven, welcome_claims
from accord.domain.ids import InstanceId, KeyId
from accord.domain.message import PAYLOAD_MAX_BYTES, Message
from accord.domain.payloads import encode_payload
from accord.engine.parts import Parts
from accord.errors import AccordError, BadInput, Overloaded, Problem, StoreError
from accord.gateway.session import Reply, Session
from accord.loading.sockets import socketio

if TYPE_CHECKING:
    from accord.gateway.application import Gateway

logger = logging.getLogger("accord.gateway")

NAMESPACE: Final = "/agents"

_R = TypeVar("_R")


class AgentSockets(socketio.AsyncNamespace):  # type: ignore[misc]  # python-socketio comes without types
    """The connections of agents."""

    def __init__(self, parts: Parts, admit: Callable[[str, str], None]) -> None:
        """`admit` is told who is welcome; whoever is not is disconnected after a while."""
        super().__init__(NAMESPACE)
        self._parts = parts
        self._admit = admit
        self._nonces: dict[str, str] = {}
        self._answers: dict[str, asyncio.Task[dict[str, Any]]] = {}
        """To the proofs of the connections that there are."""
        self._sessions: dict[str, Session] = {}
        self._by_instance: dict[InstanceId, str] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        parts.registry.revoked.append(self._end_of_key)

    @property
    def connected(self) -> int:
        """How many instances are connected."""
        return len(self._sessions)

    # -- the handshake -------------------------------------------------------------------------------------------

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        """Challenge whoever comes."""
        nonce = self._nonces[sid] = secrets.token_hex(32)
        self._later(self._challenge(sid, nonce))

    async def on_prove(self, sid: str, *sent: object) -> dict[str, Any]:
        """Welcome an agent that proves who it is; a proof that comes twice is answered twice with the same."""
        answer = self._answers.get(sid)
        if answer is None:
            answer = self._answers[sid] = self._later(self._proven(sid, sent))
        told = await asyncio.shield(answer)
        if not told["ok"]:
            self._later(self.disconnect(sid))  # once it is told why
        return told

    async def _proven(self, sid: str, sent: tuple[object, ...]) -> dict[str, Any]:
        try:
            message, nonce = _message(sent), self._nonces.pop(sid, None)
            if nonce is None:
                raise BadInput.of("ACC787", "there is no challenge to answer", hint="connect anew")
            connecting = await self._connecting(message, nonce)
            welcome = await self._welcome(connecting)
            await self._begin(sid, connecting)
        except AccordError as error:
            logger.info("an agent was not let in: %s", error)
            return _told(Reply(ok=False, problems=error.problems, again=isinstance(error, StoreError | Overloaded)))
        links = self._parts.successions.chain()
        told = {"successions": msgspec.to_builtins(links)} if links else {}
        return {"ok": True, "statement": welcome.statement.decode("ascii"), "payload": welcome.payload, **told}

    async def _challenge(self, sid: str, nonce: str) -> None:
        registry = registry_id(self._parts.identity.organisation)
        await self.emit("challenge", {"nonce": nonce, "registry": registry}, to=sid)

    async def _connecting(self, message: Message, nonce: str) -> Connecting:
        parts, now = self._parts, self._parts.ports.clock.now()
        await parts.refresh_registry()
        await parts.successions.stream.refresh()
        connecting = proven(message, nonce, registry_id(parts.identity.organisation), self._known, now)
        if not connecting.known:
            token = connecting.payload.token or ""
            await parts.enrolment.redeem(token, connecting.claims.issuer, connecting.key, now)
        return connecting

    def _known(self, kid: KeyId) -> Known | None:
        known, now = self._parts.registry.known_key(kid), self._parts.ports.clock.now()
        if known is None or known.delegation is not None:
            return None
        return Known(known.agent, known.public, "" if known.usable(now) else known.state(now))

    async def _welcome(self, connecting: Connecting) -> Message:
        identity, tuning = self._parts.identity, self._parts.tuning
        payload = encode_payload(
            WelcomePayload(
                orchestrators=(identity.key.to_jwk(),),
                registry=registry_id(identity.organisation),
                heartbeat_s=tuning.absent_after.total_seconds() / 4,
            )
        )
        claims = welcome_claims(identity.id, connecting, payload, self._parts.ports.clock.now())
        (message,) = await self._parts.secretary.sign([(claims, payload)])
        return message

    async def _begin(self, sid: str, connecting: Connecting) -> None:
        earlier = self._by_instance.get(connecting.payload.instance)
        if earlier is not None:
            # The connection was lost, and nobody has noticed yet.
            await self._end(earlier)
            self._later(self.disconnect(earlier))
        session = Session(self._parts, connecting, partial(self._emit, sid), partial(self.disconnect, sid))
        self._sessions[sid] = session
        self._by_instance[session.instance] = sid
        self._admit(sid, NAMESPACE)
        await session.start(self._parts.departures.returned(session.instance))

    async def _emit(self, sid: str, event: str, data: tuple[object, ...], received: Callable[[], object]) -> None:
        await self.emit(event, data, to=sid, callback=lambda *_: received())

    # -- the session ---------------------------------------------------------------------------------------------

    async def on_message(self, sid: str, *sent: object) -> dict[str, Any]:
        """Carry what an agent sends."""
        return await self._answered(sid, sent, lambda session: session.receive)

    async def on_log(self, sid: str, *sent: object) -> None:
        """Hand on what an agent logs. Nobody is answered: what cannot be taken is lost."""
        session = self._sessions.get(sid)
        try:
            if session is not None:
                await session.hand_on_log(_message(sent))
        except AccordError as error:
            logger.info("what %s has logged is not taken: %s", session.instance if session is not None else sid, error)

    async def on_return(self, sid: str, *sent: object) -> dict[str, Any]:
        """Take an assignment back."""
        return await self._answered(sid, sent, lambda session: session.give_back)

    async def on_credit(self, sid: str, total: object = None, *_: object) -> dict[str, Any]:
        """Let an agent say how much it takes."""
        session = self._sessions.get(sid)
        if session is None or not isinstance(total, int) or total < 0:
            return _told(Reply(ok=False, problems=(_NO_CREDIT,)))
        session.allow(total)
        return _told(Reply(ok=True))

    async def on_disconnect(self, sid: str, reason: object = None) -> None:
        """End what was carried."""
        self._nonces.pop(sid, None)
        self._answers.pop(sid, None)
        await self._end(sid)

    async def _answered(
        self, sid: str, sent: tuple[object, ...], of: Callable[[Session], Callable[[Message], Awaitable[Reply]]]
    ) -> dict[str, Any]:
        session = self._sessions.get(sid)
        try:
            if session is None:
                raise BadInput.of(
                    "ACC787", "nobody has proven anything on this connection", hint="answer the challenge"
                )
            return _told(await of(session)(_message(sent)))
        except AccordError as error:
            return _told(Reply(ok=False, problems=error.problems, again=isinstance(error, StoreError | Overloaded)))

    async def _end(self, sid: str) -> None:
        session = self._sessions.pop(sid, None)
        if session is None:
            return
        if self._by_instance.get(session.instance) == sid:
            del self._by_instance[session.instance]
        had = await session.stop()
        self._parts.departures.left(session.instance, had, self._parts.ports.clock.now())

    # -- the end -------------------------------------------------------------------------------------------------

    async def leave(self) -> None:
        """Tell all agents to connect to another server."""
        await self.emit("leaving")

    def _end_of_key(self, kid: KeyId) -> None:
        """The key was revoked: whoever is connected with it is shown out at once."""
        for sid, session in self._sessions.items():
            if session.key == kid:
                self._later(self.disconnect(sid))

    async def close(self) -> None:
        """End all sessions."""
        self._parts.registry.revoked.remove(self._end_of_key)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(self._end(sid) for sid in list(self._sessions)), *self._tasks, return_exceptions=True)

    def _later(self, work: Coroutine[Any, Any, _R]) -> asyncio.Task[_R]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


@asynccontextmanager
async def agent_sockets(gateway: Gateway) -> AsyncIterator[AgentSockets]:
    """The namespace, as long as the gateway is open."""
    sockets = AgentSockets(gateway.node.parts, gateway.conversations.admit)
    gateway.sockets.register_namespace(sockets)
    gateway.on_drain.append(sockets.leave)
    try:
        yield sockets
    finally:
        await sockets.close()


_NO_CREDIT: Final = Problem("ACC788", "credit takes one whole number, after the welcome", hint="docs/protocol.md")


def _message(sent: tuple[object, ...]) -> Message:
    """Statement and payload as they were sent. Raises BadInput."""
    statement = sent[0] if sent else None
    payload = sent[1] if len(sent) > 1 and sent[1] is not None else b""
    if not isinstance(statement, str) or not isinstance(payload, bytes) or len(sent) > 2:
        raise BadInput.of("ACC789", "a message is two arguments: the statement as text, the payload as bytes")
    if len(payload) > PAYLOAD_MAX_BYTES:
        raise BadInput.of("ACC789", f"the payload has {len(payload)} bytes, at most {PAYLOAD_MAX_BYTES} are allowed")
    return Message(statement.encode("utf-8", "surrogatepass"), payload)


def _told(reply: Reply) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(reply)
    return told
