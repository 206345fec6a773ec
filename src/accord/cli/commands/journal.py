"""`accord journal ...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.later import later
from accord.cli.options import RunName, Shared, shares

if TYPE_CHECKING:
    from accord.cli.actions import backup as backups
    from accord.cli.actions import journal as action
else:
    backups = later("accord.cli.actions.backup")
    action = later("accord.cli.actions.journal")

app = typer.Typer(name="journal", help="The events of a run: show, prove, replay.", no_args_is_help=True)


@app.command()
@shares("home")
def show(
    shared: Shared,
    run: RunName,
    after: Annotated[int, typer.Option("--after", metavar="N", min=0, help="Only events behind number N.")] = 0,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.", show_default=False)] = None,
) -> None:
    """Show the events of a run, in order; whole with --json.

    **Examples**

    - `accord journal show last`
    - `accord journal show last --after 40 --json`
    """
    action.show_journal(shared, run, after, limit)


@app.command()
@shares("home")
def verify(shared: Shared, run: RunName) -> None:
    """Prove a run: its hash chain, every signature in it, and the bytes that were signed.

    The exit code is 1 where something does not hold, 4 where the chain itself is broken.

    **Example**

    - `accord journal verify last`
    """
    action.verify_journal(shared, run)


@app.command()
@shares("home")
def prune(
    shared: Shared,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay until unused blobs are gone, too: a minute or two.")
    ] = False,
) -> None:
    """Remove what has been kept long enough: ended runs, incidents, and blobs that nothing refers to.

    Every process of Accord does this by itself now and then; how long things are kept is in the settings.

    **Examples**

    - `accord journal prune --dry-run`
    - `accord journal prune --wait --json`
    """
    action.prune_journal(shared, dry_run=dry_run, wait=wait)


@app.command()
@shares("home")
def backup(
    shared: Shared,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the copy is, or is to be made.", show_default=False)
    ],
) -> None:
    """Copy the journal and all blobs of this home to a folder, while runs go on. Keys are left out on purpose.

    The copy is of one moment, and whole. Made again into the same folder, only new blobs are written, and the journal's
    copy is replaced once the new one is sound. How to restore one is told in docs/how-to/backup.md.

    **Example**

    - `accord journal backup /mnt/other-disk/accord`
    """
    backups.back_up(shared, folder)


@app.command()
@shares("home")
def replay(
    shared: Shared,
    run: RunName,
    until: Annotated[
        int | None, typer.Option("--until", metavar="N", min=1, help="Stop after event number N.", show_default=False)
    ] = None,
) -> None:
    """Rebuild the state of a run from its events, one by one, and compare it with what is listed.

    **Example**

    - `accord journal replay last --until 12`
    """
    action.replay_journal(shared, run, until)
