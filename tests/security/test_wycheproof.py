"""The test vectors of Wycheproof, through the code that verifies statements.

They are no part of the repository: they are read where ACCORD_VECTORS says, else in `../shared/vectors`.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from accord.domain.signature import PublicKey, is_signature, verify_compact
from accord.errors import KeyUnusable, MessageRefused

FOLDER = Path(os.environ.get("ACCORD_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))


def groups(name: str) -> list[dict]:
    path = FOLDER / name
    if path.exists():
        return json.loads(path.read_text())["testGroups"]
    missing = f"the Wycheproof vectors are not there: {path} (set ACCORD_VECTORS to the folder that holds them)"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def key_of(jwk: dict) -> PublicKey | None:
    """The key of a vector. Its kid is a name and no thumbprint: left out here, expected in the header."""
    try:
        return PublicKey.from_jwk({name: value for name, value in jwk.items() if name != "kid"})
    except KeyUnusable:
        return None


def jws_vectors() -> Iterator[tuple[dict, dict, PublicKey | None]]:
    for group in groups("json_web_signature_test.json"):
        jwk = group.get("public", group["private"])
        for vector in group["tests"]:
            yield vector, jwk, key_of(jwk)


def accepts(token: str, key: PublicKey, kid: str) -> bool:
    try:
        verify_compact(token.encode(), key, kid=kid, typ=None)
    except MessageRefused:
        return False
    return True


@pytest.mark.abuse("ASI07", at="gate", stride="tampering", case="Wycheproof: all vectors of JSON Web Signature")
def test_every_jws_vector_is_treated_as_its_result_says():
    seen = {"accepted": 0, "refused": 0, "unsupported": 0}
    wrong = []
    for vector, jwk, key in jws_vectors():
        token = vector["jws"] if isinstance(vector["jws"], str) else json.dumps(vector["jws"])
        accepted = key is not None and accepts(token, key, jwk["kid"])
        supported = jwk.get("alg") in ("ES256", "Ed25519")
        if accepted != (vector["result"] == "valid" and supported):
            wrong.append((vector["tcId"], vector["comment"], vector["result"]))
        seen["accepted" if accepted else "refused" if supported else "unsupported"] += 1
    assert wrong == []
    assert seen == {"accepted": 2, "refused": 37, "unsupported": 362}


@pytest.mark.parametrize(
    ("name", "total", "valid"),
    [
        ("ecdsa_secp256r1_sha256_p1363_test.json", 262, 173),
        ("ed25519_test.json", 151, 88),
    ],
)
@pytest.mark.abuse("ASI07", at="gate", stride="tampering", case="Wycheproof: all vectors of ES256 (P1363) and Ed25519")
def test_every_signature_vector_is_treated_as_its_result_says(name, total, valid):
    seen = []
    wrong = []
    for group in groups(name):
        key = PublicKey.of(load_der_public_key(bytes.fromhex(group["publicKeyDer"])))
        for vector in group["tests"]:
            accepted = is_signature(key, bytes.fromhex(vector["sig"]), bytes.fromhex(vector["msg"]))
            seen.append(accepted)
            if accepted != (vector["result"] == "valid"):
                wrong.append((vector["tcId"], vector["comment"], vector["result"]))
    assert wrong == []
    assert (len(seen), sum(seen)) == (total, valid)


def test_keys_for_encryption_are_refused():
    for vector, jwk, key in jws_vectors():
        if vector["comment"] in ("rejectWrongUse", "rejectWrongKeyOps") and jwk["kty"] == "EC":
            assert key is None
            with pytest.raises(KeyUnusable, match="ACC606"):
                PublicKey.from_jwk(jwk)
