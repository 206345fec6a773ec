"""Storms by the thousand: each seed is one, and a seed that fails can be played again.

python -m accord.testing.storms --seeds 0 1000
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
import traceback
from types import FrameType
from typing import Final

from accord.testing.engine_storm import calling_storm, encrypted_storm, replica_storm, storm
from accord.testing.world import simulated

__all__ = ["KINDS", "encrypted_storm", "main", "replay", "replica_storm", "simulated", "storm"]

KINDS: Final = {"alone": storm, "replicas": replica_storm, "calls": calling_storm}
"""Over orchestrators that own what is free; over such as share it evenly; with agents that ask others as they work."""

HANGS_AFTER_S = 300
"""Real time that no storm takes."""


class Hangs(BaseException):
    """A storm that goes on and on without time passing in it."""


def main(arguments: list[str] | None = None) -> int:
    """Play the storms of a range of seeds; tells which fail, and how to play one again."""
    parser = argparse.ArgumentParser(prog="python -m accord.testing.storms", description=__doc__)
    parser.add_argument("--seeds", nargs=2, type=int, metavar=("FIRST", "END"), default=(0, 100))
    parser.add_argument("--kind", choices=list(KINDS), default="alone", help="alone, over replicas, or with calls")
    parser.add_argument("--loud", action="store_true", help="show what the orchestrators log")
    given = parser.parse_args(arguments)
    logging.disable(logging.NOTSET if given.loud else logging.CRITICAL)
    signal.signal(signal.SIGALRM, _hangs)
    failed, began_s = [], time.monotonic()
    for seed in range(*given.seeds):
        signal.alarm(HANGS_AFTER_S)
        try:
            fingerprint = simulated(seed, KINDS[given.kind])
        except (Exception, Hangs) as error:
            failed.append(seed)
            _say(f"seed {seed}: {type(error).__name__}: {error}\n  {replay(seed, given.kind)}")
        else:
            if given.seeds[1] - given.seeds[0] == 1:
                _say(fingerprint)
    signal.alarm(0)
    _say(f"{len(failed)} of {given.seeds[1] - given.seeds[0]} failed, {time.monotonic() - began_s:.1f} s: {failed}")
    return 1 if failed else 0


def _hangs(number: int, frame: FrameType | None) -> None:
    raise Hangs("".join(traceback.format_stack(frame, 12)))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def replay(seed: int, kind: str = "alone") -> str:
    """The command that plays this storm again."""
    return f"python -m accord.testing.storms --loud --kind {kind} --seeds {seed} {seed + 1}"


if __name__ == "__main__":
    sys.exit(main())
