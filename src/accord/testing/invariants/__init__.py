"""The invariants of an orchestrator, each in one place: what must hold at every moment, whatever goes wrong.

1. `accepted`: for each run, task and epoch at most one result is ever accepted, and nothing that was accepted is lost.
2. `wakes`: no run is stuck.
3. `folds`: state is the fold of the journal.
4. `signed`: no result in the journal without a valid signature of the agent that held the lease, none that breaks its
   contract.
5. `owners`: never two owners append to one partition under the same epoch.
6. `bounds`: no agent holds more than it has declared, no run more than its template allows.
7. `held`: after the acknowledgement of a pause nothing is assigned; cancel, rollback and fork leave no attempt running.

Each says what is wrong as texts; none is good. `RunWatch` looks at one run, `Watch` at all orchestrators.
"""

from __future__ import annotations


class Broken(AssertionError):
    """An invariant does not hold."""


def must(holds: object, message: str) -> None:
    """Raise Broken unless it holds."""
    if not holds:
        raise Broken(message)
