"""The rules that an agent is examined by. Each stands in docs/protocol.md, under its id.

ACC990  no agent can be examined with what was given      ACC991  the agent's command cannot be started
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Verdict = Literal["kept", "broken", "not tested"]

PAGE: Final = "docs/protocol.md"


class Rule(msgspec.Struct, frozen=True):
    """One sentence of the protocol that an agent may break."""

    id: str
    """Stays for ever; the anchor in docs/protocol.md."""
    name: str
    says: str


class Outcome(msgspec.Struct, frozen=True):
    """What came of one rule."""

    rule: str
    name: str
    verdict: Verdict
    seen: str
    says: str
    read: str
    """Where the rule stands."""


RULES: Final[dict[str, Rule]] = {
    rule.name: rule
    for rule in (
        Rule("R-ST-1", "spelling", "A statement is three parts in canonical base64url, at most 2047 bytes."),
        Rule("R-ST-2", "header", "Its header has exactly `alg`, `kid` and `typ`, for the key that signs."),
        Rule("R-ST-3", "signature", "Its signature has 64 bytes, and verifies."),
        Rule("R-ST-5", "claims", "Its claims are strict JSON, known, complete and within bounds."),
        Rule("R-ST-6", "addressed", "It is by whose key it is, for its one recipient, and in time."),
        Rule("R-ST-7", "payload", "`pld` is digest and length of the payload beside it."),
        Rule("R-ST-8", "ids", "What is about no attempt has a UUIDv7 of its own as `jti`."),
        Rule("R-ST-9", "documents", "Every payload is strict JSON."),
        Rule("R-SO-1", "arguments", "A message is two arguments of an event: text, and binary."),
        Rule("R-HS-1", "connect", "`prove` is a strict `connect` about this nonce, for the registry, signed alone."),
        Rule("R-HS-2", "enrolment", "A key that is not known yet comes with the enrolment token."),
        Rule("R-HS-3", "welcome-key", "A welcome that a key has signed which is not believed is no welcome."),
        Rule("R-HS-4", "welcome-about", "A welcome that is about another connection is no welcome."),
        Rule("R-PR-1", "card", "The welcomed instance sends a card of its own that holds its key."),
        Rule("R-PR-2", "heartbeat", "It sends a heartbeat of its instance as often as the welcome says."),
        Rule("R-PR-3", "held-leases", "Heartbeats name the lease while the task runs."),
        Rule("R-CR-1", "credit", "After the card it says how many assignments it takes: a whole number."),
        Rule("R-CR-2", "credit-bound", "It never has, nor asks for, more than its concurrency and its queue hold."),
        Rule("R-CR-3", "credit-again", "It raises its credit when it has room again."),
        Rule("R-CR-4", "credit-session", "Every session begins with credit of its own."),
        Rule("R-AS-1", "receipt", "It acknowledges an assignment when it has received it."),
        Rule("R-AS-2", "bad-signature", "An assignment whose signature does not verify is not done."),
        Rule("R-AS-3", "bad-key", "An assignment that another key has signed is not done."),
        Rule("R-AS-4", "bad-audience", "An assignment for somebody else is not done."),
        Rule("R-AS-5", "bad-expiry", "An assignment that has expired is not done."),
        Rule("R-AS-6", "bad-future", "An assignment from the future is not done."),
        Rule("R-AS-7", "bad-payload", "An assignment with another payload than was signed is not done."),
        Rule("R-AS-8", "input-contract", "An input that breaks the contract is refused with `input-contract`."),
        Rule("R-AS-9", "redelivery", "An assignment that comes again is answered with the same bytes."),
        Rule("R-AS-10", "redelivery-running", "An assignment that comes again while it runs is not done twice."),
        Rule("R-BA-1", "batches", "An agent whose card says `batches` verifies statements of batches."),
        Rule("R-BA-2", "bad-proof", "A statement of a batch whose proof does not lead to what was signed is refused."),
        Rule("R-AN-1", "result", "An assignment whose input keeps the contract is answered with a result."),
        Rule("R-AN-2", "one-answer", "An assignment has one final answer."),
        Rule("R-AN-3", "answer-claims", "An answer copies the assignment's claims, and names it in `ins`."),
        Rule("R-AN-4", "answer-contract", "The output keeps the contract."),
        Rule("R-AN-5", "failure", "A failure says why, in the shape of its schema."),
        Rule("R-AN-6", "progress", "Progress is well formed, numbered from 1, and comes before the answer."),
        Rule("R-AN-7", "accept", "`accept` has no payload, and comes before the answer."),
        Rule("R-CA-1", "cancel-early", "What was cancelled before it came is not begun."),
        Rule("R-CA-2", "cancel-running", "It stops what it is told to stop, and answers with a failure."),
        Rule("R-CA-3", "ended-lease", "It stops what runs under a lease that an `ack` says has ended."),
        Rule("R-CA-4", "notice-receipt", "It acknowledges a notice when it has received it."),
        Rule("R-CN-1", "resent", "After a lost connection it sends again what had no acknowledgement, byte by byte."),
        Rule("R-CN-2", "card-again", "After a lost connection it shows its card again."),
        Rule("R-CN-3", "again", "What is acknowledged with `again` is sent again, byte by byte."),
        Rule("R-CN-4", "server-leaves", "When the server leaves, it connects anew, at once."),
        Rule("R-LP-1", "upload", "A large output is uploaded on a statement of kind `upload` about its attempt."),
        Rule("R-LP-2", "uploaded", "The result names digest and length of what was uploaded; its payload is empty."),
        Rule("R-LP-3", "fetch", "A reference in the input stands for the bytes that a `fetch` gives."),
        Rule("R-DR-1", "drain-answers", "What it has begun when it is stopped is answered."),
        Rule("R-DR-2", "drain-credit", "It asks for nothing more once it drains."),
        Rule("R-DR-3", "drain-leaving", "It says that it is draining, and then that it leaves."),
    )
}  # fmt: skip
"""All rules by their names, in the order in which they are told."""

UNTESTED: Final[dict[str, str]] = {
    "R-ST-4": "in which order an agent reads and verifies cannot be seen from outside",
    "R-CL-1": "an agent need not ask anybody",
    "R-CL-2": "it is a duty of orchestrators",
    "R-CL-3": "an agent need not ask anybody",
    "R-CL-4": "it is a duty of orchestrators",
    "R-LG-1": "an agent need not log",
    "R-LG-2": "an agent need not log",
    "R-LG-3": "an agent need not log",
    "R-LG-4": "nobody can see what an answer was late for",
    "R-LG-5": "it is a duty of orchestrators",
    "R-LG-6": "it is a duty of orchestrators",
    "R-BA-3": "it is a duty of orchestrators",
    "R-AS-11": "a server sends an instance only what it offers; other transports do not",
    "R-AN-8": "what an agent hands on to others cannot be seen from outside",
    "R-CT-1": "it takes two releases of an agent to see it; the registry does",
    "R-CT-2": "it takes two releases of an agent to see it; the registry does",
    "R-CN-5": "how long an agent waits is a matter of chance, by design",
    "R-CN-6": "it is a duty of orchestrators",
    "R-DG-1": "an examination delegates nothing, so that agents that know no delegations can be examined",
    "R-DG-2": "as R-DG-1",
    "R-DG-3": "as R-DG-1",
    "R-DG-4": "only an agent that delegates has this duty; the gate sees to it",
    "R-DG-5": "as R-DG-4",
    "R-DG-6": "it is a duty of orchestrators",
    "R-HS-5": "an examination is one orchestrator, and short",
    "R-SU-1": "an examination has one key, so that agents that know no successions can be examined",
    "R-SU-2": "as R-SU-1",
    "R-TR-1": "spans go elsewhere, and what an agent hands on to others cannot be seen from outside",
    "R-TR-2": "as R-TR-1",
}
"""Rules of docs/protocol.md that no examination looks at, and why."""

BY_CODE: Final[dict[str, str]] = {
    **dict.fromkeys(("ACC301", "ACC302", "ACC303"), "spelling"),
    **dict.fromkeys(
        ("ACC304", "ACC305", "ACC306", "ACC307", "ACC309", "ACC310", "ACC318", "ACC340", "ACC664"), "header"
    ),
    **dict.fromkeys(("ACC308", "ACC311"), "signature"),
    **dict.fromkeys(("ACC341", "ACC342"), "addressed"),
    "ACC352": "payload",
    "ACC789": "arguments",
}
"""The rule that a message breaks which is refused with this code; any other is about its claims."""


def outcome(name: str, verdict: Verdict, seen: str) -> Outcome:
    """What came of the rule with this name."""
    found = RULES[name]
    return Outcome(found.id, name, verdict, seen, found.says, f"{PAGE}#{found.id}")
