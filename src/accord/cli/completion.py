"""What the shell offers: run ids, templates, capabilities. Read from the files alone, so that a key press costs
little.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from accord.cli.later import later
from accord.errors import AccordError
from accord.settings import read_settings

if TYPE_CHECKING:
    from accord import builtin
else:
    builtin = later("accord.builtin")

MOST = 50


def complete_run(incomplete: str) -> list[tuple[str, str]]:
    """Runs whose id begins like this, the newest first, with state and template."""
    sql = "SELECT run, state, template FROM runs WHERE substr(run, 1, length(?1)) = ?1 ORDER BY run DESC LIMIT ?2"
    rows = list(_rows(sql, incomplete, MOST))
    last = [("last", "the newest run")] if "last".startswith(incomplete) else []
    return last + [(run, f"{state}, {template}") for run, state, template in rows]


def complete_template(incomplete: str) -> list[tuple[str, str]]:
    """Built-in templates, and those of earlier runs."""
    built_in = Path(__file__).parent.parent / "builtin" / "templates"
    names = {file.stem: "built in" for file in built_in.glob("*.yaml")}
    for (template,) in _rows("SELECT DISTINCT template FROM runs LIMIT ?", MOST):
        names.setdefault(template.partition("@")[0], "published")
    return [(name, what) for name, what in sorted(names.items()) if name.startswith(incomplete)]


def complete_agent(incomplete: str) -> list[str]:
    """The built-in agents."""
    return sorted(agent.name for agent in builtin.agents() if agent.name.startswith(incomplete))


def complete_key(incomplete: str) -> list[str]:
    """The keys of this home, by name."""
    try:
        names = [file.stem for file in read_settings().keys.glob("*.pem") if not file.name.startswith(".")]
    except (AccordError, OSError):
        return []
    return sorted(name for name in names if name.startswith(incomplete))


def complete_capability(incomplete: str) -> list[str]:
    """Capabilities of the built-in agents."""
    names = {name.partition("@")[0] for agent in builtin.agents() for name in agent.capabilities}
    return sorted(name for name in names if name.startswith(incomplete))


def _rows(sql: str, *parameters: object) -> Iterator[tuple[str, ...]]:
    """Rows of the journal; none where it cannot be read: a completion never complains."""
    try:
        file = read_settings().journal
    except AccordError:
        return
    if not file.is_file():
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=0.2)) as connection:
            yield from connection.execute(sql, parameters).fetchall()
    except sqlite3.Error:
        return
