"""Who may do what on NATS: the configuration of its users, each allowed no more than it needs.

An agent publishes its own answers, cards and heartbeats, reads its own queue, and hears its own notices. It makes and
removes nothing. What the server cannot see, such as what a message says, is the gate's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from accord.domain.ids import AgentId
from accord.domain.message import PAYLOAD_MAX_BYTES
from accord.errors import BadInput
from accord.nats.connection import HEADROOM_BYTES
from accord.nats.driver import nkeys
from accord.nats.subjects import Subjects, agent_word
from accord.ports import agent_subject, notice_subject

CONFIGURATION: Final = "accord.conf"
ORCHESTRATOR: Final = "orchestrator"
SEED: Final = ".seed"
PUBLIC: Final = ".nkey"

PUBLIC_NKEY: Final = re.compile(r"U[A-Z2-7]{55}")

_HEAD: Final = """\
# Written by `accord bus users`: the users of the namespace {namespace}, each with what it may do.
# The server's own configuration says where it listens, turns JetStream on, and includes this file from beside it:
#
#   listen: "0.0.0.0:4222"
#   jetstream {{ store_dir: "/var/lib/nats" }}
#   include "{name}"

max_payload: {max_payload}
"""


class Permissions(msgspec.Struct, frozen=True):
    """The subjects that a user may publish to, and hear."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def of_orchestrator(namespace: str) -> Permissions:
    """Everything in the namespace, but nothing of it can be removed."""
    ours = Subjects(namespace)
    queues = (ours.agents, ours.partitions)
    return Permissions(
        publish=(
            f"{ours.root}.>",
            "$JS.API.INFO",
            *(f"$JS.API.STREAM.{verb}.{one}" for one in (*queues, ours.dead) for verb in ("CREATE", "UPDATE", "INFO")),
            f"$JS.API.STREAM.MSG.GET.{ours.dead}",
            *(f"$JS.API.CONSUMER.CREATE.{one}.>" for one in queues),
            *(f"$JS.API.CONSUMER.{verb}.{one}.*" for one in queues for verb in ("INFO", "MSG.NEXT")),
            *(f"$JS.ACK.{one}.>" for one in queues),
        ),
        subscribe=(f"{ours.inbox}.>", f"{ours.root}.>"),
    )


def of_agent(namespace: str, agent: AgentId) -> Permissions:
    """What is the agent's own."""
    its = Subjects(namespace, agent)
    queue, word = its.queue(agent_subject(agent)), agent_word(agent)
    return Permissions(
        publish=(
            f"{its.root}.partition.*.from.{word}",
            f"{its.root}.notice.registry.from.{word}",
            f"{its.root}.notice.logs.from.{word}",
            its.keys_asked,
            its.dead_letter(queue),
            f"$JS.API.CONSUMER.INFO.{queue.stream}.{queue.consumer}",
            f"$JS.API.CONSUMER.MSG.NEXT.{queue.stream}.{queue.consumer}",
            f"$JS.ACK.{queue.stream}.{queue.consumer}.>",
        ),
        subscribe=(
            f"{its.inbox}.>",
            its.heard(notice_subject(agent)),
            f"{its.root}.notice.instance.{word}.*",
            its.keys_told,
        ),
    )


def configuration(namespace: str, orchestrator: str, agents: Mapping[AgentId, str]) -> str:
    """The text of the server's configuration, of the public nkeys of the users."""
    users = [
        _user(orchestrator, of_orchestrator(namespace)),
        *(_user(nkey, of_agent(namespace, agent)) for agent, nkey in sorted(agents.items())),
    ]
    accounts = {Subjects(namespace).root: {"jetstream": "enabled", "users": users}}
    head = _HEAD.format(namespace=namespace, name=CONFIGURATION, max_payload=PAYLOAD_MAX_BYTES + HEADROOM_BYTES)
    return f"{head}accounts: {msgspec.json.format(msgspec.json.encode(accounts)).decode()}\n"


def _user(nkey: str, may: Permissions) -> dict[str, object]:
    allowed = {"publish": {"allow": may.publish}, "subscribe": {"allow": may.subscribe}}
    return {"nkey": nkey, "permissions": allowed}


class Users(msgspec.Struct, frozen=True):
    """A folder with the users of a namespace: a seed or a public nkey for each, and the configuration made of them."""

    folder: Path
    namespace: str

    def add(self, agents: Mapping[AgentId, str | None]) -> list[Path]:
        """Make a seed for the orchestrator, and for each of these agents that has none and brings no public nkey; write
        the configuration of all users. Returns the files of the seeds that were made.

        Raises BadInput where the folder cannot be written, or holds what is none of these.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = [self._made(ORCHESTRATOR)] if not self._seed(ORCHESTRATOR).exists() else []
            for agent, nkey in agents.items():
                made += self._added(agent, nkey)
            text = configuration(self.namespace, self._public(self._seed(ORCHESTRATOR)), self.agents())
            _write(self.folder / CONFIGURATION, text, 0o644)
        except OSError as error:
            raise BadInput.of("ACC748", f"the folder {self.folder} cannot be used: {error}") from error
        return made

    def agents(self) -> dict[AgentId, str]:
        """The public nkey of each agent in the folder. Raises BadInput, OSError."""
        found = {}
        for path in sorted(self.folder.iterdir()):
            organisation, at, name = path.stem.partition("~")
            if at and path.suffix in (SEED, PUBLIC):
                plain = [part.replace("=2E", ".") for part in (organisation, name)]
                found[AgentId(f"spiffe://{plain[0]}/agent/{plain[1]}")] = self._public(path)
        return found

    def _added(self, agent: AgentId, nkey: str | None) -> list[Path]:
        seed = self._seed(agent_word(agent))
        if nkey is None:
            return [] if seed.exists() else [self._made(agent_word(agent))]
        if not PUBLIC_NKEY.fullmatch(nkey) or seed.exists():
            hint = "it begins with U and has 56 characters; a seed of the agent must not be in the folder"
            raise BadInput.of("ACC748", f"{nkey} cannot be the public nkey of {agent}", hint=hint)
        _write(seed.with_suffix(PUBLIC), f"{nkey}\n", 0o644)
        return []

    def _seed(self, word: str) -> Path:
        return self.folder / f"{word}{SEED}"

    def _made(self, word: str) -> Path:
        seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
        _write(self._seed(word), f"{seed.decode()}\n", 0o600)
        return self._seed(word)

    def _public(self, path: Path) -> str:
        text = path.read_text().strip()
        if path.suffix == PUBLIC and PUBLIC_NKEY.fullmatch(text):
            return text
        try:
            return str(nkeys.from_seed(bytearray(text.encode())).public_key.decode())
        except (nkeys.NkeysError, ValueError) as error:
            raise BadInput.of("ACC748", f"{path} holds no nkey", hint="remove it, and run this again") from error


def _write(path: Path, text: str, mode: int) -> None:
    """Write the file, or nothing of it."""
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    new.replace(path)
