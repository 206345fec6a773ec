"""The list of decision records."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from pages.markdown import GENERATED

_NAME = re.compile(r"(\d{4})-[a-z0-9-]+\.md")


def decision_page(folder: Path) -> str:
    """The page, as Markdown. Raises SystemExit where names or numbers are not what they should be."""
    files = sorted(path for path in folder.glob("*.md") if path.name != "index.md")
    problems = _problems(files)
    if problems:
        raise SystemExit("\n".join(problems))
    lines = [f"- [{_title(path)}]({path.name})" for path in files]
    words = (
        "What was decided, what else there was, and how we know. A record is not rewritten when a decision changes: a "
        "new one says which it replaces. Numbers are given once."
    )
    return f"# Decisions\n\n{GENERATED}\n\n{words}\n\n" + "\n".join(lines) + "\n"


def _problems(files: list[Path]) -> list[str]:
    found = [
        f"{path.name}: decision records are named NNNN-title.md" for path in files if not _NAME.fullmatch(path.name)
    ]
    named = [path for path in files if _NAME.fullmatch(path.name)]
    for number, count in Counter(path.name[:4] for path in named).items():
        if count > 1:
            found.append(f"there are {count} decision records with the number {number}")
    untitled = [path.name for path in named if not _title(path).startswith(f"{int(path.name[:4])}. ")]
    return [*found, *(f"{name}: the first line is `# {int(name[:4])}. Title`" for name in untitled)]


def _title(path: Path) -> str:
    return path.read_text("utf-8").partition("\n")[0].removeprefix("# ")
