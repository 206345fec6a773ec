"""The signer: holds the keys of agents behind a Unix socket, and signs for those who may ask what fits, see `signable`.

agent's process ── show: the assignment, as the orchestrator has signed it ──► signer
agent's process ── sign: whole statements ──► signer ── signatures, or why not ──► agent's process
"""

from __future__ import annotations

import asyncio
import binascii
import logging
import os
import socket
import stat
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from accord.domain.agent import agent_id, key_name, registry_id
from accord.domain.ids import AgentId, KeyId
from accord.domain.message import Claims, Kind, Message, decode_claims
from accord.domain.signable import Signable, problem_of
from accord.domain.signature import PublicKey, claims_of
from accord.errors import AccordError, KeyUnusable, MessageRefused, Place, Problem
from accord.keys.named import key_of
from accord.keys.private import no_such_key
from accord.keys.signer import INPUTS_MAX, Ask, AskKeys, AskShow, AskSign, Listed, Told, framed, read_frame
from accord.ports import Bare, Clock, KeyStore
from accord.sdk.intake import Intake, Refusal
from accord.statements import Verifier

logger = logging.getLogger("accord.signer")

GUESTS_MAX: Final = 64
"""Connections at a time."""

SLOW_S: Final = 5.0
"""How long a frame may take once it has begun, and an answer until it is taken."""

DRAIN_WITHIN_S: Final = 5.0
LINGERS: Final = timedelta(days=1)
_SHOWN: Final[frozenset[Kind]] = frozenset(("assign", "delegate", "succeed"))
_CREDENTIALS: Final = struct.Struct("3i")


class Peer(msgspec.Struct, frozen=True):
    """Who is at the other end of a socket, as the kernel says."""

    pid: int
    uid: int
    gid: int


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """Where the signer listens, and who may ask it."""

    path: Path
    users: frozenset[int]
    """By uid."""
    groups: frozenset[int] = frozenset()
    """By gid: of a process's own group, as others of a user are not told."""

    def admits(self, peer: Peer) -> bool:
        """Whether this one may ask."""
        return peer.uid in self.users or peer.gid in self.groups

    @property
    def mode(self) -> int:
        """The socket's: no wider than whoever may ask needs; the kernel's word decides in any case."""
        return 0o600 if self.users == {os.geteuid()} and not self.groups else 0o666


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """Whose keys the signer holds, and whom it believes."""

    organisation: str
    agents: tuple[str, ...]
    """Their names."""
    trust: frozenset[KeyId]
    """Thumbprints of the orchestrators' keys."""
    lingers: timedelta = LINGERS
    """How long assignments are held after they have expired."""


class _Ward(msgspec.Struct, frozen=True, eq=False):
    """One agent: its keys, what it holds, and what it was told by orchestrators."""

    name: str
    signable: Signable
    intake: Intake
    keys: dict[KeyId, PublicKey]
    """All that it has had since the signer was started: one that was replaced signs until it is retired."""


class Holder:
    """Holds the keys, and answers requests; `signer` opens one that listens."""

    def __init__(self, keys: KeyStore, charge: Charge, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._believed = charge.trust
        self._trust: dict[KeyId, PublicKey] = {}
        verifier, registry = Verifier(), registry_id(charge.organisation)
        self._wards: dict[AgentId, _Ward] = {}
        for name in charge.agents:
            agent = agent_id(charge.organisation, name)
            self._wards[agent] = _Ward(
                name=key_name(agent),
                signable=Signable(agent, charge.organisation, charge.lingers),
                intake=Intake(agent, self._trust, verifier, registry),
                keys={},
            )

    async def prepare(self) -> list[PublicKey]:
        """Make the keys that are missing; returns all."""
        found = []
        for ward in self._wards.values():
            found.append(await key_of(self._keys, ward.name))
            ward.keys[found[-1].kid] = found[-1]
        return found

    async def answer(self, document: bytes, peer: Peer) -> Told:
        """What is told to a request. What is refused is logged."""
        try:
            return await self._told(document)
        except AccordError as error:
            for problem in error.problems:
                logger.warning("refused to uid %d, pid %d: %s", peer.uid, peer.pid, problem)
            return Told(problems=error.problems)

    async def _told(self, document: bytes) -> Told:
        try:
            ask = msgspec.json.decode(document, type=Ask)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MessageRefused(problem_of("ACC646", "", str(error))) from None
        if isinstance(ask, AskSign):
            return Told(signatures=tuple(await self._signed(ask)))
        if isinstance(ask, AskShow):
            await self._shown(ask)
            return Told()
        assert isinstance(ask, AskKeys)  # noqa: S101 - there are three
        return Told(keys=tuple([one async for one in self._listed()]))

    async def _listed(self) -> AsyncIterator[Listed]:
        wards = {ward.name: ward for ward in self._wards.values()}
        for one in await self._keys.stored():
            ward = wards.get(one.name)
            if ward is not None:
                ward.keys[one.public.kid] = one.public
                yield Listed(one.name, one.public.to_jwk(), one.created_at)

    # -- showing -------------------------------------------------------------------------------------------------

    async def _shown(self, ask: AskShow) -> None:
        """Remember assignments by an orchestrator that is trusted. Raises MessageRefused with all that is wrong."""
        _refuse_many(ask.statements)
        for jwk in ask.keys:
            key = PublicKey.from_jwk(jwk)
            if key.kid in self._believed:
                self._trust[key.kid] = key
        problems: list[Problem] = []
        for statement in ask.statements:
            problems.extend(await self._problems_of_shown(statement.encode("utf-8", "surrogatepass")))
        MessageRefused.raise_if(problems)

    async def _problems_of_shown(self, statement: bytes) -> Sequence[Problem]:
        now = self._clock.now()
        refused: tuple[Problem, ...] = ()
        found = False
        for ward in self._wards.values():
            (one,) = await ward.intake.check([Bare(Message(statement, b""))], now, _SHOWN, whole=False)
            if isinstance(one, Refusal):
                refused = refused or one.problems
                continue
            found = True
            if one.claims.kind == "assign":
                ward.signable.hold(one.claims, one.digest, now)
        return () if found else [problem_of("ACC648", "", str(problem)) for problem in refused]

    # -- signing -------------------------------------------------------------------------------------------------

    async def _signed(self, ask: AskSign) -> list[str]:
        _refuse_many(ask.inputs)
        ward, key = await self._ward_of(ask.key)
        inputs = [one.encode("utf-8", "surrogatepass") for one in ask.inputs]
        now = self._clock.now()
        MessageRefused.raise_if(problem for one in inputs for problem in ward.signable.problems(_claims(one, key), now))
        signatures = await self._keys.sign(key.kid, inputs)
        return [binascii.b2a_base64(one, newline=False).decode() for one in signatures]

    async def _ward_of(self, kid: KeyId) -> tuple[_Ward, PublicKey]:
        """Whose key it is. Raises NotFound, also for keys of the store that are no agent's here."""
        for again in (False, True):
            if again:
                [_ async for _ in self._listed()]
            for ward in self._wards.values():
                if kid in ward.keys:
                    return ward, ward.keys[kid]
        raise no_such_key(kid)


def _claims(signing_input: bytes, key: PublicKey) -> Claims:
    """The claims of what is to be signed. Raises MessageRefused where it is no statement."""
    claims = claims_of(signing_input, key)
    if claims is None:
        raise MessageRefused(problem_of("ACC640", "", f"{len(signing_input)} bytes"))
    return decode_claims(claims)


def _refuse_many(statements: Sequence[str]) -> None:
    if not 0 < len(statements) <= INPUTS_MAX:
        raise MessageRefused(problem_of("ACC646", "", f"{len(statements)} statements, 1 to {INPUTS_MAX} are allowed"))


# -- the socket --------------------------------------------------------------------------------------------------


def peer_of(connection: socket.socket) -> Peer:
    """Who is at the other end of this Unix socket."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Peer(*_CREDENTIALS.unpack(data))


class _Desk:
    """The connections of a signer."""

    def __init__(self, holder: Holder, door: Door) -> None:
        self._holder = holder
        self._door = door
        self._guests: set[asyncio.Task[None]] = set()
        self._idle: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._closing = False

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio calls this in one
        peer = peer_of(writer.get_extra_info("socket"))
        self._guests.add(task)
        try:
            if not self._door.admits(peer):
                logger.warning("refused to uid %d, gid %d, pid %d: it may not ask", peer.uid, peer.gid, peer.pid)
                await self._turn_away(reader, writer, problem_of("ACC645", "", f"uid {peer.uid}, gid {peer.gid}"))
            elif len(self._guests) > GUESTS_MAX:
                await self._turn_away(reader, writer, problem_of("ACC646", "", "too many connections"))
            else:
                await self._serve(reader, writer, peer, task)
        except (OSError, EOFError, ValueError) as error:
            if not isinstance(error, asyncio.IncompleteReadError) or error.partial:
                logger.warning(
                    "the connection of uid %d, pid %d ended: %s", peer.uid, peer.pid, str(error) or "too slow"
                )
        finally:
            self._guests.discard(task)
            self._idle.pop(task, None)
            writer.close()

    async def _turn_away(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, why: Problem) -> None:
        """Answer the first request with this, whatever it is; a socket that is closed before would tell nothing."""
        async with asyncio.timeout(SLOW_S):
            await read_frame(reader)
        await self._send(writer, Told(problems=(why,)))

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer, task: asyncio.Task[None]
    ) -> None:
        while not self._closing:
            self._idle[task] = writer
            first = await reader.readexactly(1)
            self._idle.pop(task, None)
            async with asyncio.timeout(SLOW_S):
                document = await read_frame(reader, first)
            await self._send(writer, await self._holder.answer(document, peer))

    async def _send(self, writer: asyncio.StreamWriter, told: Told) -> None:
        writer.write(framed(msgspec.json.encode(told)))
        async with asyncio.timeout(SLOW_S):
            await writer.drain()

    async def drain(self) -> None:
        """Answer what was asked, and close all connections."""
        self._closing = True
        for writer in list(self._idle.values()):
            writer.close()
        if self._guests:
            _, late = await asyncio.wait(set(self._guests), timeout=DRAIN_WITHIN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


@asynccontextmanager
async def signer(keys: KeyStore, charge: Charge, door: Door, clock: Clock) -> AsyncIterator[list[PublicKey]]:
    """A signer that listens while this is open; gives the keys that it holds.

    Raises:
        KeyUnusable: ACC649 something else is at the path.
    """
    made = Holder(keys, charge, clock)
    publics = await made.prepare()
    desk = _Desk(made, door)
    listening, number = _bound(door)
    server = await asyncio.start_unix_server(desk.receive, sock=listening)
    try:
        yield publics
    finally:
        server.close()
        await desk.drain()
        _remove(door.path, number)


def _free(path: Path) -> None:
    """Take away a socket at which nobody listens any more. Raises KeyUnusable for anything else that is there."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise KeyUnusable(_taken(path, "it is no socket"))
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise KeyUnusable(_taken(path, error.strerror or str(error))) from error
    raise KeyUnusable(_taken(path, "another signer listens there"))


def _bound(door: Door) -> tuple[socket.socket, int]:
    """A socket at the path, and the number of its file. Raises KeyUnusable."""
    if not hasattr(socket, "SO_PEERCRED"):
        raise KeyUnusable(_taken(door.path, "this system does not say who asks: it takes Linux"))
    _free(door.path)
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o777 & ~door.mode)
    try:
        listening.bind(str(door.path))
        return listening, door.path.stat().st_ino
    except OSError as error:
        listening.close()
        raise KeyUnusable(_taken(door.path, error.strerror or str(error))) from error
    finally:
        os.umask(before)


def _remove(path: Path, number: int) -> None:
    """Take the socket away, unless somebody has put another one there."""
    with suppress(OSError):
        if path.stat().st_ino == number:
            path.unlink()


def _taken(path: Path, said: str) -> Problem:
    return Problem("ACC649", f"the signer cannot listen: {said}", Place(file=str(path)), "name another --socket")
