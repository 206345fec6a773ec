"""Keys that everybody knows, and messages that are signed with them: the same bytes on every machine."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from accord.domain.message import Claims, Message, encode_claims
from accord.domain.signature import PublicKey, attach, parse_statement, signing_input, statement_digest


class Key:
    """A key pair, by the name that the examples give it."""

    def __init__(self, name: str, public: PublicKey, private: str, sign: Callable[[bytes], bytes]) -> None:
        self.name = name
        self.public = public
        self.private = private
        self.sign = sign

    def jwk(self) -> dict[str, str]:
        """The whole key, its secret part included."""
        return self.public.to_jwk() | {"d": self.private}

    def signed(self, claims: Claims, payload: bytes = b"") -> Message:
        """The message, signed alone."""
        own = signing_input(self.public.kid, self.public.algorithm, encode_claims(claims))
        return Message(attach(own, self.sign(own)), payload)


def _p256(name: str, secret: str) -> Key:
    private = ec.derive_private_key(int.from_bytes(_bytes(secret), "big"), ec.SECP256R1())

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return Key(name, PublicKey.of(private.public_key()), secret, sign)


def _ed25519(name: str, secret: str) -> Key:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(_bytes(secret))
    return Key(name, PublicKey.of(private.public_key()), secret, private.sign)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# The private keys of the examples in RFC 7515 (A.3) and RFC 8037 (A.1).
ORCHESTRATOR_KEY = _p256("orchestrator", "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")
AGENT_KEY = _ed25519("agent", "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")

# Those of RFC 6979 (A.2.5) and RFC 8032 (7.1, test 2).
ORCHESTRATOR_SHORT_KEY = _p256("orchestrator_short", "ya-p2EW6dRZrXCFXZ7HWk05Qw9s26JsSe4piKxIPZyE")
AGENT_SHORT_KEY = _ed25519("agent_short", "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs")


def binary(data: bytes) -> dict[str, str]:
    """Bytes, as the examples write them."""
    return {"$binary": base64.b64encode(data).decode()}


def shown(key: Key, message: Message) -> dict[str, Any]:
    """A statement with all that can be compared: header, claims, digests, and the payload as text."""
    parsed = parse_statement(message.statement)
    header = message.statement.split(b".")[0].decode()
    return {
        "key": key.name,
        "statement": message.statement.decode(),
        "header": json.loads(_bytes(header)),
        "claims": json.loads(parsed.claims),
        "claims_sha256": statement_digest(parsed.claims),
        "payload": message.payload.decode(),
    }
