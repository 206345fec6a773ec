"""`accord planner ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.completion import complete_template
from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import planner as action
else:
    action = later("accord.cli.actions.planner")

app = typer.Typer(
    name="planner",
    help="What the planner has learnt from use, and which version of its classifier decides.",
    no_args_is_help=True,
)


@app.command()
@shares("home")
def show(shared: Shared) -> None:
    """Show whether the planner learns from you, what it has learnt, and which version of its classifier decides.

    **Example**

    - `accord planner show`
    """
    action.show_planner(shared)


@app.command()
@shares("home")
def versions(shared: Shared) -> None:
    """List the versions of the classifier, with how each compared with the one in use on examples that neither had
    seen, and why one is not used.

    **Example**

    - `accord planner versions`
    """
    action.list_versions(shared)


@app.command()
@shares("home")
def examples(shared: Shared) -> None:
    """List the examples that are kept: words, and the template that they mean. Of a server you see your own, and those
    of all if you may erase.

    **Example**

    - `accord planner examples --json > examples.json`
    """
    action.list_examples(shared)


@app.command()
@shares("home")
def teach(
    shared: Shared,
    objective: Annotated[str, typer.Argument(metavar="OBJECTIVE", help="The words.", show_default=False)],
    template: Annotated[
        str | None,
        typer.Option(
            "--template",
            metavar="NAME",
            help="The template that they mean; nothing that is here where it is left out.",
            show_default=False,
            autocompletion=complete_template,
        ),
    ] = None,
) -> None:
    """Say what words mean, or that they mean nothing that is here. They are kept, encrypted, without what goes into the
    template's input, until they are forgotten; the setting learn_from has to name you.

    **Examples**

    - `accord planner teach "look for weak spots in ./src" --template source-audit`
    - `accord planner teach "order a pizza"`
    """
    action.teach(shared, objective, template)


@app.command()
@shares("home")
def train(shared: Shared) -> None:
    """Train a version of the classifier on all examples, compare it with the one in use, and use it unless it is worse.
    Servers do so by themselves when enough new examples have come (setting learn_after).

    **Example**

    - `accord planner train`
    """
    action.train(shared)


@app.command()
@shares("home")
def use(
    shared: Shared,
    version: Annotated[
        int,
        typer.Argument(
            metavar="VERSION", min=0, help="Its number; 0 knows the phrases of templates alone.", show_default=False
        ),
    ],
) -> None:
    """Let a version decide from now on, in every process.

    **Example**

    - `accord planner use 2`
    """
    action.use(shared, version)


@app.command()
@shares("home")
def forget(
    shared: Shared,
    example: Annotated[str, typer.Argument(metavar="EXAMPLE", help="Its id.", show_default=False)],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is written down.", show_default=False)] = "",
) -> None:
    """Destroy the words of an example, for good, and learn from it no more.

    **Example**

    - `accord planner forget 0689d2f1a7c03e5b1f0c2d3e4f --reason "it names a customer"`
    """
    action.forget(shared, example, reason)
