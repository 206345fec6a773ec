"""What the shell offers: runs, tasks, templates, agents, capabilities, keys.

Read from the files alone, so that a key press costs little, or asked of the server that is named; where something
cannot be read nothing is offered, as a completion never complains.
"""

from __future__ import annotations

import glob
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import typer

from accord.errors import AccordError
from accord.loading.later import later
from accord.settings import Settings, read_settings

if TYPE_CHECKING:
    from accord import builtin
    from accord.cli import offers
else:
    builtin = later("accord.builtin")
    offers = later("accord.cli.offers")

MOST = 50
FILES = (".yaml", ".yml", ".json")

_RUNS = "SELECT run, state, template FROM runs WHERE substr(run, 1, length(?1)) = ?1 ORDER BY run DESC LIMIT ?2"
_GRAPH = """
SELECT CAST(data AS TEXT) ->> 'graph' FROM events WHERE sequence = 1 AND stream = (
    SELECT run FROM runs
    WHERE (?1 = 'last' AND parent IS NULL)
       OR ?1 = run OR substr(run, 1, length(?1)) = ?1 OR substr(run, -length(?1)) = ?1
    ORDER BY run DESC LIMIT 1
)
"""
_TEMPLATES = """
SELECT CAST(data AS TEXT) ->> 'name' FROM events WHERE stream = 'sys:templates'
UNION SELECT substr(template, 1, instr(template, '@') - 1) FROM runs
"""
_CARDS = """
SELECT DISTINCT CAST(data AS TEXT) ->> 'agent', CAST(data AS TEXT) -> '$.card.inline' FROM events
WHERE stream = 'sys:registry' AND CAST(data AS TEXT) ->> 'event' = 'agent.card_accepted'
"""

Offers = list[tuple[str, str]]
"""What may be typed, each with what it is."""


def complete_run(ctx: typer.Context, incomplete: str) -> Offers:
    """Runs whose id begins like this, the newest first, with state and template."""
    last = [("last", "the newest run that is no part of another")] if "last".startswith(incomplete) else []
    there = _server(ctx)
    if there is not None:
        return last + list(there.runs(incomplete).items())
    rows = _rows(ctx, _RUNS, incomplete, MOST)
    return last + [(run, f"{state}, {template}") for run, state, template in rows]


def complete_task(ctx: typer.Context, incomplete: str) -> Offers:
    """The tasks of the run that was named before."""
    there = _server(ctx)
    if there is not None:
        return _beginning(incomplete, there.tasks(ctx.params.get("run") or "last").items())
    settings = _settings(ctx)
    for (digest,) in _rows(ctx, _GRAPH, ctx.params.get("run") or "last"):
        tasks = _tasks(settings.blobs / digest[:2] / digest) if settings is not None else []
        return _beginning(incomplete, ((task, "") for task in tasks))
    return []


def complete_template(ctx: typer.Context, incomplete: str) -> Offers:
    """Built-in templates, those that were published, and those of earlier runs."""
    there = _server(ctx)
    if there is not None:
        return _beginning(incomplete, there.templates().items())
    built_in = Path(__file__).parent.parent / "builtin" / "templates"
    names = {file.stem: "built in" for file in built_in.glob("*.yaml")}
    for (template,) in _rows(ctx, _TEMPLATES):
        names.setdefault(template, "published")
    return _beginning(incomplete, names.items())


def complete_target(ctx: typer.Context, incomplete: str) -> Offers:
    """Templates by name, and files that may hold one."""
    files = [path for path in Path().glob(f"{glob.escape(incomplete)}*") if path.is_dir() or path.suffix in FILES]
    names = [(f"{path}/" if path.is_dir() else str(path), "") for path in files]
    return [*complete_template(ctx, incomplete), *sorted(names)]


def complete_agent(ctx: typer.Context, incomplete: str) -> Offers:
    """The built-in agents, and those that have been here."""
    there = _server(ctx)
    if there is not None:
        return _beginning(incomplete, there.agents().items())
    names = {agent.name: "built in" for agent in builtin.agents()}
    for agent, _ in _rows(ctx, _CARDS):
        organisation, _, name = agent.removeprefix("spiffe://").partition("/agent/")
        names.setdefault(name if organisation == "local" else f"{organisation}/{name}", "was here")
    return _beginning(incomplete, names.items())


def complete_capability(ctx: typer.Context, incomplete: str) -> Offers:
    """Capabilities of the built-in agents, and of those that have been here."""
    there = _server(ctx)
    if there is not None:
        return _beginning(incomplete, there.capabilities().items())
    names = {name.partition("@")[0]: "built in" for agent in builtin.agents() for name in agent.capabilities}
    for _, card in _rows(ctx, _CARDS):
        for offer in msgspec.json.decode(card)["capabilities"] if card is not None else ():
            names.setdefault(offer["capability"].partition("@")[0], "was offered here")
    return _beginning(incomplete, names.items())


def complete_key(ctx: typer.Context, incomplete: str) -> Offers:
    """The keys of this home, by name; those of a key store are not asked for while somebody types."""
    settings = _settings(ctx)
    files = settings.key_files.glob("[!.]*.pem") if settings is not None else ()
    return _beginning(incomplete, ((file.stem, "") for file in files))


def _beginning(incomplete: str, offers: Iterable[tuple[str, str]]) -> Offers:
    return [(name, what) for name, what in sorted(offers) if name.startswith(incomplete)]


def _tasks(template: Path) -> list[str]:
    try:
        return list(msgspec.json.decode(template.read_bytes())["tasks"])
    except OSError:
        return []


def _server(ctx: typer.Context) -> offers.There | None:
    """The server that the command line names, or the environment; None where the home here is meant."""
    settings = _settings(ctx)
    url = settings and (ctx.find_root().params.get("server") or settings.server)
    return offers.There(url, settings) if settings and url else None


def _settings(ctx: typer.Context) -> Settings | None:
    """The settings of the home that the command line names, or the environment."""
    try:
        return read_settings(home=ctx.params.get("home"))
    except AccordError:
        return None


def _rows(ctx: typer.Context, sql: str, *parameters: object) -> Iterator[Any]:
    """Rows of the journal; none where it cannot be read."""
    settings = _settings(ctx)
    if settings is None or not settings.journal.is_file():
        return
    file = quote(str(settings.journal))
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=0.2)) as connection:
            yield from connection.execute(sql, parameters).fetchall()
    except sqlite3.Error:
        return
