"""Fuzzes one parser with Atheris, guided by coverage, until something else than an error of Accord's comes out:
`pip install atheris`, then `python -m tests.fuzz NAME [FOLDER] [-max_total_time=60 ...]`.

It begins with the corpus, and keeps what it finds in FOLDER (`.fuzz/NAME`); what is worth keeping is moved to
`tests/fuzz/corpus/NAME` by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["accord"]):
    from tests.fuzz.targets import CORPUS, TARGETS, told


def main(arguments: list[str]) -> None:
    """Fuzz; ends by itself only where something is found, or an option says so."""
    if not arguments or arguments[0] not in TARGETS:
        sys.exit(f"{(__doc__ or '').strip()}\n\nNAME is one of {', '.join(TARGETS)}")
    name, *rest = arguments
    found = Path(rest.pop(0)) if rest and not rest[0].startswith("-") else Path(".fuzz") / name
    found.mkdir(parents=True, exist_ok=True)
    options = ["-max_len=65536", *rest]
    atheris.Setup([sys.argv[0], *options, str(found), str(CORPUS / name)], lambda data: told(name, data) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
