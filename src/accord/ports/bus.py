"""The bus: messages on their way, at least once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import msgspec

from accord.domain.ids import AgentId, InstanceId
from accord.domain.message import Message

_NOTICE = "notice/"

REGISTRY_SUBJECT = f"{_NOTICE}registry"
"""Where cards and heartbeats go: every orchestrator hears them."""

LOGS_SUBJECT = f"{_NOTICE}logs"
"""Where log lines go: every orchestrator hears them, apart from all else, so that they hold up nothing."""

ORCHESTRATORS_SUBJECT = f"{_NOTICE}orchestrators"
"""Where the processes of an orchestrator tell each other what they hold: no agent hears or says anything there."""


def agent_subject(agent: AgentId) -> str:
    """Where assignments for an agent go: its instances share them."""
    return f"agent/{agent}"


def notice_subject(to: AgentId | InstanceId) -> str:
    """Where all instances of an agent hear what concerns each of them, or one instance what concerns it alone."""
    return f"{_NOTICE}{to}"


def partition_subject(partition: int) -> str:
    """Where answers about the runs of a partition go: to its owner."""
    return f"partition/{partition}"


def is_notice(subject: str) -> bool:
    """Whether all who listen hear what is published there; else one of them takes it."""
    return subject.startswith(_NOTICE)


class Parcel(msgspec.Struct, frozen=True, gc=False):
    """A message and where it goes."""

    subject: str
    message: Message


class Delivery(Protocol):
    """A message that was taken and waits for its acknowledgement."""

    @property
    def message(self) -> Message:
        """The message; its bytes are those that were published."""
        ...

    @property
    def attempts(self) -> int:
        """How often it was delivered, this time included."""
        ...


class Bare(msgspec.Struct, frozen=True, eq=False):
    """A delivery of a message that came by another way than an inbox."""

    message: Message
    attempts: int = 1


class Inbox(Protocol):
    """The consuming end of a subject."""

    async def take(self, limit: int) -> Sequence[Delivery]:
        """At least one delivery, at most `limit`, in the order of publishing; waits while there is none."""
        ...

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """These are dealt with and never come again, unless the connection to the bus is lost before it hears of it."""
        ...

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        """These could not be dealt with now; they come again, notices to this inbox."""
        ...


DELIVERIES_MAX: Final = 1000
"""So often a message is delivered at most: far more often than anything is given back that somebody will deal with."""


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """A message of a queue that was delivered too often without being acknowledged: it was put aside."""

    subject: str
    message: Message
    attempts: int


class Bus(Protocol):
    """Carries messages between orchestrators and agents. The bus is never the truth: losing a message costs a retry,
    not a result.

    A subject is of one of two kinds, which its name tells (`is_notice`):

    - **A queue** holds messages until they are acknowledged: at least once, in order while nothing is delivered
      again. Its inboxes share the messages; what one has taken and not acknowledged when it closes is delivered again,
      within seconds also when its process dies or stands still. What comes back for the `DELIVERIES_MAX`th time is a
      dead letter: it is put aside, see `DeadLetters`, and holds up nothing any more.
    - **A notice** is heard by every inbox that is open when it is published, by each at most once and in order. Where
      no inbox is open, it is gone; an inbox that holds as many notices as the bound allows loses its oldest one, and
      one that closes all of its own. Who must be certain asks again: see heartbeats.
    """

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        """Hand over all parcels, in order for each subject.

        When it raises, some of them may have been handed over.

        Raises:
            Overloaded: a queue holds as many messages as its bound allows; one that was taken counts until it is
                acknowledged.
            BusUnavailable: there is no connection to the bus now.
        """
        ...

    async def hand_over(self, parcel: Parcel) -> None:
        """Hand over a parcel for a queue, and return once its consumer has acknowledged it: an orchestrator does that
        after the journal's commit. When the call is cancelled, the parcel may still arrive. Raises as `publish`.
        """
        ...

    def inbox(self, subject: str) -> AbstractAsyncContextManager[Inbox]:
        """An open inbox of the subject: from now on it hears what is published there."""
        ...

    async def depth(self, subject: str) -> int:
        """How many messages wait in the queue, those taken but not acknowledged not counted; 0 for notices. What
        another process gave back may count as taken until it is taken anew.
        """
        ...


class DeadLetters(Protocol):
    """What was delivered too often, for people to look at."""

    async def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """The oldest ones first; after some weeks, or when they are very many, the oldest ones are gone."""
        ...


class Carrier(Bus, DeadLetters, Protocol):
    """What an adapter of the bus is."""
