"""`accord conformance`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.options import Home, Json, Shared, Verbose
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import conformance as action
else:
    action = later("accord.cli.actions.conformance")


def conformance(  # noqa: PLR0913 - one parameter per option
    target: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND...|URL",
            help="How the agent is started, with {url} and {token}; or where to wait for one: http://127.0.0.1:PORT.",
            show_default=False,
        ),
    ],
    value: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="JSON",
            help="An input that keeps the contract; the card's first example where it is left out.",
            show_default=False,
        ),
    ] = None,
    slow: Annotated[
        str | None,
        typer.Option(
            "--slow-input",
            metavar="JSON",
            help="An input that takes the agent more than 6 heartbeats: for cancels and held leases.",
            show_default=False,
        ),
    ] = None,
    large: Annotated[
        str | None,
        typer.Option(
            "--large-input",
            metavar="JSON",
            help="An input whose output is large enough for an upload.",
            show_default=False,
        ),
    ] = None,
    capability: Annotated[
        str | None,
        typer.Option(
            "--capability",
            metavar="NAME@VERSION",
            help="Which capability to ask for; the card's first where it is left out.",
            show_default=False,
        ),
    ] = None,
    organisation: Annotated[
        str, typer.Option("--organisation", metavar="NAME", help="Whose registry to be.")
    ] = "local",
    heartbeat: Annotated[
        float, typer.Option("--heartbeat", metavar="SECONDS", min=0.1, help="How often to ask for heartbeats.")
    ] = 1.0,
    within: Annotated[
        float, typer.Option("--within", metavar="SECONDS", min=1, help="How long to wait for what has to come.")
    ] = 30.0,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit", metavar="FILE", help="Write the outcomes as JUnit XML too, for CI.", show_default=False
        ),
    ] = None,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Examine an agent in any language: which rules of the protocol does it keep, and which does it break?

    The agent talks to a scripted orchestrator here, which also misbehaves on purpose; nothing of a home is touched.
    The command gets the address and an enrolment token in place of {url} and {token}, and as CONFORMANCE_URL and
    CONFORMANCE_TOKEN. It is started three times, and told to stop with SIGTERM. Write -- before a command that has
    options. What it writes on stderr is shown where it breaks a rule; with --verbose at once. With a URL, an agent that
    runs elsewhere is waited for, with the token that is printed.

    Every rule has an id, under which it stands in docs/protocol.md. What was not tested says why.

    Exit codes: 0 all rules are kept, 1 some are broken, 2 there was no agent to examine.

    **Examples**

    - `accord conformance node word-counter.js {url} {token} --input '{"text": "a b"}'`
    - `accord conformance --input '{"name": "Ada"}' -- accord agent hello.py --connect {url} --token {token}`
    - `accord conformance http://127.0.0.1:9000 --input '{"text": "a b"}'`
    - `accord conformance --json --junit rules.xml --slow-input '{"pages": 900}' -- ./agent {url} {token}`
    """
    options = action.Options(value, slow, capability, large, organisation, heartbeat, within, junit)
    action.conformance(Shared(home, as_json, verbose), tuple(target), options)
