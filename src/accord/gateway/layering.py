"""A layered layout, made by a process of its own: the engine lets nobody else work meanwhile. The request comes as JSON
on the standard input, the answer goes to the standard output. Nothing of Accord is imported here.
"""

from __future__ import annotations

import json
import sys

import graphlay


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    json.dump(graphlay.layout(request["graph"], options=request["options"]).raw, sys.stdout)


if __name__ == "__main__":
    main()
