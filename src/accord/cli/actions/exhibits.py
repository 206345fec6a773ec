"""`accord journal import`: the runs of a bundle in a home of their own, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from rich.text import Text

from accord.app import open_stores
from accord.cli.actions.evidence import examined_file, show_report, trusted_keys
from accord.cli.errors import DONE, FAILED, usage
from accord.cli.options import Shared
from accord.cli.output import Screen, counted, moment, run_text
from accord.cli.session import carry_out
from accord.domain.ids import KeyId
from accord.domain.system import (
    ACCESS,
    CHECKPOINTS,
    CONTROL,
    DELEGATIONS,
    INCIDENTS,
    POLICIES,
    REGISTRY,
    SESSIONS,
    SUCCESSIONS,
    TEMPLATES,
    WEBHOOKS,
)
from accord.engine.exhibit import Kept, fill, kept_of
from accord.evidence.opening import opened
from accord.ports import RunQuery
from accord.settings import Settings
from accord.views.plain import plain_value

_SYSTEM: Final = (
    REGISTRY,
    TEMPLATES,
    CONTROL,
    INCIDENTS,
    ACCESS,
    POLICIES,
    WEBHOOKS,
    SESSIONS,
    SUCCESSIONS,
    DELEGATIONS,
    CHECKPOINTS,
)
"""Where agents, templates, people and all else that is no run are written down."""


def import_bundle(shared: Shared, file: Path, trust: Sequence[str]) -> None:
    """Carry out `accord journal import`."""

    async def work(screen: Screen) -> int:
        shared.here("journal import")
        settings = shared.settings()
        await _refuse_full(settings)
        _refuse_missing(file)
        trusted = trusted_keys(trust)
        report = examined_file(file, trusted)
        if not report.ok or report.key is None:
            if screen.as_json:
                screen.document({**plain_value(report), "ok": False})
            else:
                show_report(report, screen)
                screen.note("nothing was imported", "yellow")
            return FAILED
        with file.open("rb") as bundle:
            kept = await _imported(settings, bundle, file.name, trusted, report.key)
        if screen.as_json:
            screen.document(kept.exhibit)
        else:
            _show(kept, settings.home, screen)
        return DONE

    carry_out(shared, work)


def _refuse_missing(file: Path) -> None:
    """Raise BadInput ACC856 where there is no such file."""
    if not file.is_file():
        raise usage("ACC856", f"there is no file {file}", "accord journal export RUN writes one")


async def _refuse_full(settings: Settings) -> None:
    """Raise BadInput ACC593 unless nothing has happened in the home: nobody must take an exhibit for runs that go on
    here.
    """
    hint = "name an empty one: --home FOLDER, or ACCORD_HOME"
    if settings.store is not None:
        raise usage("ACC593", "a bundle is imported into files of a home, not into a database", f"unset store; {hint}")
    if settings.exhibit.exists() or (settings.journal.exists() and await _is_used(settings)):
        raise usage("ACC593", f"the home {settings.home} is not empty", hint)


async def _is_used(settings: Settings) -> bool:
    """Whether the journal holds more than what opening it makes, or a process is at work on it."""
    now = datetime.now(UTC)
    async with open_stores(settings) as (journal, _):
        if await journal.runs(RunQuery(limit=1)) or await journal.replicas(now):
            return True
        if any(one.until > now for one in await journal.owners()):
            return True
        return any([(await journal.head(stream)).sequence for stream in _SYSTEM])


async def _imported(settings: Settings, file: BinaryIO, name: str, trusted: frozenset[KeyId], key: KeyId) -> Kept:
    now = datetime.now(UTC)
    bundle = opened(file, trusted)
    kept = kept_of(bundle, key, name, now)
    async with open_stores(settings) as (journal, blobs):
        # First: a home that is filled only in part must not be taken for one whose runs go on.
        settings.exhibit.write_bytes(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
        await fill(bundle, journal, blobs, now)
    return kept


def _show(kept: Kept, home: Path, screen: Screen) -> None:
    exhibit = kept.exhibit
    screen.line(Text.assemble("✔ ", run_text(exhibit.run), f" holds, and is an exhibit in {home}"))
    left_out = f"{counted(exhibit.absent, 'document')} or runs are not in it" if exhibit.absent else ""
    screen.facts(
        [
            ("runs", counted(len(exhibit.runs), "run")),
            ("exported", f"{moment(exhibit.exported_at)} by {exhibit.signed_by}"),
            ("signed with", exhibit.key),
            ("left out", left_out if exhibit.payloads == "all" else f"large payloads; {left_out}"),
        ]
    )
    screen.note(f"accord runs show {exhibit.run} --home {home}", "hint")
