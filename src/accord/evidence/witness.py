"""A witness: what somebody else has seen of a log, and whether what it is shown now goes on from there. Who owns the
database can't cut off or rewrite what a witness has seen.

ACC853  the log does not begin with what the witness has seen
ACC854  the checkpoint is not signed with the key that the witness knows
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from accord.domain.checkpoint import Growth
from accord.domain.ids import AgentId, Digest, KeyId
from accord.domain.signature import PublicKey
from accord.errors import AccordError, Problem, Refused


class Witnessed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last checkpoint that was seen."""

    origin: AgentId
    size: int
    root: Digest
    key: KeyId
    statement: str


def witnessed(before: Witnessed | None, growth: Growth, trusted: Collection[KeyId]) -> Witnessed:
    """What was seen once the newest checkpoint was. `trusted` are keys to believe beside the one that is known; the
    first time, where none is named, the one that the log names is.

    Raises Refused, with all that does not hold; then what was seen before stays what is known.
    """
    problems: list[Problem] = []
    checkpoint = growth.checkpoint
    origin = before.origin if before is not None else AgentId("")
    key = PublicKey.from_jwk(growth.key)
    known = {*trusted, *([before.key] if before is not None else [])}
    if known and key.kid not in known:
        hint = "if it is the orchestrator's new key, name it with --trust"
        problems.append(
            Problem("ACC854", f"the checkpoint is signed with {key.kid}, not {', '.join(known)}", hint=hint)
        )
    try:
        origin = checkpoint.check(key).issuer
    except (AccordError, ValueError) as error:
        problems.append(Problem("ACC854", f"its statement does not hold: {error}"))
    if before is not None:
        problems += _broken(before, growth, origin)
    Refused.raise_if(problems)
    return Witnessed(
        origin=origin, size=checkpoint.size, root=checkpoint.root, key=key.kid, statement=checkpoint.statement
    )


def _broken(before: Witnessed, growth: Growth, origin: AgentId) -> list[Problem]:
    hint = "keep the witness's file and the journal as they are: one of them was changed"
    if origin != before.origin:
        return [Problem("ACC853", f"it is the log of {origin}, not of {before.origin}", hint=hint)]
    try:
        holds = growth.begins_with(before.size, before.root)
    except ValueError:
        holds = False
    text = f"the log of {growth.checkpoint.size} entries does not begin with the {before.size} that were seen"
    return [] if holds else [Problem("ACC853", text, hint=hint)]
