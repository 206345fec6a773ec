"""`python -m bench.sets KIND FILE`: what Accord makes of a set of questions; how good that is, where answers are known.

Predictions are written as JSON lines, in the set's order (`--out`); figures are printed, as JSON. The formats are in
`docs/how-to/measure-sets.md`. No test looks at these figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from accord.errors import AccordError
from bench.sets.files import Arguments

KINDS = ("intents", "requests", "schemas", "workflows")
"""Modules beside this one; each is imported only where it is asked for: not all of them need what others need."""


def main() -> int:
    """Do what was asked for; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.sets", description=__doc__.split("\n\n")[0])
    parser.add_argument("kind", choices=KINDS, help="what kind of set it is")
    parser.add_argument("file", type=Path, metavar="FILE", help="the set: JSON lines")
    parser.add_argument("--train", type=Path, metavar="FILE", help="examples with answers to learn from")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where predictions are written")
    given = parser.parse_args()
    try:
        run: Callable[[Arguments], None] = import_module(f"bench.sets.{given.kind}").run
        run(Arguments(given.file, given.train, given.out))
    except AccordError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
