"""Private keys held in memory, and the reasons for which a key store refuses one."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from accord.addresses import kept_in
from accord.domain.signature import Algorithm, PublicKey
from accord.errors import BadInput, KeyUnusable, NotFound, Place, Problem

FAULTS: Final[dict[str, tuple[str, str | None]]] = {
    "ACC610": (
        "the name is not allowed for a key",
        "1 to 133 of a-z, 0-9, `.`, `_` and `-`; the first no sign",
    ),
    "ACC611": ("there is a key of this name", "keys are never overwritten; choose another name"),
    "ACC612": ("there is no such key", "`accord keys list` shows those that there are"),
    "ACC613": ("others may read or change it", None),
    "ACC614": ("it belongs to another user", "run as the user whom it belongs to"),
    "ACC615": ("it is a symbolic link, or no plain file or directory", "put the real one there"),
    "ACC616": ("it cannot be read or written", None),
    "ACC617": ("it is empty, cut off, or holds no PKCS#8 key", "restore it from a backup"),
    "ACC618": ("the key is not encrypted", "encrypt it: `openssl pkcs8 -topk8 -v2 aes-256-cbc`"),
    "ACC619": ("the passphrase does not open it", "give the passphrase that the key was made with"),
    "ACC620": ("the key is neither one for ES256 (P-256) nor Ed25519", "make one: `accord keys new`"),
    "ACC621": ("the passphrase is empty", "an empty passphrase protects nothing"),
    "ACC622": ("the key store is closed", "use it inside of its `async with`"),
    "ACC623": ("it is gone, and there are keys that were made with it", "restore it from a backup, beside the keys"),
    "ACC624": ("there is no such file with a passphrase", "put it there; where none is named, one is made in the home"),
    "ACC625": (
        "there is a history, and the key of its orchestrator is not in this home",
        "restore it from a backup; or make a new one, `accord keys new orchestrator`, and tell it to agents elsewhere",
    ),
    "ACC626": (
        "processes that are there work on this store with another orchestrator's key, and agents believe one alone",
        "copy `keys` and `passphrase` of their home into this one, in place of what is here",
    ),
    "ACC629": ("the driver of this key store is not installed", None),
    "ACC630": ("the key store cannot be reached", "is it running, and does the setting `keys` name it? accord doctor"),
    "ACC631": ("the key store does not answer in time", "it is tried again; accord doctor tells how long it takes"),
    "ACC632": ("the key store does not let us in", None),
    "ACC633": ("the key store has not what its address names", "look at the setting `keys`"),
    "ACC634": ("the key store makes no keys of this kind", "take the other algorithm, --algorithm ES256 or Ed25519"),
    "ACC635": ("what the key store gave is no signature, or no public key", "is it what the setting `keys` says?"),
    "ACC636": ("the key store could not do it", "its own log may say more"),
    "ACC637": ("a key store signs 1 to 4096 bytes", None),
    "ACC638": ("nothing opens the key store", "name a file with its PIN, or token: keys_secret_file"),
    "ACC663": ("another process has replaced this key meanwhile", "start anew, if it is still to be replaced"),
    "ACC875": (
        "the data keys of this store are wrapped under another key",
        "copy `keys/wrapping.key` and `passphrase` from the home of a server that works on this store",
    ),
    "ACC876": ("a wrapped data key was changed, or is another run's", "restore the store from a backup"),
    "ACC880": (
        "the key that wraps data keys there is not one that Accord makes",
        "what was wrapped under it cannot be trusted to be secret: take it away, or give it another name",
    ),
    "ACC884": (
        "no key wraps data keys here yet, so none can take its place",
        "the first encrypted run makes one: encrypt_payloads",
    ),
}
"""Every reason for which a key store refuses, by its code: the rule and the way out."""

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,132}")
"""`agent.ORGANISATION.NAME` has a place in it with both as long as they may be."""
_ES256 = ECDSA(SHA256(), deterministic_signing=True)


def fault(code: str, place: str, *, detail: str = "", hint: str | None = None) -> Problem:
    """One of `FAULTS` about a file, a key by its name, or a key store by its address."""
    rule, way_out = FAULTS[code]
    return Problem(code, f"{rule}: {detail}" if detail else rule, Place(file=place), hint or way_out)


def check_name(name: str) -> None:
    """Raise BadInput unless a key may have this name."""
    if NAME.fullmatch(name) is None:
        raise BadInput(fault("ACC610", repr(name)))


def no_such_key(name: str) -> NotFound:
    """The error for a name or kid that no key has."""
    return NotFound(fault("ACC612", name))


def secret_in(file: Path) -> str:
    """What opens a key store: the PIN or token that the file holds. Its group may read it, as Vault's agent
    makes it; nobody else.

    Raises:
        BadInput: ACC628 it cannot be read.
        KeyUnusable: ACC613 others may read or change it.
    """
    kept = kept_in(file, "ACC628", "PIN or token")
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise KeyUnusable(fault("ACC613", str(file), detail=f"mode {mode:04o}", hint=f"chmod g-w,o= {file}"))
    return kept


class PrivateKey(msgspec.Struct, frozen=True, eq=False):
    """A private key in memory with its public half; it is never shown."""

    public: PublicKey
    secret: EllipticCurvePrivateKey | Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.kid})"

    @classmethod
    def generate(cls, algorithm: Algorithm) -> Self:
        """A fresh key."""
        if algorithm == "ES256":
            return cls._of(generate_private_key(SECP256R1()))
        return cls._of(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes, place: str) -> Self:
        """The key of an encrypted PKCS#8 PEM. Raises KeyUnusable, which names `place`."""
        if b"-----BEGIN ENCRYPTED PRIVATE KEY-----" not in pem:
            code = "ACC618" if b"PRIVATE KEY-----" in pem else "ACC617"
            raise KeyUnusable(fault(code, place))
        # A damaged file looks as if the passphrase were wrong, so the frame is checked first.
        if b"-----END ENCRYPTED PRIVATE KEY-----" not in pem:
            raise KeyUnusable(fault("ACC617", place))
        try:
            secret = load_pem_private_key(pem, passphrase)
        except ValueError as error:
            raise KeyUnusable(fault("ACC619" if "password" in str(error) else "ACC617", place)) from None
        except UnsupportedAlgorithm:
            raise KeyUnusable(fault("ACC620", place)) from None
        if isinstance(secret, Ed25519PrivateKey) or (
            isinstance(secret, EllipticCurvePrivateKey) and isinstance(secret.curve, SECP256R1)
        ):
            return cls._of(secret)
        raise KeyUnusable(fault("ACC620", place))

    @classmethod
    def _of(cls, secret: EllipticCurvePrivateKey | Ed25519PrivateKey) -> Self:
        return cls(PublicKey.of(secret.public_key()), secret)

    def to_pem(self, passphrase: bytes) -> bytes:
        """The encrypted PKCS#8 PEM (AES-256-CBC, PBKDF2)."""
        encryption = BestAvailableEncryption(passphrase)
        return self.secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def sign(self, inputs: Sequence[bytes]) -> list[bytes]:
        """A raw 64-byte signature for each input, the same whenever the input is (RFC 6979, RFC 8032)."""
        secret = self.secret
        if isinstance(secret, Ed25519PrivateKey):
            return [secret.sign(data) for data in inputs]
        return [_p1363(secret.sign(data, _ES256)) for data in inputs]


def _p1363(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
