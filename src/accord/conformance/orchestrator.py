"""A scripted orchestrator: it speaks the protocol as a real one does, and remembers all that an agent sends.

It does not journal and does not retry; so it can leave out an acknowledgement, sign with another key, and cut a
connection when an examination wants that.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar

import msgspec
import uvicorn

from accord.conformance.asked import Asked
from accord.conformance.rules import BY_CODE
from accord.conformance.uploads import Uploaded, uploads_app
from accord.domain.agent import registry_id
from accord.domain.handshake import Connecting, Known, WelcomePayload, proven, welcome_claims
from accord.domain.ids import AgentId, KeyId
from accord.domain.ingress import claims_flaw, payload_flaw
from accord.domain.message import Claims, Message, decode_claims, encode_claims
from accord.domain.payloads import encode_payload
from accord.domain.signature import attach, parse_statement, signing_input, verify
from accord.errors import AccordError, BadInput
from accord.keys.private import PrivateKey
from accord.loading.sockets import socketio

NAMESPACE: Final = "/agents"

ANSWERS: Final = frozenset(("result", "failure"))
"""What ends an attempt; their payloads are looked at with the attempt."""

_LATER: Final = {"code": "ACC786", "message": "this is an examination: send it again"}

Forged = Literal["", "key", "nonce"]
"""What is wrong with the welcome: nothing, who has signed it, or which connection it is about."""

T = TypeVar("T")


class Received(msgspec.Struct, frozen=True):
    """An authentic message of the agent."""

    claims: Claims
    message: Message
    session: int
    """The how manieth connection of the agent it came over."""


class Credit(msgspec.Struct, frozen=True):
    """How much the agent takes, as it said at one time."""

    total: object
    session: int
    sent: int
    """How many assignments had been sent to it in this session."""
    before: int
    """How many messages of the agent had come before."""


class Orchestrator:
    """What an agent under examination talks to. `url` and `token` are what it is started with."""

    def __init__(self, url: str, asked: Asked, forged: Forged = "") -> None:
        organisation = asked.organisation
        self.url = url
        self.heartbeat_s = asked.heartbeat_s
        self.key = PrivateKey.generate("ES256")
        self.id = AgentId(f"spiffe://{organisation}/orchestrator/conformance")
        self.registry = registry_id(organisation)
        self.token = f"accord-enrol.{secrets.token_hex(8)}.{secrets.token_hex(16)}.{self.key.public.kid}"
        self.connections: list[Connecting] = []
        self.received: list[Received] = []
        self.credits: list[Credit] = []
        self.uploads: list[Uploaded] = []
        self.faults: dict[str, list[str]] = defaultdict(list)
        """What was wrong with what came, by the name of the rule that it breaks."""
        self.served: dict[str, bytes] = {}
        """Large documents that may be fetched, by their digests."""
        self.forged = forged
        self.withheld = False
        """Whether what comes now gets no acknowledgement."""
        self.puts_off = False
        """Whether the next answer is to be sent again."""
        self.sent = 0
        """How many assignments this session has had."""
        self.touched = 0
        """How much came after the last welcome of any kind."""
        self._changed = asyncio.Condition()
        self._nonces: dict[str, str] = {}
        self._sid = ""
        self._known: dict[KeyId, Known] = {}
        self.sockets = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], max_http_buffer_size=32 << 20)
        self.app = socketio.ASGIApp(self.sockets, other_asgi_app=uploads_app(self))
        self.sockets.on("connect", self._connected, namespace=NAMESPACE)
        self.sockets.on("prove", self._proved, namespace=NAMESPACE)
        self.sockets.on("message", self._came, namespace=NAMESPACE)
        self.sockets.on("credit", self._credited, namespace=NAMESPACE)
        self.sockets.on("return", self._returned, namespace=NAMESPACE)
        self.sockets.on("disconnect", self._gone, namespace=NAMESPACE)

    # -- what an examination does ------------------------------------------------------------------------------------

    async def until(self, found: Callable[[], T | None], within_s: float) -> T | None:
        """What the function finds, as soon as it finds something; None where it has not in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s), self._changed:
                while (value := found()) is None:
                    await self._changed.wait()
                return value
        return None

    def signed(self, claims: Claims, payload: bytes, key: PrivateKey | None = None) -> Message:
        """The message, signed with our key or this one."""
        signer = key or self.key
        own_input = signing_input(signer.public.kid, signer.public.algorithm, encode_claims(claims))
        (signature,) = signer.sign([own_input])
        return Message(attach(own_input, signature), payload)

    async def send(self, message: Message, within_s: float) -> bool:
        """Send an assignment; whether the agent has acknowledged it in time."""
        self.sent += 1
        return await self._emitted("message", (message.statement.decode(), message.payload), within_s)

    async def notify(self, message: Message, within_s: float, scope: str = "agent") -> bool:
        """Send a notice; whether it was acknowledged in time."""
        return await self._emitted("notice", (scope, message.statement.decode(), message.payload), within_s)

    async def leave(self) -> None:
        """Say that this server stops soon."""
        await self.sockets.emit("leaving", to=self._sid, namespace=NAMESPACE)

    async def _emitted(self, event: str, arguments: tuple[object, ...], within_s: float) -> bool:
        acknowledged = asyncio.Event()
        await self.sockets.emit(
            event, arguments, to=self._sid, namespace=NAMESPACE, callback=lambda *_: acknowledged.set()
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await acknowledged.wait()
        return acknowledged.is_set()

    async def note(self) -> None:
        """Let those who wait look again."""
        async with self._changed:
            self._changed.notify_all()

    # -- what comes --------------------------------------------------------------------------------------------------

    async def _connected(self, sid: str, environ: object, auth: object = None) -> None:
        self._nonces[sid] = secrets.token_hex(32)
        self.sockets.start_background_task(self._challenge, sid)

    async def _challenge(self, sid: str) -> None:
        told = {"nonce": self._nonces[sid], "registry": self.registry}
        await self.sockets.emit("challenge", told, to=sid, namespace=NAMESPACE)

    async def _proved(self, sid: str, *sent: object) -> dict[str, Any]:
        now = datetime.now(UTC)
        try:
            message = _message(sent)
            connecting = proven(message, self._nonces.get(sid, ""), self.registry, self._known.get, now)
        except AccordError as error:
            return await self._refused("connect", str(error))
        if parse_statement(message.statement).batched:
            return await self._refused("connect", "the statement came in a batch")
        if not connecting.known and connecting.payload.token != self.token:
            return await self._refused("enrolment", "the key came with another token than the one that was given")
        if not self.forged:
            self._known[connecting.key.kid] = Known(connecting.claims.issuer, connecting.key)
        self._sid, self.sent = sid, 0
        self.connections.append(connecting)
        await self.note()
        welcome = self._welcome(connecting, now)
        return {"ok": True, "statement": welcome.statement.decode(), "payload": welcome.payload}

    def _welcome(self, connecting: Connecting, now: datetime) -> Message:
        """Forged, it is right in all but the key, which is one that nobody has told the agent, or the nonce."""
        key = PrivateKey.generate("ES256") if self.forged == "key" else self.key
        told = WelcomePayload(
            orchestrators=(key.public.to_jwk(),), registry=self.registry, heartbeat_s=self.heartbeat_s
        )
        payload = encode_payload(told)
        claims = welcome_claims(self.id, connecting, payload, now)
        if self.forged == "nonce":
            claims = msgspec.structs.replace(claims, id=secrets.token_hex(32))
        return self.signed(claims, payload, key)

    async def _refused(self, rule: str, text: str) -> dict[str, Any]:
        self.faults[rule].append(text)
        await self.note()
        return {"ok": False, "problems": [{"code": "ACC770", "message": text}], "again": False}

    async def _came(self, sid: str, *sent: object) -> dict[str, Any]:
        self.touched += 1
        withheld, again = self.withheld, False
        try:
            read = self.read(_message(sent))
            again = self._put_off(read)
            self.received.append(read)
        except AccordError as error:
            self.blame(error)
        await self.note()
        if withheld:
            await asyncio.Event().wait()  # until the server ends: there is no acknowledgement
        return {"ok": False, "problems": [_LATER], "again": True} if again else {"ok": True}

    def _put_off(self, read: Received) -> bool:
        if not self.puts_off or read.claims.kind not in ANSWERS:
            return False
        self.puts_off = False
        return True

    def blame(self, error: AccordError) -> None:
        """Keep what was wrong with a message, under the rule that it breaks."""
        self.faults[BY_CODE.get(error.problems[0].code, "claims")].append(str(error))

    def read(self, message: Message) -> Received:
        """The authentic message of the agent that has connected. Raises AccordError where it is none."""
        parsed = parse_statement(message.statement)
        connecting = self.connections[-1] if self.connections else None
        if connecting is None or parsed.kid != connecting.key.kid:
            raise BadInput.of("ACC340", f"the key {parsed.kid} is not the one that has connected")
        verify(parsed, connecting.key)
        claims = decode_claims(parsed.claims)
        if claims.issuer != connecting.claims.issuer:
            raise BadInput.of("ACC341", f"/iss is {claims.issuer}")
        audience = self.registry if claims.kind in ("card", "heartbeat") else self.id
        flaw = claims_flaw(claims, (audience,), datetime.now(UTC))
        if flaw is not None:
            raise BadInput.of("ACC342", f"{claims.kind}: {flaw.pointer} is {flaw.seen}")
        if claims.kind not in ("upload", "fetch", *ANSWERS) and payload_flaw(claims, message.payload) is not None:
            raise BadInput.of("ACC352", f"{claims.kind}: the payload is not the one that was signed")
        return Received(claims, message, len(self.connections))

    async def _credited(self, sid: str, total: object = None, *_: object) -> dict[str, Any]:
        self.touched += 1
        self.credits.append(Credit(total, len(self.connections), self.sent, len(self.received)))
        await self.note()
        return {"ok": True}

    async def _returned(self, sid: str, *_: object) -> dict[str, Any]:
        return {"ok": True}

    async def _gone(self, sid: str, reason: object = None) -> None:
        self._nonces.pop(sid, None)
        await self.note()


class Served:
    """An orchestrator on a socket."""

    def __init__(self, orchestrator: Orchestrator, server: uvicorn.Server) -> None:
        self.orchestrator = orchestrator
        self._server = server

    def cut(self) -> None:
        """Lose all connections, as a network does: without a word."""
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()


class _Server(uvicorn.Server):
    """Uvicorn, without its signal handlers."""

    listening: asyncio.Event

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(taken: socket.socket, url: str, asked: Asked, forged: Forged = "") -> AsyncIterator[Served]:
    """A scripted orchestrator with a key of its own that listens inside."""
    orchestrator = Orchestrator(url, asked, forged)
    config = uvicorn.Config(
        orchestrator.app,
        lifespan="off",
        ws="websockets-sansio",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    server.listening = asyncio.Event()
    running = asyncio.create_task(server.serve(sockets=[taken]), name="accord-conformance")
    started = asyncio.create_task(server.listening.wait())
    await asyncio.wait([running, started], return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    served = Served(orchestrator, server)
    try:
        yield served
    finally:
        await orchestrator.sockets.shutdown()
        served.cut()
        server.should_exit = True
        await running


def _message(sent: tuple[object, ...]) -> Message:
    if len(sent) != 2 or not isinstance(sent[0], str) or not isinstance(sent[1], bytes):
        raise BadInput.of("ACC789", "a message is two arguments: the statement as text, the payload as binary")
    try:
        return Message(sent[0].encode("ascii"), sent[1])
    except UnicodeEncodeError:
        raise BadInput.of("ACC303", "the statement holds other than ASCII characters") from None
