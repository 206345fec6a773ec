"""The rules that an agent is examined by, each with its place in docs/protocol.md.

ACC990  no agent can be examined with what was given      ACC991  the agent's command cannot be started
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Verdict = Literal["kept", "broken", "not tested"]


class Rule(msgspec.Struct, frozen=True):
    """One sentence of the protocol that an agent may break."""

    id: str
    says: str
    section: str
    """The anchor in docs/protocol.md."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of one rule."""

    rule: str
    verdict: Verdict
    seen: str
    says: str
    read: str
    """Where the rule stands."""


_HANDSHAKE: Final = "the-handshake"
_DUTIES: Final = "what-an-agent-does"

RULES: Final[dict[str, Rule]] = {
    rule.id: rule
    for rule in (
        Rule("welcome-key", "A welcome that another key than the token's has signed is not believed.", _HANDSHAKE),
        Rule("connect", "`prove` is a strict `connect` about this nonce, for the registry, signed alone.", _HANDSHAKE),
        Rule("enrolment", "A key that is not known yet comes with the enrolment token.", _HANDSHAKE),
        Rule("card", "The welcomed instance sends a card of its own that holds its key.", _DUTIES),
        Rule("credit", "It says how many assignments it takes.", "socketio"),
        Rule("heartbeat", "It sends a heartbeat of its instance as often as the welcome says.", _DUTIES),
        Rule("receipt", "It acknowledges an assignment when it has received it.", "socketio"),
        Rule("result", "An assignment whose input keeps the contract is answered with a result.", _DUTIES),
        Rule("answer-claims", "An answer copies the assignment's claims and names the assignment in `ins`.", "kinds"),
        Rule("answer-payload", "`pld` is digest and length of the payload beside it.", "a-message"),
        Rule("answer-contract", "The output keeps the contract.", "contracts"),
        Rule("redelivery", "An assignment that comes again is answered with the same bytes.", _DUTIES),
        Rule("bad-signature", "An assignment whose signature does not verify is not done.", _DUTIES),
        Rule("bad-key", "An assignment that another key has signed is not done.", _DUTIES),
        Rule("bad-audience", "An assignment for somebody else is not done.", _DUTIES),
        Rule("bad-expiry", "An assignment that has expired is not done.", _DUTIES),
        Rule("bad-payload", "An assignment with another payload than was signed is not done.", _DUTIES),
        Rule("input-contract", "An input that breaks the contract is refused with `input-contract`.", _DUTIES),
        Rule("cancel-early", "What was cancelled before it came is not begun.", _DUTIES),
        Rule("cancel-running", "It stops what it is told to stop, and answers with a failure.", _DUTIES),
        Rule("held-leases", "Heartbeats name the lease while the task runs.", _DUTIES),
        Rule("progress", "Progress is well formed.", "kinds"),
        Rule("statements", "Whatever it sends is a strict statement, for its recipient, in time.", "the-statement"),
        Rule("resent", "After a lost connection it proves itself, and sends again what had no acknowledgement.",
             "when-a-connection-is-lost"),
        Rule("drain-answers", "What it has begun when it is stopped is answered.", _DUTIES),
        Rule("drain-leaving", "It says that it is draining, and then that it leaves.", _DUTIES),
    )
}  # fmt: skip
"""All rules, in the order in which they are told."""


def outcome(rule: str, verdict: Verdict, seen: str) -> Outcome:
    """What came of this rule."""
    found = RULES[rule]
    return Outcome(rule, verdict, seen, found.says, f"docs/protocol.md#{found.section}")
