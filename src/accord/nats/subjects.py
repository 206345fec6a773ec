"""What subjects of the bus are called on NATS, and their streams and consumers. The names are part of the protocol
(`docs/protocol.md`): the permissions of users are made of them.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from accord.domain.ids import AGENT_ID_PATTERN, AgentId

_PLAIN: Final = re.compile(r"[^A-Za-z0-9_-]")
_AGENT: Final = re.compile(AGENT_ID_PATTERN)

IN: Final = "in"
"""The last word of a subject that orchestrators alone publish to."""

_OF_ALL: Final = frozenset(("registry", "logs"))
"""Notices that all orchestrators hear, and each agent publishes on a subject of its own."""


def word(text: str) -> str:
    """The text as one word of a subject, which can be the name of a consumer as well: whatever has a meaning to NATS is
    `=` and its bytes in hexadecimal digits.
    """
    return _PLAIN.sub(lambda found: "".join(f"={byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass")), text)


def agent_word(agent: AgentId) -> str:
    """An agent's word: `ORGANISATION~NAME`."""
    if not _AGENT.match(agent):
        return word(agent)
    organisation, _, name = agent.removeprefix("spiffe://").partition("/agent/")
    return f"{word(organisation)}~{word(name)}"


class Queue(msgspec.Struct, frozen=True):
    """Where the messages of a subject wait."""

    subject: str
    """What the bus calls it."""
    stream: str
    consumer: str
    filter: str
    """The subjects on NATS whose messages are in it."""


class Subjects(msgspec.Struct, frozen=True):
    """The names in a namespace, as one sender uses them: an orchestrator, or the agent that is named."""

    namespace: str
    sender: AgentId | None = None

    @property
    def root(self) -> str:
        """What all subjects of the namespace begin with."""
        return f"accord.{word(self.namespace)}"

    @property
    def agents(self) -> str:
        """The stream of what agents are assigned."""
        return f"accord-{word(self.namespace)}-agents"

    @property
    def partitions(self) -> str:
        """The stream of what agents answer."""
        return f"accord-{word(self.namespace)}-partitions"

    @property
    def dead(self) -> str:
        """The stream of dead letters."""
        return f"accord-{word(self.namespace)}-dead"

    @property
    def inbox(self) -> str:
        """What the subjects begin with on which this sender gets replies: nobody else can hear them."""
        who = "orchestrator" if self.sender is None else f"agent.{agent_word(self.sender)}"
        return f"_INBOX.{self.root}.{who}"

    def queue(self, subject: str) -> Queue:
        """Where the messages of a queue wait."""
        kind, _, name = subject.partition("/")
        if kind == "agent":
            agent = agent_word(AgentId(name))
            return Queue(subject, self.agents, f"agent-{agent}", f"{self.root}.agent.{agent}.{IN}")
        if kind == "partition":
            return Queue(subject, self.partitions, f"partition-{word(name)}", f"{self.root}.partition.{word(name)}.>")
        raise ValueError(f"{subject} is no queue")

    def published(self, subject: str) -> str:
        """Where this sender publishes what is for a subject."""
        kind, _, name = subject.partition("/")
        if kind == "agent":
            return self.queue(subject).filter
        if kind == "partition":
            return f"{self.root}.partition.{word(name)}.{self._signed()}"
        return f"{self.root}.notice.{name}.{self._signed()}" if name in _OF_ALL else self.heard(subject)

    def heard(self, subject: str) -> str:
        """Where the notices of a subject are heard."""
        name = subject.partition("/")[2]
        if name in _OF_ALL:
            return f"{self.root}.notice.{name}.>"
        agent, hash_, instance = name.partition("#")
        if hash_:
            return f"{self.root}.notice.instance.{agent_word(AgentId(agent))}.{word(instance)}"
        return f"{self.root}.notice.agent.{agent_word(AgentId(agent))}"

    def dead_letter(self, queue: Queue) -> str:
        """Where a dead letter of a queue is put."""
        return f"{self.root}.dead.{queue.consumer}"

    @property
    def keys_asked(self) -> str:
        """Where an agent asks for the keys of the orchestrators."""
        return f"{self.root}.keys.asked"

    @property
    def keys_told(self) -> str:
        """Where everybody hears them: no secret, and believed by their thumbprints alone."""
        return f"{self.root}.keys.told"

    def acknowledged(self, who: str) -> str:
        """Where who hands something over hears that it was acknowledged."""
        return f"{self.root}.acknowledged.{who}"

    def _signed(self) -> str:
        return IN if self.sender is None else f"from.{agent_word(self.sender)}"
