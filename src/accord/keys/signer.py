"""The keys of a signer, as an agent's process has them: none is here, statements are signed at the other end of a Unix
socket (`accord signer`).

A frame is the length of its document in four bytes, most significant first, and the document: JSON. Each request has
one answer, in order.
"""

from __future__ import annotations

import asyncio
import binascii
import contextlib
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec

from accord.domain.ids import KeyId
from accord.domain.signature import SIGNATURE_BYTES, Algorithm, PublicKey
from accord.errors import KeysUnavailable, KeyUnusable, MessageRefused, NotFound, Place, Problem
from accord.keys.private import FAULTS, no_such_key
from accord.ports import StoredKey
from accord.recent import Recent

FRAME_MAX_BYTES: Final = 1 << 20
INPUTS_MAX: Final = 256
"""Statements in one request."""

KEYS_MAX: Final = 16
"""Orchestrators' keys in one request."""

SHOWN_MAX: Final = 4096
"""Statements that are shown again to a signer that was started again."""

ANSWERED_WITHIN_S: Final = 20.0
"""Longer than a signer waits for the service that holds its keys."""

_AWAY: Final = frozenset(("ACC630", "ACC631"))
"""What a signer tells whose keys are in a service that cannot be reached: nothing of it was refused."""

_LENGTH: Final = struct.Struct(">I")


class AskKeys(msgspec.Struct, frozen=True, tag="keys", tag_field="ask", forbid_unknown_fields=True):
    """Which keys may be signed with."""


class AskShow(msgspec.Struct, frozen=True, tag="show", tag_field="ask", forbid_unknown_fields=True):
    """Statements of orchestrators, and their public keys (JWK)."""

    statements: tuple[str, ...]
    keys: tuple[dict[str, str], ...]


class AskSign(msgspec.Struct, frozen=True, tag="sign", tag_field="ask", forbid_unknown_fields=True):
    """The signing inputs of whole statements: all are signed, or none."""

    key: KeyId
    inputs: tuple[str, ...]


Ask = AskKeys | AskShow | AskSign


class Listed(msgspec.Struct, frozen=True):
    """A key, and the name it has in the store."""

    name: str
    jwk: dict[str, str]
    created_at: datetime


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The answer to a request: `problems` where it was refused."""

    problems: tuple[Problem, ...] = ()
    keys: tuple[Listed, ...] = ()
    signatures: tuple[str, ...] = ()
    """Base64."""


def framed(document: bytes) -> bytes:
    """The document as it is sent."""
    return _LENGTH.pack(len(document)) + document


async def read_frame(reader: asyncio.StreamReader, begun: bytes = b"") -> bytes:
    """The next document, of which so much was read. Raises IncompleteReadError at the end, ValueError where it is too
    long.
    """
    (length,) = _LENGTH.unpack(begun + await reader.readexactly(_LENGTH.size - len(begun)))
    if not 0 < length <= FRAME_MAX_BYTES:
        raise ValueError(f"{length} bytes, at most {FRAME_MAX_BYTES} are allowed")
    return await reader.readexactly(length)


T = TypeVar("T")


class SignerKeys:
    """A `KeyStore` whose keys a signer holds. It makes and replaces none: that is done where they are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._trust: dict[KeyId, dict[str, str]] = {}
        self._shown: Recent[str, None] = Recent(SHOWN_MAX)
        """What a signer is shown that was started again."""
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[Self]:
        """The keys of the signer that listens there. Raises KeyUnusable where none does."""
        keys = cls(path)
        try:
            await keys.stored()
            yield keys
        finally:
            keys._hang_up()

    async def create(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Raises KeyUnusable: keys are made where they are."""
        raise KeyUnusable(_away(self._path, f"it has no key {name}", f"start it for that agent: accord signer {name}"))

    async def replace(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Raises KeyUnusable: keys are replaced where they are."""
        raise KeyUnusable(
            _away(self._path, f"{name} is replaced where it is", "in the signer's home: accord keys rotate")
        )

    async def stored(self) -> list[StoredKey]:
        """The keys that this process may have statements signed with, by name."""
        told = await self._ask(AskKeys())
        return [StoredKey(one.name, PublicKey.from_jwk(one.jwk), one.created_at) for one in told.keys]

    async def replaced(self) -> list[KeyId]:
        """None: those are known where they are."""
        return []

    async def public(self, name: str) -> PublicKey:
        """The key's public half. Raises NotFound."""
        found = next((one.public for one in await self.stored() if one.name == name), None)
        if found is None:
            raise no_such_key(name)
        return found

    async def sign(self, kid: KeyId, inputs: Sequence[bytes]) -> list[bytes]:
        """The signatures of these statements, which are whole and in no batch. Raises as the port says, and
        MessageRefused for statements that the signer does not sign: then none is signed.
        """
        try:
            texts = [data.decode("ascii") for data in inputs]
        except UnicodeDecodeError:
            raise MessageRefused.of("ACC640", "a signer signs whole statements, and no batch") from None
        found: list[bytes] = []
        for part in _parts(texts):
            told = await self._ask(AskSign(kid, tuple(part)))
            found += [_signature(text) for text in told.signatures]
        if len(found) != len(inputs):
            raise KeyUnusable(_away(self._path, f"{len(found)} signatures came for {len(inputs)} statements"))
        return found

    async def show(self, trust: Mapping[KeyId, PublicKey], statements: Sequence[bytes]) -> None:
        """Show the signer assignments, so that it signs what is said about them, and delegations of orchestrators with
        these keys: it believes those that it knows the thumbprints of. Raises MessageRefused for statements that it
        does not believe, and KeyUnusable.
        """
        self._trust.update({kid: key.to_jwk() for kid, key in trust.items() if kid not in self._trust})
        texts = [one.decode("ascii") for one in statements]
        for text in texts:
            self._shown.setdefault(text)  # one that is away is shown them when it is back, in this order
        for part in _parts(texts):
            await self._ask(self._showing(part))

    def _showing(self, statements: Sequence[str]) -> AskShow:
        return AskShow(tuple(statements), tuple(self._trust.values())[-KEYS_MAX:])

    async def _ask(self, ask: Ask) -> Told:
        """The answer. A connection that was lost is made again, once. Raises what the answer says, and KeyUnusable."""
        document = framed(msgspec.json.encode(ask))
        async with self._turn:
            was_open = self._streams is not None
            try:
                data = await self._answer(document)
            except (OSError, EOFError) as lost:
                self._hang_up()
                if not was_open:
                    raise KeysUnavailable(_away(self._path, str(lost) or type(lost).__name__)) from lost
                data = await self._answer_anew(document)
        try:
            told = msgspec.json.decode(data, type=Told)
        except msgspec.DecodeError as error:
            raise KeysUnavailable(_away(self._path, f"it answers what is none: {error}")) from error
        _raise_refused(told.problems)
        return told

    async def _answer_anew(self, document: bytes) -> bytes:
        try:
            return await self._answer(document)
        except (OSError, EOFError) as lost:
            self._hang_up()
            raise KeysUnavailable(_away(self._path, str(lost) or type(lost).__name__)) from lost

    async def _answer(self, document: bytes) -> bytes:
        """Raises OSError (TimeoutError is one) and EOFError; then the connection is of no use any more."""
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                if self._streams is None:
                    self._streams = await asyncio.open_unix_connection(str(self._path))
                    for part in _parts(list(self._shown)):
                        await self._exchange(framed(msgspec.json.encode(self._showing(part))))
                return await self._exchange(document)
        except BaseException as error:
            self._hang_up()  # an answer that comes later would be taken for the next one's
            if isinstance(error, ValueError):
                raise OSError(str(error)) from error
            raise

    async def _exchange(self, document: bytes) -> bytes:
        if self._streams is None:
            raise EOFError
        reader, writer = self._streams
        writer.write(document)
        await writer.drain()
        return await read_frame(reader)

    def _hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(texts), INPUTS_MAX):
        yield texts[first : first + INPUTS_MAX]


def _signature(text: str) -> bytes:
    try:
        found = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        found = b""
    if len(found) != SIGNATURE_BYTES:
        raise MessageRefused.of("ACC308", f"{len(found)} bytes")
    return found


def _raise_refused(problems: Sequence[Problem]) -> None:
    """Raise what the signer has refused with, as the kind of error that it is."""
    codes = {one.code for one in problems}
    if "ACC612" in codes:
        raise NotFound(*problems)
    if codes & _AWAY:
        raise KeysUnavailable(*problems)
    if codes & (FAULTS.keys() | {"ACC645", "ACC646"}):
        raise KeyUnusable(*problems)
    MessageRefused.raise_if(problems)


def _away(path: Path, said: str, hint: str = "is `accord signer` running, and may this user ask it?") -> Problem:
    return Problem("ACC647", f"the signer does not help: {said}", Place(file=str(path)), hint)
