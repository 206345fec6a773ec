"""`accord run`: from an objective, or a template, to a signed result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from accord.cli.completion import complete_template
from accord.cli.options import AgentsFrom, Home, Input, Json, Set, Shared, Verbose
from accord.cli.output import Screen

if TYPE_CHECKING:
    from accord.cli.choosing import Asked
    from accord.domain.ids import RunId
    from accord.engine.node import Node

Target = Annotated[
    str,
    typer.Argument(
        metavar="OBJECTIVE|TEMPLATE",
        help="What is wanted, in words; or a template: a file, a name, or name@range.",
        show_default=False,
        autocompletion=complete_template,
    ),
]

EXAMPLES = """
Examples:

    accord run "compare typer and rich for a command line"
    accord run competitive-analysis --set products=typer,rich --json
    accord run path/to/template.yaml --input input.json --agents my_agents.py
    accord run source-audit@^1 --set directory=. --output audit.md
"""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What `accord run` is to do."""

    asked: Asked
    title: str | None
    output: Path | None
    reports: Path | None


def run(  # noqa: PLR0913 - one parameter per option
    target: Target,
    given: Input = None,
    sets: Set = None,
    title: Annotated[
        str | None, typer.Option("--title", help="What the run is called in lists.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the output here: .md or .json.", show_default=False),
    ] = None,
    reports: Annotated[
        Path | None,
        typer.Option("--reports", metavar="DIR", help="Where report and charts go; <home>/reports/<run>."),
    ] = None,
    agents: AgentsFrom = None,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run an objective, or a template: plan, verify, carry out, and sign the result."""
    from accord.cli.choosing import Asked
    from accord.cli.session import carry_out

    shared = Shared(home, as_json, verbose, tuple(agents or ()))
    job = Job(asked=Asked(target, given, tuple(sets or ())), title=title, output=output, reports=reports)
    carry_out(shared, _Running(shared, job).work)


class _Running:
    """One `accord run`; remembers the run that was started, so that an interruption can name it."""

    def __init__(self, shared: Shared, job: Job) -> None:
        self._shared = shared
        self._job = job
        self._run: RunId | None = None

    async def work(self, screen: Screen) -> int:
        """Do it; returns the exit code."""
        import asyncio

        try:
            return await self._whole(screen)
        except asyncio.CancelledError:
            if self._run is not None:
                screen.note(f"Interrupted; nothing is lost. accord runs resume {self._run}{self._shared.again}", "hint")
            raise

    async def _whole(self, screen: Screen) -> int:
        from accord.cli.driving import carried_on
        from accord.cli.result import code_of, result_of, show_result, write_output, written
        from accord.cli.session import staffed

        async with staffed(self._shared) as node:
            started = await self._start(node)
            self._run = started
            state = await carried_on(node, started, screen)
            result = await result_of(node, state)
        folder = self._job.reports or self._shared.settings().home / "reports" / started
        result = written(result, folder)
        if self._job.output is not None and result.state == "completed":
            write_output(result, self._job.output)
        show_result(result, state, screen, to_file=self._job.output)
        return code_of(result)

    async def _start(self, node: Node) -> RunId:
        from accord.cli.catalogue import all_entries
        from accord.cli.choosing import choose

        job, parts = self._job, node.parts
        chosen = choose(job.asked, await all_entries(node), parts.registry)
        chosen.refuse()
        entry = chosen.entry
        now = parts.ports.clock.now()
        digest = await parts.library.publish(entry.template, entry.data, parts.template_stream, "local", now)
        title = job.title or chosen.plan.objective or ""
        started = await node.start_run(digest, chosen.plan.input, title=title)
        return started.id
