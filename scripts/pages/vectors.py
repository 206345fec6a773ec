"""Worked examples of the wire, to be compared byte by byte: keys, an assignment and its result."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from accord.domain.contract import read_contract
from accord.domain.ids import AgentId, LeaseToken, RunId, TaskId
from accord.domain.merkle import batch
from accord.domain.message import Claims, encode_claims, payload_ref, statement_id
from accord.domain.signature import BATCHED, PublicKey, attach, signing_input, statement_digest
from pages.markdown import GENERATED

ORCHESTRATOR, AGENT = AgentId("spiffe://local/orchestrator/main"), AgentId("spiffe://local/agent/summarizer")
RUN, TASK, LEASE = RunId("run_0example0example0example0ex"), TaskId("summary"), LeaseToken("0lease0lease0lease0lease0l")
CAPABILITY = "text.summarize@1.0.0"
CONTRACT = {
    "capability": "text.summarize",
    "version": "1.0.0",
    "input": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    "output": {"type": "object", "properties": {"summary": {"type": "string"}}, "required": ["summary"]},
    "limits": {},
}
ASSIGNMENT = (
    b'{"input":{"text":"Bees dance."},"context":{"idempotency_key":"run_0example0example0example0ex/summary/0"}}'
)
RESULT = b'{"summary":"Bees dance."}'
ISSUED = 1_767_225_600
# The private keys of the examples in RFC 7515 (A.3) and RFC 8037 (A.1): everybody knows them.
P256 = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
ED25519 = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"


def vector_page() -> str:
    """The page, as Markdown."""
    contract = read_contract(CONTRACT)
    signer = ec.derive_private_key(int.from_bytes(_bytes(P256), "big"), ec.SECP256R1())
    other = ed25519.Ed25519PrivateKey.from_private_bytes(_bytes(ED25519))
    first, second = PublicKey.of(signer.public_key()), PublicKey.of(other.public_key())
    assignment = _claims("assign", contract.digest, ASSIGNMENT)
    result = _claims("result", contract.digest, RESULT, confidence="0.8")
    parts = [
        f"# Worked examples of the wire\n\n{GENERATED}\n\n"
        "An implementation in another language can compare itself with these, byte by byte. The keys are those of RFC "
        "7515 (appendix A.3) and RFC 8037 (appendix A.1); both algorithms are deterministic (ES256 by RFC "
        "6979), so the "
        "signatures can be compared as well. What the members mean is told in [the protocol](../protocol.md).\n",
        "## Keys\n\n### ES256, the orchestrator's\n\n" + _json(first.to_jwk() | {"d": P256}),
        "### Ed25519, the agent's\n\n" + _json(second.to_jwk() | {"d": ED25519}),
        "## Contract\n\n"
        + _json(CONTRACT)
        + f"\n\nIts digest, SHA-256 over the RFC 8785 form:\n\n{_text(contract.digest)}",
        "## Assignment\n\n" + _message(first, assignment, ASSIGNMENT, _es256(signer)),
        "## Result\n\n" + _message(second, result, RESULT, other.sign),
        "The digest by which a later statement rests on this result (`ins`) is SHA-256 over its claims' bytes:\n\n"
        + _text(statement_digest(encode_claims(result))),
        _batch(first, contract.digest, _es256(signer)),
    ]
    return "\n\n".join(parts)


def _claims(kind: Any, contract: Any, payload: bytes, confidence: str | None = None, task: TaskId = TASK) -> Claims:
    forth = kind == "assign"
    return Claims(
        issuer=ORCHESTRATOR if forth else AGENT,
        audience=AGENT if forth else ORCHESTRATOR,
        id=statement_id(RUN, task, 1, kind),
        issued_at=ISSUED,
        expires_at=ISSUED + 3600,
        kind=kind,
        run=RUN,
        task=task,
        attempt=1,
        lease=LEASE,
        capability=CAPABILITY,
        contract=contract,
        payload=payload_ref(payload),
        confidence=confidence,
    )


def _message(key: PublicKey, claims: Claims, payload: bytes, sign: Any) -> str:
    shown = _json(json.loads(encode_claims(claims)))
    statement = _statement(key, claims, sign).decode()
    return (
        f"The payload, {len(payload)} bytes:\n\n{_text(payload.decode())}\n\nThe claims:\n\n{shown}\n\n"
        f"The statement, with {key.algorithm}:\n\n{_text(statement)}"
    )


def _batch(key: PublicKey, contract: Any, sign: Any) -> str:
    """Three assignments under one signature."""
    claims = [encode_claims(_claims("assign", contract, ASSIGNMENT, task=TaskId(f"summary[{n}]"))) for n in range(3)]
    algorithm = BATCHED[key.algorithm]
    inputs = [signing_input(key.kid, algorithm, one) for one in claims]
    signed, proofs = batch(inputs)
    statements = [attach(one, sign(signed), proof).decode() for one, proof in zip(inputs, proofs, strict=True)]
    return (
        f"## Batch\n\nThree assignments with the payload above, for the tasks `summary[0]` to `summary[2]`, that share "
        f"one signature with {algorithm}. What is signed, in hexadecimal digits: `accord+root`, a zero byte, the size, "
        f"the root:\n\n{_text(signed.hex())}\n\n"
        "The proofs behind the signature: index, size, path. The third has no sibling at first, so its path is "
        f"shorter:\n\n{_text(chr(10).join(proof.hex() for proof in proofs))}\n\n"
        f"The statements:\n\n{_text((chr(10) * 2).join(statements))}\n"
    )


def _statement(key: PublicKey, claims: Claims, sign: Any) -> bytes:
    signed = signing_input(key.kid, key.algorithm, encode_claims(claims))
    return attach(signed, sign(signed))


def _es256(key: ec.EllipticCurvePrivateKey) -> Any:
    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _json(value: object) -> str:
    return f"```json\n{json.dumps(value, indent=2)}\n```"


def _text(text: str) -> str:
    return f"```text\n{text}\n```"
