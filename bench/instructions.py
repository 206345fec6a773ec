"""How many instructions a hand-off takes, by valgrind: nearly the same whatever else the machine does, so that two
versions can be compared on a busy one. Slow: some minutes for each checkout.

    python -m bench.instructions              this checkout
    python -m bench.instructions FOLDER...    these, each with `src` and `bench` of its own

Two chains of different length are counted; their difference is what hand-offs take, the rest is what starting takes.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

RUNS: Final = (40, 140)
IN_FLIGHT: Final = 20
STEPS: Final = 5
COUNTER: Final = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")


async def _chains(count: int) -> None:
    from bench.deployment import orchestrator, staffed  # noqa: PLC0415 - of the checkout that is measured
    from bench.measure import Meter  # noqa: PLC0415 - as above
    from bench.scenarios import chains  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        async with orchestrator({}, home) as node, staffed(node, {}, home):
            await chains(node, IN_FLIGHT, count, Meter())


def counted(checkout: Path, runs: int) -> int:
    """The instructions of so many runs, with the start of the process. SystemExit where they were not counted."""
    environment = {**os.environ, "PYTHONPATH": f"{checkout / 'src'}:{checkout}", "PYTHONHASHSEED": "0"}
    command = [*COUNTER, sys.executable, str(Path(__file__).resolve()), "--runs", str(runs)]
    try:
        ended = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SystemExit("valgrind is not installed") from None
    found = re.search(r"I +refs: +([\d,]+)", ended.stderr)
    if ended.returncode or found is None:
        raise SystemExit(ended.stderr)
    return int(found[1].replace(",", ""))


def main() -> None:
    """Count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("checkouts", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--runs", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.runs is not None:
        import uvloop  # noqa: PLC0415 - the counting process alone needs it

        uvloop.run(_chains(asked.runs))
        return
    for checkout in asked.checkouts or [Path(__file__).resolve().parent.parent]:
        few, many = (counted(checkout.resolve(), runs) for runs in RUNS)
        each = (many - few) / (RUNS[1] - RUNS[0]) / STEPS
        start = few - each * RUNS[0] * STEPS
        told = f"{each / 1e6:.2f} million instructions a hand-off, {start / 1e9:.2f} billion to start"
        sys.stdout.write(f"{checkout}: {told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
