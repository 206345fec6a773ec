"""`accord journal backup`: a copy of journal and blobs, while everything goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec

from accord.blobs.copying import Copied, copied
from accord.blobs.files import FileBlobStore, nothing_removed
from accord.cli.errors import DONE, usage
from accord.cli.options import Shared
from accord.cli.output import Screen, counted, size
from accord.cli.session import carry_out
from accord.custody import Custody
from accord.settings import Settings
from accord.store.sqlite_copy import copy_journal


class Backup(msgspec.Struct, frozen=True):
    """What a copy has."""

    folder: str
    journal_bytes: int
    new_blobs: int
    new_blobs_bytes: int
    known_blobs: int


def back_up(shared: Shared, folder: Path) -> None:
    """Carry out `accord journal backup`."""

    async def work(screen: Screen) -> int:
        shared.here("journal backup")
        settings = shared.settings()
        _prepare(settings, folder)
        made = await _copied(settings, folder)
        if screen.as_json:
            screen.document(made)
            return DONE
        blobs = f"{counted(made.new_blobs, 'new blob')} ({size(made.new_blobs_bytes)}), {made.known_blobs} there before"
        screen.line(f"{folder}: the journal ({size(made.journal_bytes)}), {blobs}")
        for line in _missing_words(settings.custody):
            screen.note(line)
        return DONE

    carry_out(shared, work)


def _missing_words(custody: Custody) -> Iterator[str]:
    if custody.address is None:
        yield f"Not in it: {custody.files} and {custody.passphrase}. Without them the copy cannot go on; keep"
        yield "a copy of them apart from this one: who has the keys can sign in their name."
    else:
        yield f"Not in it: the keys in {custody}. Without them the copy cannot go on; see to their own backup there."


def _prepare(settings: Settings, folder: Path) -> None:
    """Make the folder where there is something to copy. Raises BadInput."""
    if settings.store is not None:
        hint = "copy it with the database's own tools, for example pg_dump"
        raise usage("ACC921", "journal and blobs are in a database, and no files of the home", hint)
    if not settings.journal.exists():
        raise usage("ACC921", f"there is no journal in {settings.home}", "name another home with --home")
    if folder.absolute() == settings.home.absolute():
        raise usage("ACC921", f"{folder} is the home itself", "name another folder, best on another disk")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise usage("ACC921", f"the folder {folder} cannot be made: {error.strerror}") from error


async def _copied(settings: Settings, folder: Path) -> Backup:
    """The journal comes first: all that it refers to was in the blob store before, and nothing goes from there now."""
    async with (
        FileBlobStore.open(settings.blobs) as blobs,
        FileBlobStore.open(folder / settings.blobs.name) as others,
    ):
        with nothing_removed(settings.blobs):
            journal_bytes = await asyncio.to_thread(copy_journal, settings.journal, folder / settings.journal.name)
            told: Copied = await copied(blobs, others)
    return Backup(str(folder), journal_bytes, told.blobs, told.blobs_bytes, told.known)
