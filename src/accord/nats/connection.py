"""The connection of a process to NATS: made again whenever it is lost, and what waits for an answer is told."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from typing import Any, Final

import msgspec

from accord.addresses import BusAddress
from accord.domain.message import PAYLOAD_MAX_BYTES
from accord.errors import BusUnavailable, Overloaded
from accord.nats.driver import Client, Msg, RawCredentials, errors, nkeys
from accord.tls import meaning

logger = logging.getLogger("accord.bus")

CONNECT_WITHIN_S: Final = 5
PING_EVERY_S: Final = 2
PINGS_MAX: Final = 2
"""So many unanswered ones, and the connection is taken for lost."""

ANSWER_WITHIN_S: Final = 5.0
"""For a server that says nothing any more."""

WRITTEN_WITHIN_S: Final = 5.0
"""For a server that reads nothing any more."""

BACKOFF_FIRST_S: Final = 0.05
BACKOFF_MAX_S: Final = 2.0
PENDING_BYTES: Final = 8 << 20
"""So much is written before who publishes has to wait."""

CHUNK: Final = 1000
"""So many messages are on their way to a stream at a time: a server drops what is far more."""

HEADROOM_BYTES: Final = 64 << 10
"""For the headers of a message."""

_SEED: Final = re.compile(r"SU[A-Z2-7]{56}")
_FULL: Final = "maximum messages per subject"
_FORBIDDEN: Final = "permissions violation"

Headers = dict[str, str]


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A message on its way to NATS."""

    subject: str
    payload: bytes
    headers: Headers


class _Batch:
    """What waits for the answers of a stream."""

    def __init__(self, waiting: int) -> None:
        self._waiting = waiting
        self._refused: BaseException | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answered(self, refused: BaseException | None) -> None:
        """One answer more; the first refusal counts."""
        self._waiting -= 1
        self._refused = self._refused or refused
        if self._waiting == 0 and not self.done.done():
            self._end()

    def lose(self, why: BaseException) -> None:
        """There will be no more answers."""
        if not self.done.done():
            self._refused = why
            self._end()

    def _end(self) -> None:
        if self._refused is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(self._refused)


def forget(answer: asyncio.Future[None]) -> None:
    """Nobody waits for the answer any more: what went wrong with it was told in another way, or is no news."""
    if not answer.cancel() and not answer.cancelled():
        answer.exception()  # it would be logged as one that was never retrieved


@contextmanager
def _heeding_cancellation() -> Iterator[None]:
    """Let nobody who is cancelled inside go on. The driver would: it ignores a cancellation while it waits for room to
    write, and its `wait_for`, before Python 3.12, one that comes together with the answer.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    before = task.cancelling()
    try:
        yield
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError


class _Client(Client):
    """The driver's client, which tells nobody who we are before the connection is encrypted, where it has to be, ends
    when it is cancelled, and whose pings do not overtake what was written before: whoever waits for the answer relies
    on that.
    """

    encrypted = False

    async def connect(self, *given: Any, **named: Any) -> None:
        with _heeding_cancellation():
            try:
                await super().connect(*given, **named)
            except ssl.SSLError:
                self.abort()
                self._transport = None  # asyncio never tells whoever waits for its end that a handshake has failed
                raise

    async def request(self, *given: Any, **named: Any) -> Msg:
        with _heeding_cancellation():
            return await super().request(*given, **named)

    async def flush(self, *given: Any, **named: Any) -> None:
        with _heeding_cancellation():
            await super().flush(*given, **named)

    async def _flush_pending(self, *given: Any, **named: Any) -> Any:
        with _heeding_cancellation():
            return await super()._flush_pending(*given, **named)

    async def _process_op_err(self, e: Exception) -> None:
        """The connection is lost. The driver would wait until what is still to be written is, perhaps for ever, and
        where that fails tell nobody of the loss.
        """
        self.abort()
        await super()._process_op_err(e)

    def abort(self) -> None:
        """Let go of the connection, and of what is still to be written."""
        self._pending, self._pending_data_size = [], 0
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    def why(self, error: Exception) -> str:
        """What it means that connecting has failed. What a server says of our certificate is known to the reader."""
        reader = getattr(self._transport, "_io_reader", None)
        return meaning((reader.exception() if reader is not None else None) or error)

    async def _send_ping(self, future: asyncio.Future[Any] | None = None) -> None:
        await self._flush_pending(force_flush=True)
        await super()._send_ping(future)

    def _connect_command(self) -> bytes:
        if self.encrypted and not self._server_info.get("tls_required"):
            raise errors.SecureConnWantedError
        command: bytes = super()._connect_command()
        return command


class Connection:
    """The connection, while there is one; open it with `open`."""

    def __init__(self, address: BusAddress, name: str, inbox: str) -> None:
        self.address = address
        self.inbox = inbox
        self._name = name
        self._client: _Client | None = None
        self._lost = asyncio.Event()
        self._there = asyncio.Event()
        self._replies = ""
        self._numbers = count()
        self._batches: dict[str, _Batch] = {}
        self._told = False
        self._is_refused = False
        """Whether the server has refused something to the user of this connection."""
        self._staying: asyncio.Task[None] | None = None
        self.renewed: list[Callable[[], Awaitable[None]]] = []
        """Called whenever there is a new connection, before anybody else can use it."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, address: BusAddress, name: str, inbox: str, renewed: Callable[[Connection], Awaitable[None]]
    ) -> AsyncIterator[Connection]:
        """A connection that is made again when it is lost; `renewed` is called with it each time, the first time
        before this returns.

        Raises BusUnavailable where there is none at first.
        """
        connection = cls(address, name, inbox)

        async def begin() -> None:
            await renewed(connection)

        connection.renewed.append(begin)
        await connection._connect()
        connection._staying = asyncio.create_task(connection._stay_connected(), name="accord-nats")
        try:
            yield connection
        finally:
            await connection.end()

    @property
    def client(self) -> Client:
        """The driver's client. Raises BusUnavailable while there is no connection."""
        if self._client is None or not self._client.is_connected:
            raise self.away("there is no connection")
        return self._client

    @property
    def is_there(self) -> bool:
        """Whether there is a connection."""
        return self._client is not None and self._client.is_connected

    async def there(self) -> None:
        """Wait until there is a connection."""
        await self._there.wait()

    def away(self, why: object) -> BusUnavailable:
        """The error that the bus cannot be had."""
        hint = "is it running there, and may this user in? accord doctor"
        return BusUnavailable.of("ACC754", f"the bus at {self.address} cannot be used: {why}", hint=hint)

    async def end(self) -> None:
        """Be connected no more."""
        if self._staying is not None:
            self._staying.cancel()
            await asyncio.gather(self._staying, return_exceptions=True)
        await self._leave()

    # -- publishing ----------------------------------------------------------------------------------------------

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Publish to streams, and return once they have everything.

        Raises:
            Overloaded: a subject is full.
            BusUnavailable: the connection is or gets lost, or a stream does not take it.
        """
        for start in range(0, len(messages), CHUNK):
            await self._publish_chunk(messages[start : start + CHUNK])

    async def _publish_chunk(self, messages: Sequence[Outgoing]) -> None:
        client, number = self.client, str(next(self._numbers))
        batch = self._batches[number] = _Batch(len(messages))
        reply = f"{self._replies}.{number}"
        try:
            for one in messages:
                await client.publish(one.subject, one.payload, reply, one.headers)
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await batch.done
        except TimeoutError as error:
            raise self.away(f"no answer within {ANSWER_WITHIN_S:g} s") from error
        except errors.Error as error:
            raise self.away(error) from error
        finally:
            del self._batches[number]
            forget(batch.done)

    async def tell(self, subject: str, payload: bytes = b"", headers: Headers | None = None, reply: str = "") -> None:
        """Publish to whoever listens. Raises BusUnavailable."""
        try:
            await self.client.publish(subject, payload, reply, headers)
        except errors.Error as error:
            raise self.away(error) from error

    async def ask(self, subject: str, payload: bytes = b"") -> Msg:
        """The answer to a request. Raises BusUnavailable."""
        try:
            return await self.client.request(subject, payload, timeout=ANSWER_WITHIN_S)
        except errors.Error as error:
            raise self.away(error) from error

    async def _answered(self, message: Msg) -> None:
        batch = self._batches.get(message.subject.rpartition(".")[2])
        if batch is not None:
            batch.answered(self._refusal(message))

    def _refusal(self, message: Msg) -> Overloaded | None:
        if b'"error"' not in message.data and message.data:
            return None
        told = _told(message)
        if _FULL in told:
            return Overloaded.of("ACC751", f"a queue holds as many messages as its bound allows: {told}")
        return BusUnavailable.of("ACC755", f"the bus at {self.address} does not take a message: {told}")

    # -- life ----------------------------------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        while True:
            await self._lost.wait()
            self._there.clear()
            self._let_go(self.away("the connection is lost"))
            await self._again()

    async def _again(self) -> None:
        backoff_s = BACKOFF_FIRST_S
        while True:
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.5))  # noqa: S311 - a spread, no secret
            try:
                await self._connect()
            except Exception as error:
                # Whatever a driver raises: there is no bus without a connection.
                self._tell_away(error)
                await self._leave()
                backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)
            else:
                logger.info("connected to %s again", self.address)
                self._told = False
                return

    def _tell_away(self, error: Exception) -> None:
        level = logging.DEBUG if self._told else logging.WARNING
        logger.log(level, "the bus is away, trying again until it is there: %s", error)
        self._told = True

    async def _connect(self) -> None:
        self._lost = asyncio.Event()
        self._is_refused = False
        client = _Client()
        client.encrypted = self.address.encrypted
        try:
            await client.connect(**self._options(client, self._lost))
            self._check(client)
            self._client = client
            self._replies = client.new_inbox()
            await client.subscribe(f"{self._replies}.*", cb=self._answered)
            await client.flush(CONNECT_WITHIN_S)  # what the server refuses is told before it answers
            self._check_user()
            for renew in list(self.renewed):
                await renew()
        except (errors.Error, OSError, TimeoutError) as error:
            why = client.why(error)
            await _closed(client)
            raise self.away(why) from error
        except BaseException:
            await _closed(client)
            raise
        self._there.set()

    def _options(self, client: _Client, lost: asyncio.Event) -> dict[str, Any]:
        async def closed() -> None:
            lost.set()

        async def failed(error: Exception) -> None:
            logger.debug("%s: %r", self.address, error)
            if _FORBIDDEN in str(error):
                self._is_refused = True
            if isinstance(error, errors.FlushTimeoutError):  # a server that stands still: pings wait behind the rest
                await client._process_op_err(error)

        return {
            "servers": [f"{'tls' if self.address.encrypted else 'nats'}://{host}" for host in self.address.hosts],
            "name": self._name,
            "inbox_prefix": self.inbox,
            "allow_reconnect": False,  # we connect anew: what the driver does when it was refused is to end for good
            "max_reconnect_attempts": 1,
            "reconnect_time_wait": 0,
            "connect_timeout": CONNECT_WITHIN_S,
            "ping_interval": PING_EVERY_S,
            "max_outstanding_pings": PINGS_MAX,
            "pending_size": PENDING_BYTES,
            "flush_timeout": WRITTEN_WITHIN_S,
            "closed_cb": closed,
            "error_cb": failed,
            **_tls(self.address),
            **_proof(self.address),
        }

    def _check(self, client: Client) -> None:
        needed = PAYLOAD_MAX_BYTES + HEADROOM_BYTES
        if client.max_payload < needed:
            raise BusUnavailable.of(
                "ACC759",
                f"the bus at {self.address} takes at most {client.max_payload} bytes, a message may have {needed}",
                hint=f"write max_payload: {needed} into the configuration of the server",
            )

    def _check_user(self) -> None:
        if self._is_refused:
            raise BusUnavailable.of(
                "ACC754",
                f"the bus at {self.address} cannot be used: its user may not hear what is for {self._name}",
                hint="give the seed, or the password, of this one's own user: `accord bus users` writes one for each",
            )

    def _let_go(self, why: BusUnavailable) -> None:
        for batch in list(self._batches.values()):
            batch.lose(why)

    async def _leave(self) -> None:
        client, self._client = self._client, None
        self._there.clear()
        self._let_go(self.away("it is being left"))
        if client is not None:
            await _closed(client)


async def _closed(client: _Client) -> None:
    """Close it, once the server has what was written, or does not answer."""
    try:
        if client.is_connected:
            await client.flush(ANSWER_WITHIN_S)
    except (errors.Error, OSError):
        client.abort()
    with suppress(errors.Error, OSError):
        await client.close()


def _told(message: Msg) -> str:
    """What a stream says of a message that it does not take."""
    if not message.data:
        return "there is no such stream, or JetStream is not there"
    try:
        return str(msgspec.json.decode(message.data)["error"]["description"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return message.data.decode("utf-8", "replace")[:200]


def _tls(address: BusAddress) -> dict[str, Any]:
    if not address.encrypted:
        return {}
    return {"tls": address.tls.context()}


def _proof(address: BusAddress) -> dict[str, Any]:
    """What proves to the server who we are: a password, an nkey, or credentials."""
    secret = address.secret
    if secret is None:
        return {}
    if "-----BEGIN NATS USER JWT-----" in secret:
        return {"user_credentials": RawCredentials(secret)}
    if not _SEED.fullmatch(secret.strip()):
        return {"user": address.user, "password": secret} if address.user else {"token": secret}
    try:
        nkeys.from_seed(bytearray(secret.strip().encode()))
    except nkeys.NkeysError as error:
        raise BusUnavailable.of("ACC758", f"the seed of the user of {address} is none") from error
    return {"nkeys_seed_str": secret.strip()}
