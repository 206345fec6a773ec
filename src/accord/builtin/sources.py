"""The files of a product or directory, listed and read without ever importing, running or leaving the root."""

from __future__ import annotations

import codecs
import hashlib
import io
import os
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import orjson

from accord.builtin.ignored import ALWAYS_SKIPPED, IgnoreRule, is_ignored, rules_in
from accord.builtin.products import Extent, Product
from accord.sdk.outcome import Failure

LARGEST_FILE_BYTES = 1_500_000
"""A larger source file is generated or data; it is counted, not read."""
MOST_FILES = 20_000
"""The walk of one root ends here, and says so."""
COMPILED_SUFFIXES = (".so", ".pyd", ".dylib", ".dll")
_TEST_FOLDERS = frozenset({"tests", "test"})


@dataclass(frozen=True, order=True)
class SourceFile:
    """A regular file below a root; `path` is relative to the root, with forward slashes."""

    path: str
    location: Path
    size_bytes: int

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix

    @property
    def is_test(self) -> bool:
        return is_test_path(self.path)


@dataclass(frozen=True)
class Tree:
    """All files of a product, sorted by path; `cut` says that the walk met its bound."""

    root: Path
    files: tuple[SourceFile, ...]
    cut: bool = False

    def python(self, *, tests: bool) -> tuple[SourceFile, ...]:
        """The Python sources: those of tests, or all the others."""
        return tuple(file for file in self.files if file.suffix == ".py" and file.is_test is tests)


def is_test_path(path: str) -> bool:
    """Whether `path` is test code by its name alone: pytest's and unittest's conventions."""
    parts = PurePosixPath(path)
    name = parts.name
    named = name.startswith("test_") or name.endswith(("_test.py", "_tests.py")) or name == "conftest.py"
    return (named and parts.suffix == ".py") or not _TEST_FOLDERS.isdisjoint(parts.parts[:-1])


def tree_of(product: Product) -> Tree:
    """The files of `product`. Raises Failure `not-found` when it is not there any more."""
    if product.kind == "directory":
        return tree_below(directory_at(product.location))
    distribution = installed(product.location)
    editable = editable_root(distribution)
    return tree_below(editable) if editable else _recorded(distribution)


def installed(name: str) -> metadata.Distribution:
    """The distribution of that name in this environment. Raises Failure `not-found`."""
    found = find_distribution(name)
    if found is None:
        raise Failure("not-found", f"no distribution {name!r} is installed in this environment")
    return found


def find_distribution(name: str) -> metadata.Distribution | None:
    """The distribution of that name in this environment, if there is one."""
    try:
        return metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def directory_at(location: str) -> Path:
    """The directory at `location`, resolved. Raises Failure `not-found`."""
    found = find_directory(location)
    if found is None:
        raise Failure("not-found", f"{location!r} is not a directory that can be read")
    return found


def find_directory(location: str) -> Path | None:
    """The directory at `location`, resolved, if there is one."""
    try:
        path = Path(location).expanduser().resolve()
        return path if path.is_dir() else None
    except (OSError, RuntimeError, ValueError):
        return None


def editable_root(distribution: metadata.Distribution) -> Path | None:
    """Where the sources of an editable installation are (PEP 610), or None for an ordinary one."""
    text = distribution.read_text("direct_url.json")
    try:
        origin = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        return None
    if not isinstance(origin, dict) or not (origin.get("dir_info") or {}).get("editable"):
        return None
    address = urlsplit(str(origin.get("url", "")))
    path = Path(unquote(address.path))
    return path.resolve() if address.scheme == "file" and path.is_dir() else None


def _recorded(distribution: metadata.Distribution) -> Tree:
    root = Path(str(distribution.locate_file(""))).resolve()
    entries = sorted({str(entry) for entry in distribution.files or () if entry.suffix != ".pyc"})
    found = (_regular(root, root / entry) for entry in entries[:MOST_FILES])
    return Tree(root, tuple(sorted(file for file in found if file)), len(entries) > MOST_FILES)


def _regular(root: Path, location: Path) -> SourceFile | None:
    try:
        inside = location.resolve().relative_to(root)
        return SourceFile(inside.as_posix(), location, location.stat().st_size) if location.is_file() else None
    except (OSError, ValueError):
        return None


def tree_below(root: Path, most_files: int = MOST_FILES) -> Tree:
    """The files below `root` that a `.gitignore` does not leave out; symbolic links are not followed."""
    found: list[SourceFile] = []
    for file in _walk(root):
        if len(found) == most_files:
            return Tree(root, tuple(sorted(found)), cut=True)
        found.append(file)
    return Tree(root, tuple(sorted(found)))


def file_below(root: Path, path: str) -> SourceFile | None:
    """The regular file at `path` below `root`; None where there is none, or where the path leads out of the root."""
    return _regular(root, root / path) if not (root / path).is_symlink() else None


def _walk(root: Path) -> Iterator[SourceFile]:
    pending: list[tuple[Path, str, tuple[IgnoreRule, ...]]] = [(root, "", ())]
    while pending:
        directory, relative, inherited = pending.pop()
        rules = inherited + rules_in(directory, relative)
        deeper = []
        for entry in _entries(directory):
            path = f"{relative}/{entry.name}" if relative else entry.name
            folder = entry.is_dir(follow_symlinks=False)
            if is_ignored(path, directory=folder, rules=rules):
                continue
            if folder and not _skipped(entry):
                deeper.append((Path(entry.path), path, rules))
            elif entry.is_file(follow_symlinks=False):
                yield SourceFile(path, Path(entry.path), entry.stat(follow_symlinks=False).st_size)
        pending.extend(reversed(deeper))


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return sorted((one for one in entries if _is_text(one.name)), key=lambda entry: entry.name)
    except OSError:
        return []


def _is_text(name: str) -> bool:
    """Whether a file's name is Unicode; another one cannot stand in any JSON document."""
    return not any("\ud800" <= one <= "\udfff" for one in name)


def _skipped(entry: os.DirEntry[str]) -> bool:
    return entry.name in ALWAYS_SKIPPED or (Path(entry.path) / "pyvenv.cfg").exists()


def sample(files: Iterable[SourceFile], most_bytes: int) -> tuple[tuple[SourceFile, ...], Extent]:
    """As many of `files` as `most_bytes` allow, and what that leaves out.

    All of them where they fit. Otherwise a choice by the digest of the path: the same on every machine, and spread
    over the whole tree where the first files in order would be one corner of it.
    """
    every = sorted(files)
    readable = [file for file in every if file.size_bytes <= LARGEST_FILE_BYTES]
    chosen = sorted(_spread(readable, most_bytes))
    total, read = sum(file.size_bytes for file in every), sum(file.size_bytes for file in chosen)
    note = None
    if len(chosen) < len(every):
        large = len(every) - len(readable)
        note = f"read {len(chosen)} of {len(every)} files ({read:,} of {total:,} bytes; bound {most_bytes:,}"
        note += f", {large} over {LARGEST_FILE_BYTES:,} bytes each)" if large else ")"
    extent = Extent(files=len(every), files_read=len(chosen), source_bytes=total, source_bytes_read=read, note=note)
    return tuple(chosen), extent


def _spread(files: list[SourceFile], most_bytes: int) -> list[SourceFile]:
    if sum(file.size_bytes for file in files) <= most_bytes:
        return files
    chosen, used = [], 0
    for file in sorted(files, key=lambda file: hashlib.sha256(file.path.encode()).digest()):
        if used + file.size_bytes <= most_bytes:
            chosen.append(file)
            used += file.size_bytes
    return chosen


@dataclass(frozen=True)
class Text:
    """A file's text with `\\n` line ends; `damage` says why it could not be decoded as it claims to be."""

    content: str
    damage: str | None = None

    @property
    def lines(self) -> list[str]:
        return self.content.split("\n")


def read_text(file: SourceFile) -> Text | None:
    """The text of `file`, in the encoding that a PEP 263 line or byte order mark names, else UTF-8; None if binary."""
    try:
        data = file.location.read_bytes()
    except OSError as error:
        return Text("", f"cannot be read: {error.strerror}")
    if b"\0" in data[:8192] and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return None
    return _decoded(data, python=file.suffix in {".py", ".pyi"})


def _decoded(data: bytes, *, python: bool) -> Text:
    encoding, damage = "utf-8-sig", None
    if python:
        try:
            encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        except SyntaxError as error:
            damage = f"bad encoding line: {error.msg}"
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        content = data.decode(encoding)
    except UnicodeDecodeError as error:
        content = data.decode("utf-8", errors="replace")
        damage = damage or f"byte {error.start} is not {error.encoding}"
    return Text(content.replace("\r\n", "\n").replace("\r", "\n"), damage)
