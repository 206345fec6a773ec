"""`accord serve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import serve as action
    from accord.cli.actions import workers as several
else:
    action = later("accord.cli.actions.serve")
    several = later("accord.cli.actions.workers")

NETWORK_PANEL = "Network"


@shares("agents", "home", "store", "bus")
def serve(  # noqa: PLR0913 - one parameter per option
    shared: Shared,
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Where to listen; the setting host where it is left out, else this machine alone.",
            rich_help_panel=NETWORK_PANEL,
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65_535,
            help="The port; 0 for any that is free. The setting port where it is left out, else 8421.",
            rich_help_panel=NETWORK_PANEL,
            show_default=False,
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            "--tls-cert",
            metavar="FILE",
            help="Serve with TLS: the certificate, PEM, with those that issued it; the setting tls_cert where it is "
            "left out.",
            rich_help_panel=NETWORK_PANEL,
            show_default=False,
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            "--tls-key",
            metavar="FILE",
            help="The certificate's key, PEM, without a passphrase.",
            rich_help_panel=NETWORK_PANEL,
            show_default=False,
        ),
    ] = None,
    tls_clients: Annotated[
        Path | None,
        typer.Option(
            "--tls-clients",
            metavar="FILE",
            help="Let in only clients that show a certificate which one of these, PEM, has issued.",
            rich_help_panel=NETWORK_PANEL,
            show_default=False,
        ),
    ] = None,
    insecure_http: Annotated[
        bool,
        typer.Option(
            "--insecure-http",
            help="Serve other machines without TLS: for a proxy in front that does it.",
            rich_help_panel=NETWORK_PANEL,
            show_default=False,
        ),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            min=1,
            max=256,
            help="How many processes serve here, side by side; more than one share agents over `--bus`.",
            rich_help_panel=NETWORK_PANEL,
        ),
    ] = 1,
    worker: Annotated[str | None, typer.Option("--worker", hidden=True, help="As one of several processes.")] = None,
) -> None:
    """Serve agents, people and programs on the network, until Ctrl-C or SIGTERM.

    The built-in agents work here, and those of `--agents`. At its first start on this machine alone an admin key is
    made, printed once, and kept in the home. When it is told to stop, it takes nothing new, lets end what is under way,
    and gives its runs back; the second signal leaves at once, which loses nothing either.

    **Examples**

    - `accord serve`
    - `accord serve --agents my_agents.py --port 9000`
    - `accord serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem`
    - `accord serve --store postgresql://accord@db.example.org/accord`
    - `accord serve --store postgresql://accord@db.example.org/accord --bus nats://accord@bus.example.org`
    - `accord serve --bus nats://127.0.0.1 --workers 4`
    """
    asked = action.Asked(host, port, tls_cert, tls_key, tls_clients, insecure_http)
    if workers > 1:
        several.serve_by_workers(shared, asked, workers)
    else:
        action.serve(shared, asked, msgspec.json.decode(worker, type=action.Worker) if worker else None)
