"""`accord webhooks ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from accord.cli.completion import complete_template
from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import webhooks as action
else:
    action = later("accord.cli.actions.webhooks")

app = typer.Typer(name="webhooks", help="Which other systems servers tell of events.", no_args_is_help=True)

WebhookId: TypeAlias = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Its id.", show_default=False)]


@app.command()
@shares("home")
def add(
    shared: Shared,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are posted to.", show_default=False)],
    types: Annotated[
        list[str] | None,
        typer.Option(
            "--type",
            metavar="KIND",
            help="Only events of this kind, `run.completed`, or of a group, `run.*`. Repeatable.",
            show_default=False,
        ),
    ] = None,
    templates: Annotated[
        list[str] | None,
        typer.Option(
            "--template",
            metavar="NAME[@VERSION]",
            help="Only events of runs of this template. Repeatable.",
            show_default=False,
            autocompletion=complete_template,
        ),
    ] = None,
) -> None:
    """Tell another system of what happens from now on; the secret that signs it is printed this once.

    **Examples**

    - `accord webhooks add https://hooks.example.com/accord`
    - `accord webhooks add https://hooks.example.com/accord --type run.failed --template source-audit`
    """
    action.add_webhook(shared, url, tuple(types or ()), tuple(templates or ()))


@app.command("list")
@shares("home")
def list_(shared: Shared) -> None:
    """List the webhooks, with how many events each was not told of.

    **Example**

    - `accord webhooks list`
    """
    action.list_webhooks(shared)


@app.command()
@shares("home")
def show(shared: Shared, webhook: WebhookId) -> None:
    """Show a webhook: what it is told of, and why it was not told.

    **Example**

    - `accord webhooks show 1a2140bf7af170baa5412ffdde`
    """
    action.show_webhook(shared, webhook)


@app.command()
@shares("home")
def remove(shared: Shared, webhook: WebhookId) -> None:
    """Tell an endpoint nothing any more: servers of this home stop within seconds.

    **Example**

    - `accord webhooks remove 1a2140bf7af170baa5412ffdde`
    """
    action.remove_webhook(shared, webhook)
