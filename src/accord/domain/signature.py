"""Public keys, and the strict compact JWS (RFC 7515) that a statement is.

Strict means: one spelling for every token, three header members and no other, two algorithms bound to
their keys, and nothing of the claims parsed before the signature is verified. Either algorithm signs a statement by
itself, or the root of a batch (see `merkle`); the header says which. `is_signature` releases the interpreter's lock for
nearly all of its time, and everything here may be called from several threads.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Final, Literal, Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from accord.domain.ids import Digest, KeyId
from accord.domain.merkle import batch_of
from accord.domain.message import STATEMENT_MAX_BYTES, problem_of, refusal, strict_json
from accord.errors import KeyUnusable, MessageRefused, Place, Problem

Algorithm = Literal["ES256", "Ed25519"]
"""ES256 is ECDSA on P-256 with SHA-256 (RFC 7518), Ed25519 is RFC 8032 under the name of RFC 9864."""

StatementAlgorithm = Literal["ES256", "Ed25519", "ES256-MT", "Ed25519-MT"]
"""How a statement is signed: by itself, or with the root of a batch."""

BATCHED: Final[Mapping[Algorithm, StatementAlgorithm]] = {"ES256": "ES256-MT", "Ed25519": "Ed25519-MT"}
"""The algorithm of a batch's statements, by the key's."""

STATEMENT_TYPE: Final = "accord+jwt"
SIGNATURE_BYTES: Final = 64

KEY_FAULTS: Final[dict[str, str]] = {
    "ACC601": "a member of the JWK is missing, unknown or no string",
    "ACC602": "the JWK is neither an EC key on P-256 nor an OKP key on Ed25519",
    "ACC603": "the JWK holds private members",
    "ACC604": "a coordinate is not exactly 32 bytes in base64url without padding",
    "ACC605": "the point is not on the curve, or is of small order",
    "ACC606": "the key's alg, use or key_ops does not allow to verify statements with it",
    "ACC607": "the kid is not the key's thumbprint (RFC 7638)",
}
"""Every reason for which a public key is refused, by its code."""

# -- base64url -------------------------------------------------------------------------------------

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# What is not in the alphabet becomes `*`, which a2b_base64 refuses; so do `+`, `/` and `=`.
_TO_BASE64 = bytes(
    {45: 43, 95: 47}.get(byte, byte) if byte in _ALPHABET else 42  # - to +, _ to /, anything else to *
    for byte in range(256)
)
_FROM_BASE64 = bytes.maketrans(b"+/", b"-_")
_PADDING = (b"", b"", b"==", b"=")
# By length modulo 4: the last characters whose unused bits are zero. A length of 1 modulo 4 does not exist.
_LAST: Final[tuple[frozenset[int], ...]] = (
    frozenset(_ALPHABET),
    frozenset(),
    frozenset(b"AQgw"),
    frozenset(b"AEIMQUYcgkosw048"),
)


def _to_base64url(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_FROM_BASE64)


def _from_base64url(part: bytes) -> bytes | None:
    """What `part` encodes, None unless it is the only spelling of it."""
    remainder = len(part) % 4
    if not part or part[-1] not in _LAST[remainder]:
        return None
    try:
        return binascii.a2b_base64(part.translate(_TO_BASE64) + _PADDING[remainder], strict_mode=True)
    except binascii.Error:
        return None


# -- keys ------------------------------------------------------------------------------------------

_CURVES: Final[Mapping[tuple[object, object], Algorithm]] = {
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "Ed25519",
}
_NAMES: Final[Mapping[Algorithm, tuple[str, str]]] = {"ES256": ("EC", "P-256"), "Ed25519": ("OKP", "Ed25519")}
_PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
_OPTIONAL = frozenset(("alg", "use", "key_ops", "kid"))


class PublicKey(msgspec.Struct, frozen=True, dict=True):
    """The public half of a key that signs statements, with the one algorithm that it is used with."""

    kid: KeyId
    algorithm: Algorithm
    x: str
    """Base64url of 32 bytes: the point's x, or the encoded point for Ed25519."""
    y: str = ""
    """Base64url of 32 bytes: the point's y; empty for Ed25519."""

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, object]) -> Self:
        """The key of a public JWK (RFC 7517, RFC 8037). Raises KeyUnusable with everything that is wrong."""
        KeyUnusable.raise_if(_jwk_faults(jwk))
        algorithm = _CURVES[jwk["kty"], jwk["crv"]]
        x, y = str(jwk["x"]), str(jwk.get("y", ""))
        key = cls(_thumbprint(algorithm, x, y), algorithm, x, y)
        if jwk.get("kid", key.kid) != key.kid:
            raise KeyUnusable(_fault("ACC607", "kid", f"it is {key.kid}"))
        _ = key.public
        return key

    @classmethod
    def of(cls, public: EllipticCurvePublicKey | Ed25519PublicKey) -> Self:
        """The value for a key object of `cryptography`."""
        if isinstance(public, Ed25519PublicKey):
            x = _to_base64url(public.public_bytes_raw()).decode()
            return cls.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": x})
        if not isinstance(public.curve, SECP256R1):
            raise KeyUnusable(_fault("ACC602", "crv", public.curve.name))
        numbers = public.public_numbers()
        x, y = (_to_base64url(number.to_bytes(32, "big")).decode() for number in (numbers.x, numbers.y))
        return cls.from_jwk({"kty": "EC", "crv": "P-256", "x": x, "y": y})

    def to_jwk(self) -> dict[str, str]:
        """The public JWK, with `kid`, `alg` and `use`."""
        kty, crv = _NAMES[self.algorithm]
        jwk = {"kty": kty, "crv": crv, "x": self.x, "kid": self.kid, "alg": self.algorithm, "use": "sig"}
        return jwk | {"y": self.y} if self.y else jwk

    @cached_property
    def public(self) -> EllipticCurvePublicKey | Ed25519PublicKey:
        """The key object that verifies, made once. Raises KeyUnusable for what `from_jwk` never gives."""
        if self.kid != _thumbprint(self.algorithm, self.x, self.y):
            raise KeyUnusable(_fault("ACC607", "kid"))
        x, y = _from_base64url(self.x.encode()), _from_base64url(self.y.encode())
        public = _load(self.algorithm, x or b"", y or b"")
        if public is None:
            raise KeyUnusable(_fault("ACC605", "x"))
        return public


def _fault(code: str, member: str, detail: str = "") -> Problem:
    message = f"{KEY_FAULTS[code]}: {detail}" if detail else KEY_FAULTS[code]
    return Problem(code, message, Place(pointer=f"/{member}"))


def _jwk_faults(jwk: Mapping[str, object]) -> Iterator[Problem]:
    yield from (_fault("ACC603", name) for name in sorted(_PRIVATE & jwk.keys()))
    try:
        algorithm = _CURVES.get((jwk.get("kty"), jwk.get("crv")))
    except TypeError:  # kty or crv is a list or an object
        algorithm = None
    if algorithm is None:
        yield _fault("ACC602", "crv", f"kty {jwk.get('kty')!r}, crv {jwk.get('crv')!r}")
        return
    needed = {"kty", "crv", "x", "y"} if algorithm == "ES256" else {"kty", "crv", "x"}
    unknown = sorted(jwk.keys() - needed - _OPTIONAL - _PRIVATE)
    yield from (_fault("ACC601", name) for name in [*unknown, *sorted(needed - jwk.keys())])
    coordinates = sorted(needed & {"x", "y"} & jwk.keys())
    yield from (_fault("ACC604", name) for name in coordinates if not _is_32_bytes(jwk[name]))
    if jwk.get("alg", algorithm) != algorithm:
        yield _fault("ACC606", "alg", f"{jwk['alg']!r} on {jwk['crv']}")
    if jwk.get("use", "sig") != "sig":
        yield _fault("ACC606", "use", repr(jwk["use"]))
    if jwk.get("key_ops", ["verify"]) != ["verify"]:
        yield _fault("ACC606", "key_ops", repr(jwk["key_ops"]))


def _is_32_bytes(coordinate: object) -> bool:
    if not isinstance(coordinate, str) or not coordinate.isascii():
        return False
    return len(_from_base64url(coordinate.encode()) or b"") == 32


def _thumbprint(algorithm: Algorithm, x: str, y: str) -> KeyId:
    """RFC 7638: over the required members in lexicographic order, without white space."""
    kty, crv = _NAMES[algorithm]
    last = f',"y":"{y}"' if algorithm == "ES256" else ""
    text = f'{{"crv":"{crv}","kty":"{kty}","x":"{x}"{last}}}'
    return KeyId(_to_base64url(hashlib.sha256(text.encode()).digest()).decode())


def _load(algorithm: Algorithm, x: bytes, y: bytes) -> EllipticCurvePublicKey | Ed25519PublicKey | None:
    if len(x) != 32 or len(y) != (32 if algorithm == "ES256" else 0):
        return None
    if algorithm == "Ed25519":
        return Ed25519PublicKey.from_public_bytes(x) if _is_strong_point(x) else None
    numbers = EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), SECP256R1())
    try:
        return numbers.public_key()  # refuses what is not on the curve
    except ValueError:
        return None


_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
# The y of a point of order eight. Under a point of order 1, 2, 4 or 8 anybody can make signatures.
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


def _is_strong_point(encoded: bytes) -> bool:
    """Whether this is the one encoding (RFC 8032, 5.1.3) of a point on edwards25519 of large order."""
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    if y in (0, 1, _P - 1, _ORDER_8, _P - _ORDER_8) or y >= _P:
        return False
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    return pow(x_squared, (_P - 1) // 2, _P) == 1


# -- statements ------------------------------------------------------------------------------------


class Parsed(msgspec.Struct, frozen=True, gc=False):
    """A statement taken apart, not yet verified: before that nobody may look into `claims`."""

    algorithm: StatementAlgorithm
    kid: KeyId
    signed: bytes
    """What the signature has to be of: the signing input, or what was signed for the batch."""
    signature: bytes
    claims: bytes

    @property
    def batched(self) -> bool:
        """Whether the signature is the one of a batch."""
        return self.algorithm in _KEY_ALGORITHMS


class _Header(msgspec.Struct, frozen=True, gc=False):
    algorithm: StatementAlgorithm
    kid: KeyId


_KEY_ALGORITHMS: Final[Mapping[str, Algorithm]] = {batched: algorithm for algorithm, batched in BATCHED.items()}
_ALGORITHMS: Final = (*BATCHED, *BATCHED.values())


def parse_statement(token: bytes) -> Parsed:
    """Take a statement apart without looking into its claims. Raises MessageRefused."""
    parsed = _parse(token, STATEMENT_TYPE)
    if len(parsed.kid) != 43:
        raise refusal("ACC307", pointer="/kid")
    return parsed


def verify(parsed: Parsed, key: PublicKey) -> None:
    """Return if `key` signed the statement. Raises MessageRefused."""
    _verify(parsed, key, key.kid)


def verify_compact(token: bytes, key: PublicKey, *, kid: str, typ: str | None) -> bytes:
    """The payload of a compact JWS under this key whose header is `alg`, `kid` and, where given, `typ`.

    Statements go the same way, but there the kid is always a thumbprint. Raises MessageRefused.
    """
    parsed = _parse(token, typ)
    _verify(parsed, key, kid)
    return parsed.claims


def statement_digest(claims: bytes) -> Digest:
    """By what other statements name one: its claims, so that it is the same however often and however it is signed."""
    return Digest(hashlib.sha256(claims).hexdigest())


def signing_input(kid: KeyId, algorithm: StatementAlgorithm, claims: bytes) -> bytes:
    """The bytes of a statement that are signed, or that are a leaf of its batch."""
    return _header_part(kid, algorithm) + _to_base64url(claims)


def claims_of(signing_input: bytes, key: PublicKey) -> bytes | None:
    """The claims of what is to be signed with this key, where it is the one spelling of a statement that is signed
    alone; None for anything else.
    """
    head, _, part = signing_input.partition(b".")
    claims = _from_base64url(part)
    return claims if claims is not None and head + b"." == _header_part(key.kid, key.algorithm) else None


def attach(signing_input: bytes, signature: bytes, proof: bytes = b"") -> bytes:
    """The statement of a signing input and its raw signature, or its batch's and the proof. Raises MessageRefused."""
    if len(signature) != SIGNATURE_BYTES:
        raise refusal("ACC308", f"{len(signature)} bytes")
    statement = signing_input + b"." + _to_base64url(signature + proof)
    if len(statement) > STATEMENT_MAX_BYTES:
        raise refusal("ACC301", f"{len(statement)} bytes, at most {STATEMENT_MAX_BYTES} are allowed")
    return statement


def _parse(token: bytes, typ: str | None) -> Parsed:
    if len(token) > STATEMENT_MAX_BYTES:
        raise refusal("ACC301", f"{len(token)} bytes, at most {STATEMENT_MAX_BYTES} are allowed")
    parts = token.split(b".")
    if len(parts) != 3 or not all(parts):
        raise refusal("ACC302")
    header = _header(parts[0], typ)
    claims = _from_base64url(parts[1])
    if claims is None:
        raise refusal("ACC303", "the claims")
    signature = _from_base64url(parts[2])
    if signature is None:
        raise refusal("ACC303", "the signature")
    signed = token[: -len(parts[2]) - 1]
    if header.algorithm in _KEY_ALGORITHMS:
        return _parsed_batched(header, signed, signature, claims)
    if len(signature) != SIGNATURE_BYTES:
        raise refusal("ACC308", f"{len(signature)} bytes")
    return Parsed(header.algorithm, header.kid, signed, signature, claims)


def _parsed_batched(header: _Header, leaf: bytes, signature: bytes, claims: bytes) -> Parsed:
    signed = batch_of(leaf, signature[SIGNATURE_BYTES:])
    if signed is None:
        raise refusal("ACC318", f"{len(signature)} bytes")
    return Parsed(header.algorithm, header.kid, signed, signature[:SIGNATURE_BYTES], claims)


@lru_cache(maxsize=4096)  # a signer's header is always the same bytes
def _header(part: bytes, typ: str | None) -> _Header:
    data = _from_base64url(part)
    if data is None:
        raise refusal("ACC303", "the header")
    header = strict_json(data)
    allowed = {"alg", "kid"} if typ is None else {"alg", "kid", "typ"}
    if not isinstance(header, dict) or header.keys() != allowed:
        raise refusal("ACC304", ", ".join(sorted(allowed)))
    alg, kid = header["alg"], header["kid"]
    if header.get("typ") != typ:
        raise refusal("ACC305", repr(header["typ"]), pointer="/typ")
    if alg not in _ALGORITHMS:
        raise refusal("ACC306", repr(alg), pointer="/alg")
    if not isinstance(kid, str):
        raise refusal("ACC307", pointer="/kid")
    return _Header(alg, KeyId(kid))


@lru_cache(maxsize=4096)
def _header_part(kid: KeyId, algorithm: StatementAlgorithm) -> bytes:
    header = {"alg": algorithm, "kid": kid, "typ": STATEMENT_TYPE}
    return _to_base64url(msgspec.json.encode(header)) + b"."


_ES256 = ECDSA(SHA256())
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def key_problem(parsed: Parsed, key: PublicKey, kid: str | None = None) -> Problem | None:
    """Why the statement is none under this key, whatever its signature; `kid` is the key's name, if not its own."""
    if parsed.kid != (kid or key.kid):
        return problem_of("ACC309", repr(parsed.kid), "/kid")
    if parsed.algorithm not in (key.algorithm, BATCHED[key.algorithm]):
        return problem_of("ACC310", f"{parsed.algorithm} under a key for {key.algorithm}", "/alg")
    return None


def _verify(parsed: Parsed, key: PublicKey, kid: str) -> None:
    problem = key_problem(parsed, key, kid)
    if problem is not None:
        raise MessageRefused(problem)
    if not is_signature(key, parsed.signature, parsed.signed):
        raise refusal("ACC311")


def is_signature(key: PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether the raw signature (64 bytes; r and s of ES256 as in IEEE P1363) of `data` is one by `key`."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    public = key.public
    try:
        if isinstance(public, Ed25519PublicKey):
            public.verify(signature, data)
        else:
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            if not (0 < r < _N and 0 < s < _N):
                return False
            public.verify(encode_dss_signature(r, s), data, _ES256)
    except InvalidSignature:
        return False
    return True
