"""Writes the generated pages of docs/: run it after the language, or a table that a page shows, has changed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from accord.templates.reference import template_reference

ROOT = Path(__file__).resolve().parent.parent
PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/templates.md": template_reference,
}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(), encoding="utf-8")
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
