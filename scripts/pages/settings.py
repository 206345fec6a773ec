"""The page of settings."""

from __future__ import annotations

import ast
import inspect

from accord import settings
from pages.markdown import GENERATED, table


def settings_page() -> str:
    """The page, as Markdown."""
    texts = _docstrings()
    rows = [(f"`{settings.PREFIX}{name}`", texts.get(name.lower(), "")) for name in settings.KNOWN]
    return (
        f"# Settings\n\n{GENERATED}\n\n"
        "Defaults, then the environment, then flags of the command line: the later one counts. A variable that begins "
        f"with `{settings.PREFIX}` and is not known is an error (ACC901): an option that does nothing would "
        "be worse.\n\n"
        f"{table(('variable', 'what it says'), rows)}\n\n"
        "Without `ACCORD_HOME`, everything is kept in the user's data directory: `~/.local/share/accord` on Linux, "
        "`~/Library/Application Support/accord` on macOS.\n"
    )


def _docstrings() -> dict[str, str]:
    """The docstrings under the fields of `Settings`."""
    tree = ast.parse(inspect.getsource(settings.Settings)).body[0]
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - the source of a class is a class
    found = {}
    for field, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            found[field.target.id] = str(text) or f"Default: `{ast.literal_eval(field.value) if field.value else ''}`."
    return found
