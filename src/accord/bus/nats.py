"""The bus on NATS: queues are work queues of JetStream, with a durable consumer each; notices are plain messages.

A message is in its stream's file when `publish` returns. Streams are not the truth: a server that loses its last moment
costs retries.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import count
from typing import Final, Self

import msgspec

from accord.addresses import BusAddress
from accord.domain.ids import AgentId
from accord.domain.message import Message
from accord.domain.signature import PublicKey
from accord.domain.succession import Link
from accord.errors import BadInput, BusUnavailable, KeyUnusable
from accord.nats.connection import Connection, Outgoing, forget
from accord.nats.delivery import ACKNOWLEDGE, ATTEMPTS, STATEMENT, SUBJECT, NatsDelivery, headers_of
from accord.nats.driver import Msg, errors, js_errors
from accord.nats.notices import NoticeInbox
from accord.nats.queue import Custody, QueueInbox
from accord.nats.streams import Limits, prepare, prepare_queue
from accord.nats.subjects import Queue, Subjects
from accord.ports import DeadLetter, Inbox, Parcel, is_notice

SUCCESSIONS: Final = "Accord-Successions"
"""The header in which orchestrators tell whose place their keys have taken."""

logger = logging.getLogger("accord.bus")

REPLICAS_MAX: Final = 5
KEYS_WITHIN_S: Final = 2.0


class NatsBus:
    """A process's part of the bus; open it with `open`.

    An agent's process makes neither streams nor consumers: it is no business of an agent's, and its user may not.
    """

    def __init__(self, connection: Connection, subjects: Subjects, limits: Limits) -> None:
        self._connection = connection
        self._subjects = subjects
        self._limits = limits
        self._name = secrets.token_hex(8)
        self._prepared: set[str] = set()
        self._inboxes: set[QueueInbox | NoticeInbox] = set()
        self._returned: defaultdict[str, set[int]] = defaultdict(set)
        self._numbers = count()
        self._handing_over: dict[str, asyncio.Future[None]] = {}
        self._keys = b"[]"
        self._links = b"[]"

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        address: BusAddress,
        organisation: str,
        *,
        agent: AgentId | None = None,
        limits: Limits | None = None,
        keys: Sequence[PublicKey] = (),
        links: Sequence[Link] = (),
    ) -> AsyncIterator[Self]:
        """The bus in the namespace of the address, which is the organisation's where it names none; as the agent that
        is named, else as an orchestrator, which tells agents that ask for them these keys, and the successions to them.

        Raises BusUnavailable, BadInput.
        """
        subjects = Subjects(address.path or organisation, agent)
        limits = limits or Limits(replicas=_replicas(address))
        opened: list[Self] = []

        async def renewed(connection: Connection) -> None:
            if not opened:
                opened.append(cls(connection, subjects, limits))
                opened[0]._keys = msgspec.json.encode([key.to_jwk() for key in keys])
                opened[0]._links = msgspec.json.encode(links)
            await opened[0]._renew()

        name = f"accord {agent or 'orchestrator'}"
        async with Connection.open(address, name, subjects.inbox, renewed):
            bus = opened[0]
            holding = asyncio.create_task(bus._say_held(), name="accord-nats-held")
            try:
                yield bus
            finally:
                holding.cancel()
                await asyncio.gather(holding, return_exceptions=True)

    # -- the bus -------------------------------------------------------------------------------------------------

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        queued = [parcel for parcel in parcels if not is_notice(parcel.subject)]
        if queued:
            for subject in {parcel.subject for parcel in queued}:
                await self._prepare(self._subjects.queue(subject))
            await self._connection.publish([self._outgoing(parcel) for parcel in queued])
        for parcel in parcels:
            if is_notice(parcel.subject):
                await self._connection.tell(
                    self._subjects.published(parcel.subject), parcel.message.payload, headers_of(parcel.message)
                )

    async def hand_over(self, parcel: Parcel) -> None:
        number = str(next(self._numbers))
        outgoing = self._outgoing(parcel)
        outgoing.headers[ACKNOWLEDGE] = f"{self._name}.{number}"
        acknowledged = self._handing_over[number] = asyncio.get_running_loop().create_future()
        try:
            await self._prepare(self._subjects.queue(parcel.subject))
            await self._connection.publish([outgoing])
            await acknowledged
        finally:
            del self._handing_over[number]
            forget(acknowledged)

    @asynccontextmanager
    async def inbox(self, subject: str) -> AsyncIterator[Inbox]:
        inbox = self._notices(subject) if is_notice(subject) else self._share(subject)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(inbox.close)
            await inbox.open()
            self._inboxes.add(inbox)
            stack.callback(self._inboxes.discard, inbox)
            yield inbox

    async def depth(self, subject: str) -> int:
        if is_notice(subject):
            return 0
        queue = self._subjects.queue(subject)
        stream = self._connection.client.jetstream()
        try:
            found = await stream.consumer_info(queue.stream, queue.consumer)
            returned = min(len(self._returned[queue.consumer]), found.num_ack_pending or 0)
            return (found.num_pending or 0) + returned
        except js_errors.NotFoundError:
            return 0  # nobody has published to it, or taken from it
        except errors.Error as error:
            raise self._connection.away(error) from error

    async def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        stream = self._connection.client.jetstream()
        found: list[DeadLetter] = []
        try:
            state = (await stream.stream_info(self._subjects.dead)).state
            sequence = state.first_seq
            while len(found) < limit and sequence <= state.last_seq and state.messages:
                one = await stream.get_msg(self._subjects.dead, sequence, next=True, subject=">")
                headers = one.headers or {}
                message = Message(headers.get(STATEMENT, "").encode(), one.data or b"")
                found.append(DeadLetter(headers.get(SUBJECT, ""), message, int(headers.get(ATTEMPTS, "0"))))
                sequence = (one.seq or sequence) + 1
        except js_errors.NotFoundError:
            return found
        except errors.Error as error:
            raise self._connection.away(error) from error
        return found

    async def orchestrators(self) -> tuple[list[PublicKey], list[Link]]:
        """The keys that an orchestrator tells: each is believed by its thumbprint, or by the successions that lead to
        it, or not at all.

        Raises BusUnavailable where none answers.
        """
        told: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()

        async def hear(found: Msg) -> None:
            if not told.done():
                told.set_result(found)

        client = self._connection.client
        subscription = await client.subscribe(self._subjects.keys_told, cb=hear)
        try:
            await client.flush()
            await self._connection.tell(self._subjects.keys_asked)
            async with asyncio.timeout(KEYS_WITHIN_S):
                found = await told
            keys = msgspec.json.decode(found.data, type=list[dict[str, str]])
            links = msgspec.json.decode((found.headers or {}).get(SUCCESSIONS, "[]"), type=list[Link])
            return [PublicKey.from_jwk(one) for one in keys], links
        except (TimeoutError, msgspec.DecodeError, KeyUnusable) as error:
            raise self._connection.away(f"no orchestrator tells its keys: {str(error) or 'none answers'}") from error
        finally:
            if self._connection.is_there:
                await subscription.unsubscribe()

    # -- life ----------------------------------------------------------------------------------------------------

    async def _renew(self) -> None:
        """Begin anew on a new connection: the server may be another one, which knows of nothing."""
        client = self._connection.client
        self._prepared.clear()
        for waiting in self._handing_over.values():  # an acknowledgement may have been told to nobody
            if not waiting.done():
                waiting.set_exception(self._connection.away("the connection was lost"))
        if self._subjects.sender is None:
            await prepare(client.jetstream(), self._subjects, self._limits)
            await client.subscribe(self._subjects.acknowledged(f"{self._name}.*"), cb=self._was_acknowledged)
            await client.subscribe(self._subjects.keys_asked, queue="orchestrators", cb=self._tell_keys)
        for inbox in list(self._inboxes):
            await inbox.open()

    async def _say_held(self) -> None:
        """Keep the server from delivering again what is held here, for ever."""
        while True:
            await asyncio.sleep(self._limits.ack_wait_s / 3)
            for inbox in list(self._inboxes):
                with suppress(BusUnavailable):
                    await inbox.say_held()

    # -- parts ---------------------------------------------------------------------------------------------------

    def _notices(self, subject: str) -> NoticeInbox:
        return NoticeInbox(subject, self._subjects.heard(subject), self._connection, self._limits.bound)

    def _share(self, subject: str) -> QueueInbox:
        queue = self._subjects.queue(subject)
        custody = Custody(
            connection=self._connection,
            deliveries=self._limits.deliveries,
            prepare=self._prepare,
            bury=self._bury,
            acknowledged=self._acknowledge,
            returned=self._returned[queue.consumer],
        )
        return QueueInbox(queue, custody)

    def _outgoing(self, parcel: Parcel) -> Outgoing:
        return Outgoing(self._subjects.published(parcel.subject), parcel.message.payload, headers_of(parcel.message))

    async def _prepare(self, queue: Queue) -> None:
        if self._subjects.sender is None and queue.consumer not in self._prepared:
            await prepare_queue(self._connection.client.jetstream(), queue, self._limits)
            self._prepared.add(queue.consumer)

    async def _acknowledge(self, who: str) -> None:
        await self._connection.tell(self._subjects.acknowledged(who))

    async def _was_acknowledged(self, found: Msg) -> None:
        waiting = self._handing_over.get(found.subject.rpartition(".")[2])
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _tell_keys(self, _: Msg) -> None:
        with suppress(BusUnavailable):  # they are asked for again
            await self._connection.tell(self._subjects.keys_told, self._keys, {SUCCESSIONS: self._links.decode()})

    async def _bury(self, queue: Queue, delivery: NatsDelivery) -> None:
        """Put a dead letter aside, and only then out of its queue: it may be put aside twice, and is never lost."""
        times = str(delivery.attempts)
        logger.warning("a message of %s was delivered %d times: it is a dead letter", queue.subject, delivery.attempts)
        headers = {**headers_of(delivery.message), SUBJECT: queue.subject, ATTEMPTS: times}
        with suppress(BusUnavailable):  # it comes again
            await self._connection.publish(
                [Outgoing(self._subjects.dead_letter(queue), delivery.message.payload, headers)]
            )
            await self._connection.tell(delivery.reply, b"+TERM")


def _replicas(address: BusAddress) -> int:
    given = address.option("replicas") or "1"
    if not given.isdecimal() or not 1 <= int(given) <= REPLICAS_MAX:
        raise BadInput.of("ACC756", f"{address}: replicas is a number from 1 to {REPLICAS_MAX}")
    return int(given)
