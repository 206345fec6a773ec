"""The page of settings."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
from collections.abc import Iterator
from typing import Any

from accord import settings
from pages.markdown import GENERATED, table

_HEAD = f"""\
# Settings

{GENERATED}

Defaults, then the file `settings.toml` in the home, then the environment, then flags of the command line: the later one
counts. What is set and not known is an error (ACC901), and so is a value that cannot be (ACC902): an option that does
nothing would be worse.

The home is where `--home` or the variable `ACCORD_HOME` says, else the user's data directory: `~/.local/share/accord`
on Linux, `~/Library/Application Support/accord` on macOS. Journal, blobs, keys and reports are in it.
"""


def settings_page() -> str:
    """The page, as Markdown."""
    texts = dict(_described())
    rows = [
        (f"`{name}`", f"`{settings.PREFIX}{name.upper()}`", _default(part), texts.get(name, ""))
        for name, part in settings.settings_schema()["properties"].items()
    ]
    return f"{_HEAD}\n{table(('in the file', 'in the environment', 'default', 'what it says'), rows)}\n"


def _default(part: dict[str, Any]) -> str:
    return f"`{json.dumps(part['default'])}`" if part.get("default") not in (None, {}) else ""


def _described() -> Iterator[tuple[str, str]]:
    """The docstrings under the fields of the module's classes, by field."""
    for kind in ast.parse(inspect.getsource(settings)).body:
        for field, after in itertools.pairwise(getattr(kind, "body", ())):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                yield ast.unparse(field.target), str(after.value.value)
