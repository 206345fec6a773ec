"""The worked examples of the wire hold, as other people's libraries see it: joserfc, cryptography, rfc8785 and a JSON
Schema validator. Nothing here uses Accord's own verifier.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, OKPKey

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
SCENES = sorted(path.stem for path in (REFERENCE / "vectors").glob("*.json") if path.stem != "keys")
KEYS = json.loads((REFERENCE / "vectors" / "keys.json").read_text("utf-8"))
RESERVED = {"bid", "call"}
PAYLOADS = {
    "connect", "welcome", "card", "heartbeat", "assign", "progress", "failure", "cancel", "ack", "reject",
}  # fmt: skip


def schema(name: str) -> dict[str, Any]:
    return json.loads((REFERENCE / "schemas" / f"{name}.schema.json").read_text("utf-8"))


def violations(name: str, value: Any) -> list[str]:
    validator = jsonschema_rs.Draft202012Validator(schema(name))
    return [error.message for error in validator.iter_errors(value)]


def steps(scene: str) -> list[dict[str, Any]]:
    return json.loads((REFERENCE / "vectors" / f"{scene}.json").read_text("utf-8"))["steps"]


SIGNED = [
    pytest.param(one, id=f"{scene}-{number}-{one['claims']['knd']}")
    for scene in SCENES
    for number, step in enumerate(steps(scene))
    for one in step.get("signed", ())
]


def public(name: str) -> ECKey | OKPKey:
    jwk = {member: value for member, value in KEYS[name].items() if member != "d"}
    return ECKey.import_key(jwk) if jwk["kty"] == "EC" else OKPKey.import_key(jwk)


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def binary(value: dict[str, str]) -> bytes:
    return base64.b64decode(value["$binary"], validate=True)


def by_what(scene: str, event: str, kind: str) -> dict[str, Any]:
    """The statement of this kind in a scene."""
    found = [one for step in steps(scene) if step.get("event") == event for one in step["signed"]]
    return next(one for one in found if one["claims"]["knd"] == kind)


# -- keys and contracts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["orchestrator", "agent", "orchestrator_short", "agent_short"])
def test_the_kid_is_the_thumbprint(name: str) -> None:
    assert public(name).thumbprint() == KEYS[name]["kid"]


def test_the_digest_of_a_contract_is_that_of_its_canonical_form() -> None:
    for one in KEYS["contracts"]:
        document = {name: value for name, value in one.items() if name != "digest"}
        assert hashlib.sha256(rfc8785.dumps(document)).hexdigest() == one["digest"]


def test_the_token_ends_with_the_orchestrators_key() -> None:
    assert KEYS["token"].split(".")[-1] == KEYS["orchestrator"]["kid"]


# -- statements --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", SIGNED)
def test_a_statement_is_signed_and_says_what_is_shown(one: dict[str, Any]) -> None:
    header, claims, _ = one["statement"].split(".")
    assert json.loads(decoded(header)) == one["header"]
    assert set(one["header"]) == {"alg", "kid", "typ"}
    assert one["header"]["kid"] == KEYS[one["key"]]["kid"]
    assert json.loads(decoded(claims)) == one["claims"]
    assert hashlib.sha256(decoded(claims)).hexdigest() == one["claims_sha256"]
    assert len(one["statement"]) <= 2047
    if one["header"]["alg"].endswith("-MT"):
        return  # joserfc knows no batches: see below
    verified = jws.deserialize_compact(one["statement"], public(one["key"]), algorithms=["ES256", "Ed25519"])
    assert verified.payload == decoded(claims)


def test_another_byte_is_another_statement() -> None:
    one = by_what("result", "message", "result")
    head, _, signature = one["statement"].rpartition(".")
    wrong = f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(wrong, public("agent"), algorithms=["ES256", "Ed25519"])


@pytest.mark.parametrize("one", SIGNED)
def test_claims_and_payload_keep_their_schemas(one: dict[str, Any]) -> None:
    claims, payload = one["claims"], one["payload"].encode()
    assert violations("claims", claims) == []
    if claims["knd"] in PAYLOADS:
        assert violations(claims["knd"], json.loads(payload)) == []
    if "pld" not in claims:
        assert payload == b""
    elif payload:
        assert (claims["pld"]["len"], claims["pld"]["sha256"]) == (len(payload), hashlib.sha256(payload).hexdigest())
    assert claims["iat"] <= KEYS["now"] < claims["exp"]


def test_every_kind_has_an_example() -> None:
    kinds = set(schema("claims")["properties"]["knd"]["enum"])
    shown = {one.values[0]["claims"]["knd"] for one in SIGNED}
    assert shown == kinds - RESERVED - {"holdings", "checkpoint", "bundle", "certificate"}, (
        "what no agent sees has no example"
    )


@pytest.mark.parametrize("kind", sorted({one.values[0]["claims"]["knd"] for one in SIGNED}))
def test_the_schema_of_claims_knows_what_a_kind_needs(kind: str) -> None:
    claims = next(one.values[0]["claims"] for one in SIGNED if one.values[0]["claims"]["knd"] == kind)
    needed = {name for name in claims if violations("claims", {k: v for k, v in claims.items() if k != name})}
    about = {"run", "tsk", "att", "lea"}
    expected = {"iss", "aud", "jti", "iat", "exp", "knd"} | {
        "delegate": {"dlg"}, "succeed": {"dlg"},
        "connect": {"pld"}, "card": {"pld"}, "heartbeat": {"pld"}, "ack": {"pld"}, "reject": {"pld"},
        "welcome": {"pld", "ins"}, "upload": {*about, "cap", "ctr"}, "fetch": {*about, "cap", "ctr"},
        "accept": about, "progress": {*about, "pld"}, "cancel": {*about, "pld"},
        "assign": {*about, "cap", "ctr", "pld"}, "result": {*about, "cap", "ctr", "pld"},
        "failure": {*about, "cap", "ctr", "pld"}, "log": {*about, "cap", "ctr", "pld"},
        "ask": {*about, "cap", "ctr", "pld"}, "reply": {*about, "pld"},
    }[kind]  # fmt: skip
    assert needed == expected
    assert violations("claims", {**claims, "more": 1})
    assert violations("claims", {**claims, "org": None})


# -- what belongs together ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", ["enrolment", "handshake"])
def test_the_welcome_is_about_the_proof(scene: str) -> None:
    challenge, proof = steps(scene)[:2]
    connect, welcome = proof["signed"]
    nonce = challenge["arguments"][0]["nonce"]
    assert connect["claims"]["jti"] == welcome["claims"]["jti"] == nonce
    assert welcome["claims"]["ins"] == [connect["claims_sha256"]]
    assert proof["acknowledgement"]["statement"] == welcome["statement"]
    assert binary(proof["acknowledgement"]["payload"]) == welcome["payload"].encode()
    assert welcome["header"]["kid"] == KEYS["orchestrator"]["kid"]
    assert ("token" in json.loads(connect["payload"])) == (scene == "enrolment")


@pytest.mark.parametrize("scene", ["result", "failure", "cancel", "upload", "fetch"])
def test_an_answer_rests_on_its_assignment(scene: str) -> None:
    assigned = by_what(scene, "message", "assign")
    answers = [one for step in steps(scene) for one in step.get("signed", ()) if one["key"] == "agent"]
    assert answers
    for one in answers:
        assert one["claims"]["ins"] == [assigned["claims_sha256"]]
        for name in ("run", "tsk", "att", "lea", "cap", "ctr"):
            assert one["claims"][name] == assigned["claims"][name]


def test_what_was_uploaded_is_what_the_result_names() -> None:
    put = next(step for step in steps("upload") if "request" in step)
    whole = b"".join(map(binary, put["request"]["chunks"]))
    blob = json.loads(binary(put["response"]["body"]))
    assert blob == {"sha256": hashlib.sha256(whole).hexdigest(), "len": len(whole)}
    result = by_what("upload", "message", "result")
    assert {**blob, "typ": "application/json"} == result["claims"]["pld"]
    assert result["payload"] == ""
    assert put["request"]["headers"]["Accord-Statement"] == put["signed"][0]["statement"]
    assert put["signed"][0]["claims"]["knd"] == "upload"


def test_what_is_fetched_is_what_the_reference_names() -> None:
    reference = json.loads(by_what("fetch", "message", "assign")["payload"])["input"]["rows"]["$blob"]
    first, rest = (step for step in steps("fetch") if "request" in step)
    whole = binary(first["response"]["body"])
    assert reference == {"sha256": hashlib.sha256(whole).hexdigest(), "len": len(whole)}
    assert first["request"]["path"].endswith(reference["sha256"])
    assert whole[int(rest["request"]["headers"]["Accord-Offset"]) :] == binary(rest["response"]["body"])


# -- events ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", SCENES)
def test_events_keep_their_schema(scene: str) -> None:
    for step in steps(scene):
        if "event" not in step:
            continue
        told = {name: step[name] for name in ("from", "event", "arguments", "acknowledgement") if name in step}
        assert violations("event", told) == []
        assert violations("event", {**told, "arguments": [*told["arguments"], 1]})
        if step.get("signed"):
            statement, payload = step["arguments"][-2:]
            assert (statement, binary(payload)) == (
                step["signed"][0]["statement"],
                step["signed"][0]["payload"].encode(),
            )


def test_every_event_has_an_example() -> None:
    described = {
        (one["properties"]["from"]["const"], one["properties"]["event"]["const"]) for one in schema("event")["oneOf"]
    }
    assert {(step["from"], step["event"]) for scene in SCENES for step in steps(scene) if "event" in step} == described


# -- batches -----------------------------------------------------------------------------------------------------------


def root_of(statement: str) -> tuple[bytes, bytes]:
    """The signature of a statement of a batch and what it is of, as docs/protocol.md says: RFC 6962 with SHA-256."""
    signing_input, _, third = statement.rpartition(".")
    raw = decoded(third)
    signature, index, size, path = raw[:64], int.from_bytes(raw[64:66]), int.from_bytes(raw[66:68]), raw[68:]
    node, last = hashlib.sha256(b"\0" + signing_input.encode()).digest(), size - 1
    while last > 0:
        if index ^ 1 <= last:
            sibling, path = path[:32], path[32:]
            node = hashlib.sha256(b"\1" + (sibling + node if index % 2 else node + sibling)).digest()
        index, last = index // 2, last // 2
    assert path == b""
    return signature, b"accord+root\0" + size.to_bytes(2, "big") + node


def test_what_is_signed_under_a_delegated_key_was_delegated() -> None:
    granted: dict[str, dict[str, Any]] = {}
    for one in (one for step in steps("delegation") for one in step["signed"]):
        if one["claims"]["knd"] == "delegate":
            kid = one["claims"]["dlg"]["jwk"]["kid"]
            assert kid in {KEYS["orchestrator_short"]["kid"], KEYS["agent_short"]["kid"]}
            assert one["claims"]["exp"] - one["claims"]["iat"] == 600
            granted[kid] = one["claims"]
        elif one["key"].endswith("_short"):
            grant = granted.pop(KEYS[one["key"]]["kid"])
            assert one["claims"]["iss"] == grant["iss"]
            assert one["claims"]["knd"] in grant["dlg"]["knd"] == sorted(grant["dlg"]["knd"])
    assert granted == {}


def test_the_statements_of_a_batch_share_one_signature() -> None:
    roots = [root_of(step["signed"][0]["statement"]) for step in steps("batch")]
    assert len(roots) == 3
    assert len(set(roots)) == 1
    signature, signed_bytes = roots[0]
    assert {step["batch"]["signed"] for step in steps("batch")} == {signed_bytes.hex()}
    point = public("orchestrator").public_key
    assert isinstance(point, ec.EllipticCurvePublicKey)
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    point.verify(der, signed_bytes, ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        point.verify(der, signed_bytes + b"x", ec.ECDSA(SHA256()))
