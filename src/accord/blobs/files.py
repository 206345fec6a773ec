"""A blob store in a directory: `<root>/ab/<digest>`, drafted beside and moved into place, to be whole or absent.

The time of the file `<root>/mark` is the newest mark. A blob that is put gets the same time, so that what was put since
a mark is told from what was put before, whatever the clock does. Putting holds the lock of that file shared, marking
and removing hold it alone.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from accord.blobs.refusals import blobs_unavailable, corrupt_blob, no_such_blob
from accord.domain.ids import Digest
from accord.ports import StoredBlob

WRITE_BYTES = 1 << 20
"""So much of a stream is gathered before it is written."""

MARK_STEP_NS = 2 * 10**9
"""Marks are this far apart at least: no file system keeps coarser times."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FOLDER = re.compile(r"[0-9a-f]{2}")
_P = ParamSpec("_P")
_R = TypeVar("_R")


class FileBlobStore:
    """Blobs as files; several processes may share the directory."""

    def __init__(self, root: Path, drafts: Path) -> None:
        self._root = root
        self._drafts = drafts

    @classmethod
    @asynccontextmanager
    async def open(cls, root: Path) -> AsyncIterator[FileBlobStore]:
        """The store in the directory `root`, which is made where it does not exist.

        Raises:
            StoreUnavailable: the directory cannot be made or written.
        """
        with _unavailable(root):
            drafts, lock = await asyncio.to_thread(_open_drafts, root)
        try:
            yield cls(root, drafts)
        finally:
            shutil.rmtree(drafts, ignore_errors=True)
            os.close(lock)

    async def put(self, data: bytes) -> Digest:
        return await self._in_thread(self._put, data)

    async def put_stream(self, chunks: AsyncIterator[bytes]) -> tuple[Digest, int]:
        draft = await self._in_thread(Draft, self._drafts)
        try:
            async for data in _gathered(chunks):
                await self._in_thread(draft.write, data)
            return await self._in_thread(draft.publish, self._root), draft.size
        finally:
            draft.close()

    async def get(self, digest: Digest) -> bytes:
        return b"".join([chunk async for chunk in self.get_stream(digest)])

    async def get_stream(self, digest: Digest, *, chunk_bytes: int = 1 << 20) -> AsyncIterator[bytes]:
        hashed = hashlib.sha256()

        def read() -> bytes:
            chunk = reading.read(chunk_bytes)
            hashed.update(chunk)
            return chunk

        with closing(_Reading()) as reading:
            await self._in_thread(reading.open, self._root, digest)
            held = await self._in_thread(read)
            while chunk := await self._in_thread(read):
                yield held
                held = chunk
        if hashed.hexdigest() != digest:
            raise corrupt_blob(digest)
        if held:
            yield held

    async def renew(self, digest: Digest) -> bool:
        if not _DIGEST.fullmatch(digest):
            return False
        return await self._in_thread(_renewed, self._root, _place(self._root, digest))

    async def mark(self) -> int:
        return await self._in_thread(_next_mark, self._root)

    async def stored(self, *, after: Digest | None = None, before: int | None = None, limit: int) -> list[StoredBlob]:
        found: list[StoredBlob] = []
        for folder in await self._in_thread(_folders, self._root, after):
            found.extend(await self._in_thread(_stored, folder, after, before))
            if len(found) >= limit:
                break
        return found[:limit]

    async def remove(self, digests: Sequence[Digest], *, before: int) -> list[StoredBlob]:
        places = [_place(self._root, digest) for digest in dict.fromkeys(digests) if _DIGEST.fullmatch(digest)]
        removed = [await self._in_thread(_remove, self._root, place, before) for place in places]
        return [blob for blob in removed if blob is not None]

    async def _in_thread(self, work: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with _unavailable(self._root):
            return await asyncio.to_thread(work, *args, **kwargs)

    def _put(self, data: bytes) -> Digest:
        place = _place(self._root, Digest(hashlib.sha256(data).hexdigest()))
        if _renewed(self._root, place, len(data)):
            # Another process may have moved it into place and not yet made that durable.
            _sync(place.parent)
            return Digest(place.name)
        draft = Draft(self._drafts)
        try:
            draft.write(data)
            return draft.publish(self._root)
        finally:
            draft.close()


async def _gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces: each way to a thread costs as much as some hundred KiB written."""
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= WRITE_BYTES:
            yield b"".join(held)
            held.clear()
            size = 0
    if held:
        yield b"".join(held)


class _Reading:
    """A blob that threads open and read, also while who has asked for it is leaving: no file stays open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._is_over = False

    def open(self, root: Path, digest: Digest) -> None:
        """Open it. Raises NotFound."""
        if not _DIGEST.fullmatch(digest):
            raise no_such_blob(digest)
        with self._lock:
            if self._is_over:
                return
            try:
                self._file = _place(root, digest).open("rb")
            except FileNotFoundError:
                raise no_such_blob(digest) from None

    def read(self, size: int) -> bytes:
        """So many bytes, fewer at the end."""
        with self._lock:
            return b"" if self._file is None or self._is_over else self._file.read(size)

    def close(self) -> None:
        """Read no more."""
        with self._lock:
            self._is_over = True
            if self._file is not None:
                self._file.close()


class Draft:
    """A blob while it is written: a file that nobody else sees, gone when it is closed and was not published."""

    def __init__(self, folder: Path) -> None:
        number, name = tempfile.mkstemp(dir=folder)
        self._file = os.fdopen(number, "wb")
        self._path = Path(name)
        self._hashed = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._file.write(data)
        self._hashed.update(data)
        self.size += len(data)

    def publish(self, root: Path) -> Digest:
        """Make it the blob of its digest, durably."""
        digest = Digest(self._hashed.hexdigest())
        place = _place(root, digest)
        self._file.flush()
        os.fsync(self._file.fileno())
        if not place.parent.exists():
            place.parent.mkdir(exist_ok=True)
            _sync(root)
        with _marked(root, fcntl.LOCK_SH) as mark:
            os.utime(self._path, ns=(mark, mark))
            self._path.replace(place)
        _sync(place.parent)
        return digest

    def close(self) -> None:
        """Remove what was not published."""
        with suppress(OSError):  # what could not be written cannot be flushed either
            self._file.close()
        self._path.unlink(missing_ok=True)


def _place(root: Path, digest: Digest) -> Path:
    return root / digest[:2] / digest


@contextmanager
def _marked(root: Path, lock: int) -> Iterator[int]:
    """The newest mark, while the lock is held."""
    number = os.open(root / "mark", os.O_RDONLY | os.O_CREAT, 0o666)
    try:
        fcntl.flock(number, lock)
        yield os.fstat(number).st_mtime_ns
    finally:
        os.close(number)


@contextmanager
def nothing_removed(root: Path) -> Iterator[None]:
    """Whoever wants to remove blobs, or to mark, waits meanwhile; putting goes on."""
    with _unavailable(root), _marked(root, fcntl.LOCK_SH):
        yield


def _next_mark(root: Path) -> int:
    with _marked(root, fcntl.LOCK_EX) as last:
        os.utime(root / "mark")
        mark = max((root / "mark").stat().st_mtime_ns, last + MARK_STEP_NS)
        os.utime(root / "mark", ns=(mark, mark))
        return (root / "mark").stat().st_mtime_ns


def _renewed(root: Path, place: Path, size: int | None = None) -> bool:
    """Whether the blob is there, in this length where one is given; then it counts as put now."""
    with _marked(root, fcntl.LOCK_SH) as mark, suppress(FileNotFoundError):
        if place.stat().st_size == size or size is None:
            os.utime(place, ns=(mark, mark))
            return True
    return False


def _folders(root: Path, after: Digest | None) -> list[Path]:
    """The folders with blobs behind this one, in order."""
    found = (path for path in root.iterdir() if _FOLDER.fullmatch(path.name))
    return sorted(path for path in found if path.name >= (after or "")[:2])


def _stored(folder: Path, after: Digest | None, before: int | None) -> list[StoredBlob]:
    found = []
    for path in sorted(folder.iterdir()):
        with suppress(FileNotFoundError):  # removed by another process just now
            if _DIGEST.fullmatch(path.name) and path.name > (after or ""):
                status = path.stat()
                if before is None or status.st_mtime_ns < before:
                    found.append(StoredBlob(Digest(path.name), status.st_size))
    return found


def _remove(root: Path, place: Path, before: int) -> StoredBlob | None:
    with _marked(root, fcntl.LOCK_EX), suppress(FileNotFoundError):
        status = place.stat()
        if status.st_mtime_ns < before:
            place.unlink()
            return StoredBlob(Digest(place.name), status.st_size)
    return None


def _sync(folder: Path) -> None:
    """Make the names in a directory durable."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def _unavailable(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise blobs_unavailable(str(root), error.strerror or str(error)) from error


def _open_drafts(root: Path) -> tuple[Path, int]:
    """A folder for the drafts of this process, and its lock; folders whose process has ended are removed.

    The system gives a lock back however the process ends; its number might be another process's by now.
    """
    shared = root / "drafts"
    shared.mkdir(parents=True, exist_ok=True)
    with (shared / "lock").open("wb") as entrance:
        # One process at a time looks around or moves in: nobody sees a folder that is not locked yet.
        fcntl.flock(entrance, fcntl.LOCK_EX)
        for folder in shared.iterdir():
            if folder.is_dir():
                _sweep(folder)
        own = Path(tempfile.mkdtemp(dir=shared))
        lock = os.open(own, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return own, lock


def _sweep(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(folder)
    finally:
        os.close(number)
