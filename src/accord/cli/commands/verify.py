"""`accord verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import verify as action
else:
    action = later("accord.cli.actions.verify")


@shares("agents")
def verify(
    shared: Shared,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Templates, agent files, workflow tests, or directories of YAML and JSON.",
            show_default=False,
        ),
    ],
    policies: Annotated[
        Path | None,
        typer.Option(
            "--policies",
            metavar="POLICIES",
            help="A Cedar file, or a folder of them: find leaks of labels by these.",
            show_default=False,
        ),
    ] = None,
    organisation: Annotated[
        str, typer.Option("--organisation", metavar="NAME", help="The orchestrator's, as --policies may name it.")
    ] = "local",
    sarif: Annotated[
        Path | None,
        typer.Option("--sarif", metavar="FILE", help="Write the findings as SARIF 2.1.0 too.", show_default=False),
    ] = None,
) -> None:
    """Verify templates, agent files and workflow tests: every problem at once, each with its line. For editors and CI.

    It knows the built-in agents, those of --agents, and the files of this call; nothing else, so that it says the
    same on every machine. The exit code is 2 where there are errors. Leaks of labels are found with --policies, for
    agents without tags and runs without a tenant.

    **Examples**

    - `accord verify workflows/`
    - `accord verify my.yaml translator.yaml --agents my_agents.py --json`
    - `accord verify workflows/ --agents my_agents.py --policies policies/`
    - `accord verify workflows/ --sarif findings.sarif`
    """
    ruled = action.Ruled(policies, organisation) if policies is not None else None
    raise typer.Exit(action.verify_paths(shared, paths, ruled, sarif))
