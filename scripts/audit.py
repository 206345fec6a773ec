"""Looks up known vulnerabilities of everything that constraints.txt pins, at the service of OSV. Exit code 1 when there
is one. Where the service cannot be reached it says that the audit was not made, and fails nothing: a build must not
depend on somebody's server. `ACCORD_AUDIT=required` fails there as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ANSWERED_WITHIN_S = 10


def report(pins: Path) -> Any | str:
    """What pip-audit has found, or why it has found nothing out."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        asked = ["-r", str(pins), "--no-deps", "--disable-pip", "-s", "osv", "--timeout", str(ANSWERED_WITHIN_S)]
        command = [
            sys.executable,
            "-m",
            "pip_audit",
            *asked,
            "--progress-spinner",
            "off",
            "-f",
            "json",
            "-o",
            str(found),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if found.is_file():
            return json.loads(found.read_text("utf-8"))
    return (done.stderr.strip().splitlines() or ["it said nothing"])[-1]


def findings(told: Any) -> Iterator[str]:
    """Each vulnerability in a line."""
    for one in told["dependencies"]:
        for flaw in one.get("vulns", ()):
            fixed = ", ".join(flaw["fix_versions"]) or "nothing yet"
            yield f"{one['name']} {one['version']}: {flaw['id']}, fixed in {fixed}"


def main() -> int:
    """Ask, and tell; the exit code."""
    told = report(ROOT / "constraints.txt")
    if isinstance(told, str):
        print(f"The audit was NOT made: {told}")
        return 1 if os.environ.get("ACCORD_AUDIT") == "required" else 0
    found = list(findings(told))
    print("\n".join(found) or f"{len(told['dependencies'])} packages, no known vulnerability")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
