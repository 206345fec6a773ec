"""What the scripted orchestrator writes: assignments of tasks of their own, right ones and wrong ones, and notices."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from accord.domain.contract import Contract
from accord.domain.ids import AgentId, LeaseToken, RunId, TaskId
from accord.domain.merkle import batch
from accord.domain.message import Claims, Message, encode_claims, payload_ref, statement_id
from accord.domain.payloads import AckPayload, AssignContext, AssignPayload, CancelPayload, encode_payload
from accord.domain.signature import BATCHED, attach, signing_input
from accord.keys.private import PrivateKey

RUN: Final = RunId("run-conformance")
VALID_FOR: Final = timedelta(minutes=5)

Sign = Callable[[Claims, bytes, PrivateKey | None], Message]


class Letter(msgspec.Struct, frozen=True):
    """An assignment and its claims."""

    message: Message
    claims: Claims

    @property
    def lease(self) -> LeaseToken:
        """The lease that it is under."""
        return self.claims.lease or LeaseToken("")


class Letters:
    """Writes to one agent, about one contract."""

    def __init__(self, issuer: AgentId, agent: AgentId, contract: Contract, sign: Sign) -> None:
        self._issuer = issuer
        self._agent = agent
        self._contract = contract
        self._sign = sign
        self._number = 0

    def assignment(
        self, value: bytes, *, key: PrivateKey | None = None, broken: bool = False, added: bytes = b"", **other: Any
    ) -> Letter:
        """An assignment of a task of its own; `other` claims, and what is wrong with it."""
        claims, data = self._assigned(value, other)
        message = self._sign(claims, data, key)
        statement = with_turned_bit(message.statement) if broken else message.statement
        return Letter(Message(statement, data + added), claims)

    def batched(self, value: bytes, key: PrivateKey, *, broken: bool = False) -> Letter:
        """An assignment that shares its signature with another one; `broken` is its proof."""
        claims, data = self._assigned(value, {})
        algorithm = BATCHED[key.public.algorithm]
        inputs = [
            signing_input(key.public.kid, algorithm, encode_claims(one))
            for one in (claims, msgspec.structs.replace(claims, task=TaskId("beside it")))
        ]
        signed, proofs = batch(inputs)
        (signature,) = key.sign([signed])
        proof = proofs[0][:-1] + bytes((proofs[0][-1] ^ 1,)) if broken else proofs[0]
        return Letter(Message(attach(inputs[0], signature, proof), data), claims)

    def cancel(self, letter: Letter) -> Message:
        """Tell all instances to stop this."""
        claims = letter.claims
        about = {"run": claims.run, "task": claims.task, "attempt": claims.attempt, "lease": claims.lease}
        return self._notice("cancel", CancelPayload("conformance"), about)

    def ended(self, letter: Letter) -> Message:
        """Tell an instance that this lease has ended."""
        return self._notice("ack", AckPayload((letter.lease,)), {})

    def _notice(self, kind: Any, payload: msgspec.Struct, about: dict[str, Any]) -> Message:
        data, self._number = encode_payload(payload), self._number + 1
        return self._sign(self._claims(kind, f"notice-{self._number}", data, about), data, None)

    def _assigned(self, value: bytes, other: dict[str, Any]) -> tuple[Claims, bytes]:
        self._number += 1
        task = TaskId(f"task-{self._number}")
        data = encode_payload(AssignPayload(msgspec.Raw(value), AssignContext(idempotency_key=task)))
        about = {
            "run": RUN, "task": task, "attempt": 1, "lease": LeaseToken(f"lease-{self._number}"),
            "capability": str(self._contract.ref), "contract": self._contract.digest,
        }  # fmt: skip
        return self._claims("assign", statement_id(RUN, task, 1, "assign"), data, {**about, **other}), data

    def _claims(self, kind: Any, name: str, payload: bytes, more: dict[str, Any]) -> Claims:
        now = datetime.now(UTC)
        usual = {
            "issuer": self._issuer, "audience": self._agent, "id": name, "kind": kind,
            "issued_at": int(now.timestamp()), "expires_at": int((now + VALID_FOR).timestamp()),
            "payload": payload_ref(payload),
        }  # fmt: skip
        return Claims(**{**usual, **more})


def with_turned_bit(statement: bytes) -> bytes:
    """The statement with another first letter of its signature; the text stays canonical base64url."""
    head, _, signature = statement.rpartition(b".")
    return head + b"." + (b"B" if signature[:1] == b"A" else b"A") + signature[1:]
