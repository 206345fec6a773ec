"""The container of a bundle: a tar archive (POSIX ustar) of which every byte is fixed by the names and the contents of
its entries, so that none can be changed without being found.

No owner, no time, mode 0644, zeros behind each entry up to a full block, two blocks of zeros at the end, nothing after
them.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import BinaryIO, Final

import msgspec

from accord.errors import Place, Problem

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
"""What is behind the last entry."""

ENTRY_MAX_BYTES: Final = (8 << 30) - 1
"""The longest content of an entry that a header can tell."""

_CHUNK = 1 << 20


class Entry(msgspec.Struct, frozen=True, gc=False):
    """Where the content of an entry is in the file."""

    name: str
    offset: int
    length_bytes: int


def header(name: str, length_bytes: int) -> bytes:
    """The block before the content of an entry. Raises ValueError where there is none for it."""
    info = tarfile.TarInfo(name)
    info.size = length_bytes
    if not name or length_bytes > ENTRY_MAX_BYTES:
        raise ValueError(f"no entry of a bundle: {name!r}, {length_bytes} bytes")
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def _header_of(entry: tuple[str, int] | None) -> bytes | None:
    """The block before an entry; None where there is none for it."""
    try:
        return header(*entry) if entry is not None else None
    except ValueError:
        return None


def padding(length_bytes: int) -> bytes:
    """What is behind the content of an entry."""
    return bytes(-length_bytes % BLOCK)


class Container:
    """A file with the entries that are in it, and what is wrong with everything around them.

    `expected` gives the name and length of the entry of each number, as far as they are known: where a header is
    damaged, they take its place.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        self._at = 0
        self.entries: list[Entry] = []
        self.problems: list[Problem] = []
        self.ends_early = False
        """Whether the file ends within an entry, or before one that has to be there."""

    def read(self, entry: Entry) -> bytes:
        """The content of an entry, as much of it as is there."""
        self._file.seek(entry.offset)
        return self._file.read(entry.length_bytes)

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """The same in pieces: one that is large is never held whole."""
        at, end = entry.offset, entry.offset + entry.length_bytes
        while at < end:
            self._file.seek(at)  # others may have read elsewhere meanwhile
            chunk = self._file.read(min(_CHUNK, end - at))
            if not chunk:
                return
            yield chunk
            at += len(chunk)

    def digest(self, entry: Entry) -> str:
        """SHA-256 of the content of an entry."""
        digest = sha256()
        for chunk in self.chunks(entry):
            digest.update(chunk)
        return digest.hexdigest()

    def find(self, count: int, expected: Sequence[tuple[str, int]] = ()) -> None:
        """Find entries until there are so many, or no more."""
        while len(self.entries) < count and not self.ends_early:
            at = len(self.entries)
            if not self._find_one(expected[at] if at < len(expected) else None):
                return

    def finish(self, expected: Sequence[tuple[str, int]] = ()) -> None:
        """Find all other entries, and check the end."""
        self.find(1 << 62, expected)
        if self.ends_early:
            return
        self._file.seek(self._at)
        rest = self._file.read(len(END) + 1)
        if rest != END:
            where = next((at for at, (one, two) in enumerate(zip(rest, END, strict=False)) if one != two), len(rest))
            where = min(where, len(END))
            self._wrong(self._at + where, "the file does not end with two blocks of zeros and nothing behind them")

    def _find_one(self, expected: tuple[str, int] | None) -> bool:
        self._file.seek(self._at)
        block = self._file.read(BLOCK)
        if block == bytes(BLOCK) and expected is None:
            return False
        if len(block) < BLOCK and expected is not None:
            self._end(f"the file ends where the header of {expected[0]} has to be", expected[0])
            return False
        told = self._told(block, expected)
        if told is None:
            return False
        name, length_bytes = told
        entry = Entry(name, self._at + BLOCK, length_bytes)
        end = entry.offset + length_bytes
        if end + len(padding(length_bytes)) > self._size:
            self._end(f"the file ends within {name}, which goes to byte {end}", name)
            length_bytes = max(self._size - entry.offset, 0)
            entry = Entry(name, entry.offset, length_bytes)
        else:
            self._check_padding(name, end, padding(length_bytes))
        self.entries.append(entry)
        self._at = entry.offset + length_bytes + len(padding(length_bytes))
        return True

    def _told(self, block: bytes, expected: tuple[str, int] | None) -> tuple[str, int] | None:
        """Name and length of the entry: as its header says them, else as they have to be."""
        try:
            info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
            told = (info.name, info.size)
            if header(*told) == block:
                return told
        except (tarfile.HeaderError, ValueError):
            told = None
        wanted = expected or told
        right = _header_of(wanted)
        if wanted is None or right is None:
            self._wrong(self._at, "there is no header of an entry: nothing behind it can be read")
            return None
        where = next((at for at, (one, two) in enumerate(zip(block, right, strict=False)) if one != two), len(block))
        self._wrong(self._at + where, f"the header of {wanted[0]} is not the one that belongs there", wanted[0])
        return wanted

    def _check_padding(self, name: str, at: int, zeros: bytes) -> None:
        self._file.seek(at)
        found = self._file.read(len(zeros))
        if found != zeros:
            where = next(place for place, byte in enumerate(found) if byte)
            self._wrong(at + where, f"behind {name} there is something else than zeros", name)

    def _end(self, text: str, name: str) -> None:
        """Tell that the file ends, once: what is behind its end needs no words of its own."""
        if not self.ends_early:
            self._wrong(self._size, text, name)
        self.ends_early = True

    def _wrong(self, byte: int, text: str, name: str | None = None) -> None:
        self.problems.append(Problem("ACC840", f"byte {byte}: {text}", Place(file=name)))


def packed(entries: Sequence[tuple[str, bytes]]) -> Iterator[bytes]:
    """The chunks of a container with these entries, but for its end."""
    for name, content in entries:
        yield header(name, len(content))
        yield content
        yield padding(len(content))
