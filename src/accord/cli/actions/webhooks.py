"""`accord webhooks`: which other systems servers tell of events. Servers of a home follow it within seconds."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from accord.cli.options import Shared
from accord.cli.output import Screen, clean, moment
from accord.cli.session import answered, who
from accord.cli.tables import Column, without_year
from accord.domain.webhook import IssuedWebhook, Subscription, Webhook
from accord.engine.webhooks import Reach, problems_of
from accord.errors import BadInput
from accord.gateway.webhooks.endpoint import allowed_networks
from accord.service import Service


def add_webhook(shared: Shared, url: str, types: tuple[str, ...], templates: tuple[str, ...]) -> None:
    """Carry out `accord webhooks add`."""
    wanted = Subscription(url=url, types=types, templates=templates)

    def show(added: IssuedWebhook, screen: Screen) -> None:
        screen.line(added.secret)
        screen.note(f"Shown this once; it signs what {clean(url)} is told from now on. End it with:")
        screen.note(f"  {shared.command(f'webhooks remove {added.webhook.id}')}", "hint")

    async def add(service: Service) -> IssuedWebhook:
        if shared.server() is None:
            settings = shared.settings()
            networks = allowed_networks(settings.webhook_networks, settings.host)
            BadInput.raise_if(problems_of(wanted, Reach(tuple(networks), settings.require_tls)))
        return await service.add_webhook(wanted, by=who())

    answered(shared, add, show)


def list_webhooks(shared: Shared) -> None:
    """Carry out `accord webhooks list`."""
    answered(shared, lambda service: service.webhooks(), _show_all)


def show_webhook(shared: Shared, webhook: str) -> None:
    """Carry out `accord webhooks show`."""
    answered(shared, lambda service: service.webhook(webhook), _show)


def remove_webhook(shared: Shared, webhook: str) -> None:
    """Carry out `accord webhooks remove`."""

    def show(removed: Webhook, screen: Screen) -> None:
        screen.line(f"{clean(removed.url)} ({removed.id}) is told nothing any more.")

    answered(shared, lambda service: service.remove_webhook(webhook, by=who()), show)


def _show_all(webhooks: Sequence[Webhook], screen: Screen) -> None:
    if not webhooks:
        screen.note("Nobody is told; tell somebody with: accord webhooks add URL")
        return
    added, by = Column("added", short=without_year, spare=1), Column("by", spare=2)
    screen.table(("webhook", "events", "templates", added, by, "given up", "url"), map(_row, webhooks))


def _row(one: Webhook) -> tuple[str | Text, ...]:
    given_up = Text(str(one.given_up), "yellow" if one.given_up else "quiet")
    return (
        one.id,
        _which(one.types),
        _which(one.templates),
        moment(one.added_at),
        one.added_by,
        given_up,
        clean(one.url),
    )


def _which(names: tuple[str, ...]) -> str:
    return clean(", ".join(names)) or "all"


def _show(one: Webhook, screen: Screen) -> None:
    screen.line(clean(one.url), "head")
    screen.facts(
        [
            ("events", _which(one.types)),
            ("templates", _which(one.templates)),
            ("added", f"{moment(one.added_at)} by {one.added_by}"),
            ("given up", str(one.given_up)),
            ("because", clean(one.problem)),
        ]
    )
