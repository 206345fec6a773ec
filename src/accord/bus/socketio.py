"""The bus of an agent's own process: a Socket.IO connection to an orchestrator's gateway (`docs/protocol.md`).

What is published is acknowledged by the server when the journal has it; what comes waits in an in-process bus. A
connection that is lost is made again, with back-off; what has no acknowledgement yet is sent again, the same bytes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, Protocol, Self

import aiohttp
import msgspec

from accord.bus.memory import MemoryBus
from accord.domain.agent import orchestrator_id, registry_id
from accord.domain.handshake import (
    ConnectPayload,
    WelcomePayload,
    connect_claims,
    welcomed,
)
from accord.domain.ids import AgentId, Digest, InstanceId, KeyId
from accord.domain.message import Message, encode_claims
from accord.domain.payloads import encode_payload
from accord.domain.signature import PublicKey, parse_statement, statement_digest
from accord.domain.succession import Link, heirs, refusal
from accord.errors import AccordError, BusUnavailable, KeyUnusable, MessageRefused, Overloaded, Problem
from accord.loading.sockets import socketio
from accord.ports import (
    LOGS_SUBJECT,
    Clock,
    Delivery,
    Inbox,
    KeyStore,
    Parcel,
    agent_subject,
    is_notice,
    notice_subject,
)
from accord.recent import Recent
from accord.statements import Draft, Signer
from accord.tls import SYSTEM, TlsFiles, meaning

logger = logging.getLogger("accord.connection")

NAMESPACE: Final = "/agents"
CONNECTED_WITHIN_S: Final = 30.0
"""Long, since a server whose agents all come at once needs its time: who gives up and comes again takes more of it."""

ACKNOWLEDGED_WITHIN_S: Final = 45.0
"""Longer than a server waits for the journal."""

BACKOFF_FIRST_S: Final = 0.25
BACKOFF_MAX_S: Final = 10.0
GIVEN_BACK_WITHIN_S: Final = 3.0
CLOSED_WITHIN_S: Final = 1.0
BEGUN_MAX: Final = 4096
"""Assignments that are remembered as begun: the network may say them twice, and the second is given back to nobody."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Who connects, and whom they believe."""

    agent: AgentId
    organisation: str
    instance: InstanceId
    keys: KeyStore
    key: PublicKey
    trusted: frozenset[KeyId]
    """The orchestrator's keys that are believed when the first connection is made; it tells those of its peers."""
    token: str | None = None
    """Allows the key to be enrolled, where it is not known to the orchestrator yet."""


class Watch(Protocol):
    """Is told how it is with a connection, once for each change."""

    def lost(self, why: str) -> None:
        """There is none; it is tried again until there is."""
        ...

    def joined(self) -> None:
        """There is one, the first or again."""
        ...


class _Silent:
    """Tells nobody."""

    def lost(self, why: str) -> None:
        """Nobody wants to know."""

    def joined(self) -> None:
        """Nobody wants to know."""


SILENT: Final[Watch] = _Silent()


class _Lost(Exception):
    """The connection is gone."""


class SocketBus:
    """One instance's connection; open it with `open`."""

    def __init__(self, url: str, member: Member, clock: Clock, watch: Watch = SILENT, tls: TlsFiles = SYSTEM) -> None:
        self._url = url
        self._tls: ssl.SSLContext | bool = tls.context() if url.startswith("https:") else True
        self._watch = watch
        self._told_lost = False
        self._member = member
        self._clock = clock
        self._local = MemoryBus(bound=1 << 20)
        self._connection: _Connection | None = None
        self._joined = asyncio.Event()
        self._wanted = 0
        self._begun: Recent[Digest, None] = Recent(BEGUN_MAX)
        self.trust: dict[KeyId, PublicKey] = {}
        """The keys of the orchestrators that may assign, as the last welcome told them."""
        self.heartbeat = timedelta()
        """How often the last welcome wants heartbeats; zero before the first."""
        self.joined: list[Callable[[], None]] = []
        """Called after each welcome: a server that was started again, or another one, knows of no instance."""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Raises what the server has refused for good: there will be no further connection."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, member: Member, clock: Clock, watch: Watch = SILENT, tls: TlsFiles = SYSTEM
    ) -> AsyncIterator[Self]:
        """A bus that is connected, and stays so; `watch` is told when it is not, also before it is for the first time.

        Raises:
            BadInput: ACC860 a file with certificates cannot be used.
            MessageRefused: the server does not let this agent in, or is none that it trusts.
        """
        bus = cls(url, member, clock, watch, tls)
        loop = asyncio.create_task(bus._stay_connected(), name="accord-connection")
        try:
            await bus._welcome()
            yield bus
            await bus._give_back()
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            if bus.ended.done():
                bus.ended.exception()

    # -- the port ------------------------------------------------------------------------------------------------

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        """Hand over; returns when the server has acknowledged all of them. Waits while there is no connection."""
        logs = [parcel.message for parcel in parcels if parcel.subject == LOGS_SUBJECT]
        if logs:
            await self._log(logs)
        await asyncio.gather(*(self._send(parcel.message) for parcel in parcels if parcel.subject != LOGS_SUBJECT))

    async def hand_over(self, parcel: Parcel) -> None:
        """As `publish`."""
        await self._send(parcel.message)

    @asynccontextmanager
    async def inbox(self, subject: str) -> AsyncIterator[Inbox]:
        """An open inbox of what comes for this instance."""
        async with self._local.inbox(subject) as inbox:
            yield inbox if is_notice(subject) else _Credited(inbox, self._want, self._begun)

    async def depth(self, subject: str) -> int:
        """How many messages have come and wait here."""
        return await self._local.depth(subject)

    # -- what goes out -------------------------------------------------------------------------------------------

    async def _send(self, message: Message) -> None:
        answer = await self._asked("message", message)
        if answer.get("ok"):
            return
        problems = "; ".join(map(str, _problems(answer)))
        if answer.get("again"):
            raise Overloaded.of("ACC791", f"the server has not taken the message yet: {problems}")
        # It would be refused again; the server has kept it as an incident.
        logger.error("the server refused a message: %s", problems)

    async def _log(self, messages: Sequence[Message]) -> None:
        """Hand over what nobody acknowledges: a server that knows no logs says nothing to it. Raises BusUnavailable."""
        await self._joined.wait()
        connection = self._connection
        try:
            for message in messages:
                if connection is None:
                    raise _Lost
                await connection.tell("log", _arguments(message))
        except _Lost as lost:
            raise BusUnavailable.of("ACC485", "the connection was lost while log lines were sent") from lost

    async def _asked(self, event: str, message: Message) -> dict[str, Any]:
        """The server's acknowledgement, over whichever connection it comes."""
        while True:
            await self._joined.wait()
            connection = self._connection
            try:
                if connection is not None:
                    return await connection.ask(event, _arguments(message))
            except _Lost:
                pass
            await asyncio.sleep(0)  # whoever looks after the connection has to notice that it is lost

    async def _want(self, room: int) -> None:
        self._wanted = room
        if self._connection is not None:
            await self._connection.allow(room - await self._local.depth(agent_subject(self._member.agent)))

    async def _give_back(self) -> None:
        """What has come and was not begun is for other instances."""
        subject = agent_subject(self._member.agent)
        if self._connection is None or not await self._local.depth(subject):
            return
        async with self._local.inbox(subject) as inbox:
            left = await inbox.take(await self._local.depth(subject))
            left_over = {_name(one.message): one.message for one in left}
            returned = [message for name, message in left_over.items() if name not in self._begun]
            with suppress(TimeoutError, _Lost):
                async with asyncio.timeout(GIVEN_BACK_WITHIN_S):
                    asking = (self._connection.ask("return", _arguments(one)) for one in returned)
                    await asyncio.gather(*asking)
            await inbox.ack(left)

    # -- the connection ------------------------------------------------------------------------------------------

    async def _welcome(self) -> None:
        """Wait for the first welcome. Raises what the server refuses."""
        joined = asyncio.ensure_future(self._joined.wait())
        try:
            either: set[asyncio.Future[Any]] = {joined, self.ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self.ended.done():
                await self.ended
        finally:
            joined.cancel()

    async def _stay_connected(self) -> None:
        backoff_s = 0.0
        while not self.ended.done():
            connection = _Connection(self._url, self._tls, self._take)
            try:
                async with connection:
                    await self._join(connection)
                    backoff_s = 0.0
                    await connection.lost
                if not connection.sent_away:
                    self._is_lost("the connection has ended")
            except (MessageRefused, KeyUnusable) as error:
                self.ended.set_exception(error)
                return
            except (AccordError, OSError, TimeoutError, _Lost, socketio.exceptions.SocketIOError) as error:
                self._is_lost(meaning(error))
            finally:
                self._joined.clear()
                self._connection = None
            if not connection.sent_away:
                await asyncio.sleep(backoff_s * (0.5 + random.random() / 2))  # noqa: S311 - so that not all come at once
                backoff_s = min(max(2 * backoff_s, BACKOFF_FIRST_S), BACKOFF_MAX_S)

    def _is_lost(self, why: str) -> None:
        logger.warning("no connection to %s, trying again: %s", self._url, why)
        if not self._told_lost:
            self._told_lost = True
            self._watch.lost(why)

    async def _join(self, connection: _Connection) -> None:
        async with asyncio.timeout(CONNECTED_WITHIN_S):
            nonce = await connection.challenge()
            sent = await self._proof(nonce)
            answer = await connection.ask("prove", _arguments(sent))
        if not answer.get("ok"):
            kind = Overloaded if answer.get("again") else MessageRefused
            raise kind(*_problems(answer))
        welcome = self._welcomed(answer, sent, nonce)
        self.trust.update(welcome.keys())
        self.heartbeat = timedelta(seconds=welcome.heartbeat_s)
        self._connection = connection
        self._joined.set()
        self._told_lost = False
        self._watch.joined()
        for tell in self.joined:
            tell()
        if self._wanted:
            await self._want(self._wanted)

    def _welcomed(self, answer: dict[str, Any], sent: Message, nonce: str) -> WelcomePayload:
        message = _message(answer.get("statement"), answer.get("payload"))
        trusted = {*self._member.trusted, *self.trust}
        found = heirs(_links(answer), trusted, orchestrator_id(self._member.organisation))
        welcome = welcomed(message, sent, self._member.agent, nonce, {*trusted, *found}, self._clock.now())
        self.trust.update(found)
        return welcome

    async def _proof(self, nonce: str) -> Message:
        member = self._member
        first = not self.trust and member.token is not None
        payload = encode_payload(
            ConnectPayload(
                instance=member.instance,
                key=member.key.to_jwk() if first else None,
                token=member.token if first else None,
            )
        )
        claims = connect_claims(member.agent, registry_id(member.organisation), nonce, payload, self._clock.now())
        draft = Draft(encode_claims(claims), alone=True)
        (statement,) = await Signer(member.keys, member.key).sign([draft])
        return Message(statement, payload)

    async def _take(self, scope: str, message: Message) -> None:
        member = self._member
        subjects = {
            "assignment": agent_subject(member.agent),
            "agent": notice_subject(member.agent),
            "instance": notice_subject(member.instance),
        }
        if scope in subjects:
            await self._local.publish([Parcel(subjects[scope], message)])


class _Connection:
    """One Socket.IO connection, from its opening to its loss."""

    def __init__(self, url: str, tls: ssl.SSLContext | bool, take: Callable[[str, Message], Awaitable[None]]) -> None:
        self._url = url
        self._take = take
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls))
        self._client = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=self._http)
        loop = asyncio.get_running_loop()
        self._challenged: asyncio.Future[str] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.sent_away = False
        """Whether the server has asked to connect to another one."""
        self._received = 0
        self._allowed = 0
        for event in ("challenge", "message", "notice", "leaving", "disconnect"):
            self._client.on(event, getattr(self, f"_on_{event}"), namespace=NAMESPACE)

    async def __aenter__(self) -> Self:
        try:
            await self._client.connect(
                self._url, namespaces=[NAMESPACE], transports=["websocket"], wait_timeout=CONNECTED_WITHIN_S
            )
        except BaseException:
            await self._let_go()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end()
        try:
            with suppress(Exception):  # whatever the driver raises about a connection that nobody needs any more
                await self._client.disconnect()
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        """Close what the driver leaves open when it is cut short."""
        socket = self._client.eio.ws
        await self._http.close()
        if socket is not None and not socket.closed:
            with suppress(Exception):  # nobody is at the other end any more
                async with asyncio.timeout(CLOSED_WITHIN_S):
                    await socket.close()

    async def challenge(self) -> str:
        """The nonce that the server wants to have signed."""
        await self._or_lost(self._challenged)
        return self._challenged.result()

    async def ask(self, event: str, arguments: tuple[object, ...]) -> dict[str, Any]:
        """Send, and wait for the server's acknowledgement. Raises _Lost, TimeoutError."""
        answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def answer(found: object = None, *_: object) -> None:
            if not answered.done():
                answered.set_result(found if isinstance(found, dict) else {})

        if self.lost.done():
            raise _Lost
        try:
            await self._client.emit(event, arguments, namespace=NAMESPACE, callback=answer)
        except socketio.exceptions.SocketIOError as error:
            raise _Lost from error
        async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
            await self._or_lost(answered)
        return answered.result()

    async def tell(self, event: str, arguments: tuple[object, ...]) -> None:
        """Send, and wait for nothing. Raises _Lost."""
        if self.lost.done():
            raise _Lost
        try:
            await self._client.emit(event, arguments, namespace=NAMESPACE)
        except socketio.exceptions.SocketIOError as error:
            raise _Lost from error

    async def allow(self, room: int) -> None:
        """Let the server send so many assignments more; it is told when half of what it may send is used up."""
        total = self._received + room
        if 2 * (self._allowed - self._received) <= room and total > self._allowed and not self.lost.done():
            self._allowed = total
            with suppress(socketio.exceptions.SocketIOError):
                await self._client.emit("credit", total, namespace=NAMESPACE)

    async def _or_lost(self, wanted: asyncio.Future[Any]) -> None:
        await asyncio.wait({wanted, self.lost}, return_when=asyncio.FIRST_COMPLETED)
        if not wanted.done():
            raise _Lost

    async def _on_challenge(self, told: object = None, *_: object) -> None:
        nonce = told.get("nonce") if isinstance(told, dict) else None
        if isinstance(nonce, str) and not self._challenged.done():
            self._challenged.set_result(nonce)

    async def _on_message(self, statement: object = None, payload: object = None, *_: object) -> None:
        self._received += 1
        await self._take("assignment", _message(statement, payload))

    async def _on_notice(self, scope: object = None, *sent: object) -> None:
        await self._take(str(scope), _message(*sent[:2]))

    async def _on_leaving(self, *_: object) -> None:
        self.sent_away = True
        self._end()

    async def _on_disconnect(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


class _Credited:
    """An inbox that tells how much it takes before it waits, and remembers what was taken and not given back."""

    def __init__(self, inbox: Inbox, want: Callable[[int], Awaitable[None]], begun: Recent[Digest, None]) -> None:
        self._inbox = inbox
        self._want = want
        self._begun = begun

    async def take(self, limit: int) -> Sequence[Delivery]:
        await self._want(limit)
        taken = await self._inbox.take(limit)
        self._begun.update((_name(one.message), None) for one in taken)
        return taken

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        await self._inbox.ack(deliveries)

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        for one in deliveries:
            self._begun.pop(_name(one.message), None)
        await self._inbox.nack(deliveries)


def _name(message: Message) -> Digest:
    """What tells one assignment from another, however often it is signed and sent."""
    try:
        return statement_digest(parse_statement(message.statement).claims)
    except MessageRefused:
        return Digest(sha256(message.statement).hexdigest())


def _arguments(message: Message) -> tuple[object, ...]:
    return message.statement.decode("ascii"), message.payload


def _message(statement: object = None, payload: object = None) -> Message:
    """What the server has sent; what is no message is refused where messages are checked."""
    return Message(
        statement.encode("utf-8", "surrogatepass") if isinstance(statement, str) else b"",
        payload if isinstance(payload, bytes) else b"",
    )


def _links(answer: dict[str, Any]) -> tuple[Link, ...]:
    """The successions of the orchestrator's keys that came along; a server of an older version knows of none."""
    try:
        return msgspec.convert(answer.get("successions", ()), tuple[Link, ...])
    except msgspec.ValidationError as error:
        raise refusal("ACC668", "", str(error)) from None


def _problems(answer: dict[str, Any]) -> tuple[Problem, ...]:
    try:
        found = msgspec.convert(answer.get("problems", ()), tuple[Problem, ...])
    except msgspec.ValidationError:
        found = ()
    return found or (Problem("ACC790", "the server gave no reason"),)
