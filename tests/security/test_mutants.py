"""Each check is taken out of the source in turn, and one of the vectors below has to notice: statements, claims, strict
JSON, public keys. Whoever adds a check adds a vector, or says in `SAME` why it makes no difference.

The gate itself, what both ends check and the receiver are mutated in `test_gate_forgeries.py`.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any, Final, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key

from accord.domain import merkle, message, signature
from accord.domain.message import CLAIMS_MAX_BYTES, STATEMENT_MAX_BYTES
from accord.domain.signature import SIGNATURE_BYTES, _to_base64url, signing_input
from accord.errors import AccordError
from accord.keys.private import PrivateKey

Names = dict[str, Any]
"""A module's names, as they are without one check."""


class Mutant(NamedTuple):
    """A check, by where it is and what it says."""

    function: str
    test: str
    code: str
    number: int

    def __str__(self) -> str:
        return f"{self.function}: {self.code or 'False'} if {self.test}"


class Without(ast.NodeTransformer):
    """Finds every `if` that ends in a refusal, and takes the `number`th out."""

    def __init__(self, number: int = -1) -> None:
        self._number = number
        self._function = ""
        self.found: list[Mutant] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        outer, self._function = self._function, node.name
        self.generic_visit(node)
        self._function = outer
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        if not _refuses(node.body):
            return node
        self.found.append(Mutant(self._function, ast.unparse(node.test), _code(node.body), len(self.found)))
        if self.found[-1].number != self._number:
            return node
        return ast.copy_location(ast.If(ast.Constant(False), node.body, node.orelse), node)


def _refuses(body: list[ast.stmt]) -> bool:
    last = body[-1]
    if isinstance(last, ast.Raise):
        return True
    if not isinstance(last, ast.Return) or last.value is None:
        return bool(_code(body))
    return bool(_code(body)) or ast.unparse(last.value) in ("False", "None")


def _code(body: list[ast.stmt]) -> str:
    values = (one.value for part in body for one in ast.walk(part) if isinstance(one, ast.Constant))
    return next((one for one in values if isinstance(one, str) and one.startswith("ACC")), "")


def mutants(module: ModuleType) -> list[Mutant]:
    finder = Without()
    finder.visit(ast.parse(inspect.getsource(module)))
    return finder.found


def without(module: ModuleType, number: int) -> Names:
    tree = Without(number).visit(ast.parse(inspect.getsource(module)))
    # A name of its own: what is made of these classes is looked up by it.
    made = ModuleType(f"{module.__name__}_mutant")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, made.__name__, made)
        exec(compile(ast.fix_missing_locations(tree), module.__file__ or "", "exec"), made.__dict__)  # noqa: S102 - our own source
    return made.__dict__


# -- vectors of statements and keys ----------------------------------------------------------------------------------

CLAIMS: Final = b'{"iss":"spiffe://local/agent/worker","knd":"result"}'
ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@cache
def _key(algorithm: Any, number: int = 0) -> PrivateKey:
    return PrivateKey.generate(algorithm)


def _token(header: bytes, claims: bytes = CLAIMS, algorithm: str = "ES256") -> bytes:
    signed = _to_base64url(header) + b"." + _to_base64url(claims)
    return signed + b"." + _to_base64url(_key(algorithm).sign([signed])[0])


def _header(**changed: Any) -> bytes:
    honest = {"alg": "ES256", "kid": _key("ES256").public.kid, "typ": "accord+jwt"}
    return json.dumps({name: value for name, value in (honest | changed).items() if value != "absent"}).encode()


def _batch(third: Callable[[bytes], bytes]) -> bytes:
    """The first statement of a batch of two, with another third part."""
    key = _key("ES256")
    leaves = [signing_input(key.public.kid, "ES256-MT", one) for one in (CLAIMS, CLAIMS + b" ")]
    root, proofs = merkle.batch(leaves)
    proof = key.sign([root])[0] + proofs[0]
    return leaves[0] + b"." + _to_base64url(third(proof))


def _statements() -> dict[str, bytes]:
    good = _token(_header())
    head, claims, third = good.split(b".")
    joined = b".".join
    return {
        "good": good,
        "too long": _token(_header(), CLAIMS + b" " * STATEMENT_MAX_BYTES),
        "two parts": joined((head, claims)),
        "an empty part": joined((head, claims, b"")),
        "a padded header": joined((head + b"=", claims, third)),
        "other bits behind the claims": joined((head, claims + b"*", third)),
        "a padded signature": joined((head, claims, third + b"==")),
        "unused bits": joined((head, claims, third[:-1] + bytes([third[-1] + 1]))),
        "a short signature": joined((head, claims, _to_base64url(b"\1" * 63))),
        "a member more": _token(_header(crit=["exp"])),
        "a member less": _token(_header(typ="absent")),
        "a list": _token(b"[]"),
        "another type": _token(_header(typ="JWT")),
        "no algorithm": _token(_header(alg="none")),
        "a kid that is a number": _token(_header(kid=43)),
        "a short kid": _token(_header(kid="short")),
        "another key": _token(_header(kid=_key("ES256", 1).public.kid)),
        "another algorithm": _token(_header(alg="Ed25519")),
        "other claims": joined((head, _to_base64url(CLAIMS + b" "), third)),
        "zeros": joined((head, claims, _to_base64url(bytes(SIGNATURE_BYTES)))),
        "s is the order": joined((head, claims, _to_base64url(b"\1" * 32 + ORDER.to_bytes(32, "big")))),
        "a batch": _batch(lambda proof: proof),
        "a batch without a path": _batch(lambda proof: proof[:SIGNATURE_BYTES]),
        "a batch with a longer path": _batch(lambda proof: proof + bytes(32)),
        "a batch with half a signature": _batch(lambda proof: proof[:32]),
    }


def _jwks() -> dict[str, dict[str, Any]]:
    ec, okp = _key("ES256").public.to_jwk(), _key("Ed25519").public.to_jwk()
    off = dict(ec, x=_to_base64url(b"\1" * 32).decode(), y=_to_base64url(b"\1" * 32).decode())
    bare = {name: value for name, value in ec.items() if name != "kid"}
    return {
        "EC": ec,
        "OKP": okp,
        "private": dict(ec, d=ec["x"]),
        "another curve": dict(ec, crv="P-384"),
        "kty is a list": dict(ec, kty=["EC"]),
        "a member more": dict(ec, x5c=[]),
        "a member less": {name: value for name, value in ec.items() if name != "y"},
        "a short coordinate": dict(bare, x="AAAA"),
        "a coordinate that is a number": dict(bare, x=7),
        "another kid": dict(ec, kid=okp["kid"]),
        "another alg": dict(ec, alg="ES384"),
        "for encryption": dict(ec, use="enc"),
        "to sign": dict(ec, key_ops=["sign"]),
        "not on the curve": {name: value for name, value in off.items() if name != "kid"},
        "of small order": {"kty": "OKP", "crv": "Ed25519", "x": _to_base64url(b"\1" + bytes(31)).decode()},
        "misspelt": {"kty": "OKP", "crv": "Ed25519", "x": _to_base64url(b"\xff" * 32).decode()},
    }


def _outcome(asked: Callable[[], Any]) -> str:
    """What comes of it: its codes where it is refused, and whatever else is raised by its name."""
    try:
        return repr(asked())
    except AccordError as error:
        return ",".join(one.code for one in error.problems)
    except Exception as error:
        return type(error).__name__


def _verified(names: Names, token: bytes) -> bytes:
    parsed = names["parse_statement"](token)
    key = _key("ES256").public
    names["verify"](parsed, names["PublicKey"](key.kid, key.algorithm, key.x, key.y))
    return bytes(parsed.claims)


def of_signature(names: Names) -> dict[str, str]:
    """What this module makes of every vector."""
    made = {f"token: {name}": _outcome(lambda it=token: _verified(names, it)) for name, token in _statements().items()}
    for name, jwk in _jwks().items():
        made[f"key: {name}"] = _outcome(lambda it=jwk: names["PublicKey"].from_jwk(it).kid)
    public, private = names["PublicKey"].from_jwk(_key("ES256").public.to_jwk()), _key("ES256")
    made["a short signature"] = _outcome(lambda: names["is_signature"](public, b"\1" * 63, b""))
    made["r is zero"] = _outcome(lambda: names["is_signature"](public, bytes(64), b""))
    made["attached"] = _outcome(lambda: names["attach"](b"a.b", b"\1" * 63))
    made["attached, too long"] = _outcome(lambda: names["attach"](b"a" * STATEMENT_MAX_BYTES, b"\1" * 64))
    made["another name"] = _outcome(lambda: names["PublicKey"]("x" * 43, "ES256", public.x, public.y).public)
    stranger = names["PublicKey"](hashlib.sha256(b"").hexdigest()[:43], "ES256", public.x, public.y)
    made["under another kid"] = _outcome(lambda: names["verify"](names["parse_statement"](_token(_header())), stranger))
    made["P-384"] = _outcome(lambda: names["PublicKey"].of(_p384()))
    okp = _key("Ed25519").public
    made["a point and a half"] = _outcome(lambda: names["PublicKey"](okp.kid, "Ed25519", okp.x, "AAAA").public)
    (signed,) = private.sign([b"x"])
    longer = signed[:32] + b"\0" + signed[32:]
    made["a longer signature"] = _outcome(lambda: names["is_signature"](public, longer, b"x"))
    return made


@cache
def _p384() -> Any:
    return generate_private_key(SECP384R1()).public_key()


# -- vectors of claims and JSON --------------------------------------------------------------------------------------

MINIMAL: Final = {"iss": "a", "aud": "b", "jti": "c", "iat": 1, "exp": 2, "knd": "result"}


def _claims(**changed: Any) -> bytes:
    return json.dumps({name: value for name, value in (MINIMAL | changed).items() if value != "absent"}).encode()


CLAIM_VECTORS: Final = {
    "good": _claims(),
    "spaced": json.dumps(MINIMAL, indent=1).encode(),
    "a list": b"[]",
    "no JSON": b"{",
    "twice": b'{"iss":"x",' + _claims()[1:],
    "twice, escaped": b'{"org":"x","\\u006frg":"y",' + _claims()[1:],
    "null": _claims(run=None),
    "unknown": _claims(adm=True),
    "missing": _claims(iss="absent"),
    "out of bounds": _claims(att=-1),
    "unsure": _claims(cnf="2"),
    "dear": _claims(cst="1.0"),
}

JSON_VECTORS: Final = {
    "good": b'{"a":[1,2.5,"x",null,true]}',
    "spaced": b'{ "a" : ":" }',
    "escaped": b'{"a\\u003a":1,"b\\"":2}',
    "twice": b'{"a":1,"a":2}',
    "twice, escaped": b'{"\\u003a":1,"\\u003a":2}',
    "deep": b"[" * 65 + b"]" * 65,
    "many": b"[" + b",".join([b"[]"] * 100) + b"]",
    "too deep for anybody": b"[" * 100_000 + b"]" * 100_000,
    "large": b'"' + b"x" * 64 + b'"',
    "no JSON": b"{]",
    "NaN": b"NaN",
    "infinite": b"1e400",
    "huge": b"9" * 30,
    "no UTF-8": b'"\xff"',
    "half a character": rb'"\ud800"',
}


def of_message(names: Names) -> dict[str, str]:
    """What this module makes of every vector."""
    made = {
        f"claims: {name}": _outcome(lambda it=data: names["decode_claims"](it)) for name, data in CLAIM_VECTORS.items()
    }
    for name, data in JSON_VECTORS.items():
        most = 64 if name == "large" else 1 << 20
        made[f"JSON: {name}"] = _outcome(lambda it=data, most=most: names["strict_json"](it, max_bytes=most))
    made["confidence"] = _outcome(lambda: names["confidence_text"](1.5))
    large = names["decode_claims"](_claims(org="x" * 512, trp="x" * 512, tsk="x" * 512))
    made["claims that do not fit"] = _outcome(lambda: names["encode_claims"](large))
    assert len(_claims(org="x" * 512, trp="x" * 512, tsk="x" * 512)) > CLAIMS_MAX_BYTES
    return made


# -- each is missed --------------------------------------------------------------------------------------------------

SAME: Final = {
    "is_signature: False if not (0 < r < _N and 0 < s < _N)": "OpenSSL refuses them as well; we rely on nobody",
    "_out_of_bounds: ACC314 if found is None": "msgspec names the place of all that it refuses inside of an object",
}
"""Checks that make no difference to any vector, and why they are there all the same."""

SURFACES: Final[list[tuple[ModuleType, Callable[[Names], dict[str, str]]]]] = [
    (signature, of_signature),
    (message, of_message),
]


@cache
def _honest(module: ModuleType, surface: Callable[[Names], dict[str, str]]) -> dict[str, str]:
    return surface(vars(module))


def _each() -> Iterator[Any]:
    for module, surface in SURFACES:
        for mutant in mutants(module):
            yield pytest.param(module, surface, mutant, id=f"{module.__name__.rpartition('.')[2]}.{mutant}")


@pytest.mark.abuse(
    "ASI07",
    at="gate",
    stride="tampering",
    case="each check of statements, claims, strict JSON and keys, taken out, is missed",
)
@pytest.mark.parametrize(("module", "surface", "mutant"), [*_each()])
def test_a_check_that_is_removed_is_missed(
    module: ModuleType, surface: Callable[[Names], dict[str, str]], mutant: Mutant
) -> None:
    honest, mutated = _honest(module, surface), surface(without(module, mutant.number))
    missed = [name for name in honest if mutated[name].replace("_mutant", "") != honest[name]]
    assert bool(missed) != (str(mutant) in SAME), f"{mutant}: {missed}"
