"""`accord journal ...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from accord.cli.completion import complete_run
from accord.cli.options import RunName, Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import backup as backups
    from accord.cli.actions import evidence, exhibits
    from accord.cli.actions import journal as action
else:
    evidence = later("accord.cli.actions.evidence")
    exhibits = later("accord.cli.actions.exhibits")
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


Trust: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--trust",
        metavar="KEY",
        help="An orchestrator's key to believe: its thumbprint (kid), or a file with a JWK or a JWK Set. Repeatable.",
        show_default=False,
    ),
]


@app.command()
@shares("home")
def export(
    shared: Shared,
    run: RunName,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to; RUN.tar where left out.", show_default=False),
    ] = None,
    payloads: Annotated[
        Literal["all", "digests"],
        typer.Option("--payloads", help="With payloads over 16 KiB, or only their digests."),
    ] = "all",
) -> None:
    """Write a run into one file that proves itself: events, statements, payloads, keys, cards, templates, checkpoint.

    It is a tar archive with the sub-runs, and what it was forked from, but without what agents have logged. The same
    bytes while nothing happens.

    **Examples**

    - `accord journal export last`
    - `accord journal export last --output audit.tar --payloads digests`
    """
    evidence.export_run(shared, run, output, payloads)


@app.command()
@shares("home")
def verify(
    shared: Shared,
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|FILE",
            help="A run, or a file that `export` has written.",
            show_default=False,
            autocompletion=complete_run,
        ),
    ],
    trust: Trust = None,
) -> None:
    """Prove a run: hash chains, signatures, leases, times, contracts, the fold of its events, and its checkpoint.

    A file is examined with nothing but the keys that are named: no home, no server, no network. The exit code is 1
    where something does not hold, 4 where the journal's own chain is broken.

    **Examples**

    - `accord journal verify last`
    - `accord journal verify audit.tar --trust NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs`
    """
    evidence.verify(shared, what, trust or [])


@app.command("import")
@shares("home")
def import_(
    shared: Shared,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `export` has written.", show_default=False)],
    trust: Trust = None,
) -> None:
    """Load the runs of a bundle into an empty home, to look at them with every command and in the console.

    It is verified first, and nothing is imported where something does not hold. What is there is an exhibit: nobody
    owns it, and it never goes on. Payloads that the bundle does not have, or has only encrypted, cannot be read.

    **Example**

    - `accord journal import audit.tar --trust KEY --home ./exhibit`, then `accord runs show last --home ./exhibit`
    """
    exhibits.import_bundle(shared, file, trust or [])


@app.command()
@shares("home")
def checkpoints(
    shared: Shared,
    since: Annotated[int, typer.Option("--since", metavar="N", min=0, help="Only those behind number N.")] = 0,
) -> None:
    """List the checkpoints: the signed roots of the log in which the end of every stream is put down.

    **Example**

    - `accord journal checkpoints --since 100`
    """
    evidence.list_checkpoints(shared, since)


@app.command()
@shares("home")
def prove(shared: Shared, run: RunName) -> None:
    """Show where a run is in the newest checkpoint, with the Merkle proof; it is checked here.

    The exit code is 1 where the journal does not say what a checkpoint says that it said.

    **Example**

    - `accord journal prove last --json`
    """
    evidence.prove_run(shared, run)


@app.command()
@shares("home")
def witness(
    shared: Shared,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where it is kept: away from the store.", show_default=False)
    ],
    trust: Trust = None,
) -> None:
    """Compare the journal with the checkpoint in a file, and put the newest one in its place.

    So whoever keeps the file finds out when the journal's owner has rewritten it, or cut it off: that is refused, and
    the file stays as it was, and the exit code is 1. The first time the file is made.

    **Example**

    - `accord journal witness /mnt/elsewhere/accord.witness`
    """
    evidence.keep_witness(shared, file, trust or [])


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
        str | None,
        typer.Option(
            "--until",
            metavar="N|TIME",
            help="Stop after event number N, or at a time: 30m (ago), 2h, 2026-11-23T09:00:00Z.",
            show_default=False,
        ),
    ] = None,
    after: Annotated[
        int | None,
        typer.Option("--from", metavar="N", min=0, help="What is different since event N.", show_default=False),
    ] = None,
    step: Annotated[bool, typer.Option("--step", help="Show what each event has changed.")] = False,
) -> None:
    """Rebuild any past state of a run from its events, one by one; the present one is compared with what is listed.

    **Examples**

    - `accord journal replay last --until 12 --json` gives the whole run as it was after event 12
    - `accord journal replay last --from 12 --until 20` shows what is different between the two
    - `accord journal replay last --step`
    """
    action.replay_journal(shared, run, action.Stretch(until=until, after=after, step=step))
