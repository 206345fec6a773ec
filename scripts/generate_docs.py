"""Writes the generated pages of docs/: run it after the language, or a table that a page shows, has changed.

generate_docs.py            write what has changed
generate_docs.py --check    write nothing; name what is not up to date, exit code 1
"""

from __future__ import annotations

import sys
from pathlib import Path

from accord.templates.reference import template_reference
from pages.access import access_page
from pages.client import client_page
from pages.commands import command_page
from pages.decisions import decision_page
from pages.errors import error_page, unexplained
from pages.events import event_page
from pages.http import http_page
from pages.rules import rule_page
from pages.scenes import scene_files
from pages.schemas import schema_files
from pages.sdk import sdk_page
from pages.security import security_page
from pages.settings import settings_page
from pages.states import state_page
from pages.telemetry import telemetry_page
from pages.vectors import vector_page

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SOURCES = ROOT / "src" / "accord"


def pages() -> dict[Path, str]:
    """The text of each generated file."""
    reference = DOCS / "reference"
    return {
        reference / "access.md": access_page(),
        reference / "cli.md": command_page(),
        reference / "client.md": client_page(),
        reference / "conformance.md": rule_page(),
        reference / "errors.md": error_page(SOURCES),
        reference / "events.md": event_page(),
        reference / "http.md": http_page(),
        reference / "sdk.md": sdk_page(),
        reference / "settings.md": settings_page(),
        reference / "state-machine.md": state_page(),
        reference / "telemetry.md": telemetry_page(),
        reference / "templates.md": template_reference(),
        reference / "wire-examples.md": vector_page(),
        DOCS / "security.md": security_page(ROOT),
        DOCS / "decisions" / "index.md": decision_page(DOCS / "decisions"),
        **{reference / "schemas" / name: text for name, text in schema_files().items()},
        **{reference / "vectors" / name: text for name, text in scene_files().items()},
    }


def stale(texts: dict[Path, str]) -> list[Path]:
    """The files that are not there, or do not hold what they should."""
    return [path for path, text in texts.items() if not path.is_file() or path.read_text("utf-8") != text]


def main(arguments: list[str]) -> int:
    """Write, or check; the exit code."""
    texts = pages()
    behind = stale(texts)
    for path in behind:
        if "--check" in arguments:
            print(f"not up to date: {path.relative_to(ROOT)} (run scripts/generate_docs.py)")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path], encoding="utf-8")
            print(path.relative_to(ROOT))
    codes = unexplained(SOURCES)
    if codes:
        print(f"no message explains {', '.join(codes)}: name them in ELSEWHERE of scripts/pages/errors.py")
    return 1 if codes or ("--check" in arguments and behind) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
