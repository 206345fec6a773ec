"""Public keys, and the strict compact JWS that a statement is."""

import base64
import hashlib
import json
from functools import cache

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.domain import signature as module
from accord.domain.message import CLAIMS_MAX_BYTES, STATEMENT_MAX_BYTES
from accord.domain.signature import (
    KEY_FAULTS,
    PublicKey,
    attach,
    is_signature,
    parse_statement,
    signing_input,
    verify,
    verify_compact,
)
from accord.errors import KeyUnusable, MessageRefused
from accord.keys.private import PrivateKey

ALGORITHMS = ["ES256", "Ed25519"]
CLAIMS = b'{"iss":"spiffe://acme/agent/one","knd":"result"}'


@cache
def key(algorithm: str, number: int = 0) -> PrivateKey:
    return PrivateKey.generate(algorithm)


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def statement(signer: PrivateKey, claims: bytes = CLAIMS) -> bytes:
    signed = signing_input(signer.public.kid, signer.public.algorithm, claims)
    return attach(signed, signer.sign([signed])[0])


def with_header(signer: PrivateKey, header: bytes, claims: bytes = CLAIMS) -> bytes:
    signed = b64(header) + b"." + b64(claims)
    return signed + b"." + b64(signer.sign([signed])[0])


def accepted(token: bytes, public: PublicKey) -> bytes:
    parsed = parse_statement(token)
    verify(parsed, public)
    return parsed.claims


def refused(token: bytes, public: PublicKey) -> str:
    with pytest.raises(MessageRefused) as error:
        accepted(token, public)
    return error.value.problems[0].code


# -- statements ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(claims=st.binary(min_size=1, max_size=CLAIMS_MAX_BYTES))
@settings(max_examples=50)
def test_what_was_signed_comes_back(algorithm, claims):
    signer = key(algorithm)
    token = statement(signer, claims)
    parsed = parse_statement(token)
    assert (parsed.algorithm, parsed.kid) == (algorithm, signer.public.kid)
    assert token == attach(parsed.signed, parsed.signature)
    assert accepted(token, signer.public) == claims
    assert statement(signer, claims) == token, "signing is deterministic"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_largest_claims_fit_and_no_more(algorithm):
    token = statement(key(algorithm), b"x" * CLAIMS_MAX_BYTES)
    assert len(token) <= STATEMENT_MAX_BYTES
    with pytest.raises(MessageRefused, match="ACC301"):
        statement(key(algorithm), b"x" * (CLAIMS_MAX_BYTES + 4))
    assert refused(token + b"A" * (STATEMENT_MAX_BYTES + 1 - len(token)), key(algorithm).public) == "ACC301"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.abuse("ASI07", at="gate", stride="tampering", case="every single bit of a statement, flipped")
def test_every_flipped_bit_is_refused(algorithm):
    signer = key(algorithm)
    token = statement(signer)
    for position in range(len(token)):
        for bit in range(8):
            damaged = bytearray(token)
            damaged[position] ^= 1 << bit
            refused(bytes(damaged), signer.public)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_truncation_is_refused(algorithm):
    signer = key(algorithm)
    token = statement(signer)
    for length in range(len(token)):
        refused(token[:length], signer.public)
        refused(token[len(token) - length :], signer.public)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(data=st.data())
def test_every_insertion_is_refused(algorithm, data):
    signer = key(algorithm)
    token = statement(signer)
    position = data.draw(st.integers(0, len(token)))
    extra = data.draw(st.sampled_from([b"=", b".", b" ", b"\n", b"\x00", b"A", b"+", b"/", b"*", b"\xff", b"=="]))
    refused(token[:position] + extra + token[position:], signer.public)


@given(st.binary(max_size=200) | st.text(alphabet="AQgw.-_=", max_size=200).map(str.encode))
def test_noise_is_refused_and_nothing_else_is_raised(noise):
    refused(noise, key("ES256").public)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_key_is_refused(algorithm):
    token = statement(key(algorithm))
    other = key(algorithm, 1)
    assert refused(token, other.public) == "ACC309"
    # Signed by the other key under this one's name.
    signed = signing_input(key(algorithm).public.kid, algorithm, CLAIMS)
    assert refused(attach(signed, other.sign([signed])[0]), key(algorithm).public) == "ACC311"


@pytest.mark.parametrize(("claimed", "real"), [("ES256", "Ed25519"), ("Ed25519", "ES256")])
def test_the_algorithm_is_bound_to_the_key(claimed, real):
    signer = key(real)
    signed = signing_input(signer.public.kid, claimed, CLAIMS)
    assert refused(attach(signed, signer.sign([signed])[0]), signer.public) == "ACC310"


def header(**changes: object) -> bytes:
    members = {"alg": "ES256", "kid": key("ES256").public.kid, "typ": "accord+jwt"} | changes
    return json.dumps({name: value for name, value in members.items() if value != "absent"}).encode()


KID = key("ES256").public.kid


@pytest.mark.parametrize(
    ("spelt", "code"),
    [
        (header(alg="none"), "ACC306"),
        (header(alg="HS256"), "ACC306"),
        (header(alg="es256"), "ACC306"),
        (header(alg="EdDSA"), "ACC306"),
        (header(alg=None), "ACC306"),
        (header(alg=["ES256"]), "ACC306"),
        (header(alg={"ES256": 1}), "ACC306"),
        (header(alg="absent"), "ACC304"),
        (header(kid="absent"), "ACC304"),
        (header(typ="absent"), "ACC304"),
        (header(typ="JWT"), "ACC305"),
        (header(typ="Accord+JWT"), "ACC305"),
        (header(typ=None), "ACC305"),
        (header(kid=7), "ACC307"),
        (header(kid="short"), "ACC307"),
        (header(kid="../../etc/passwd" + "x" * 27), "ACC309"),
        (header(crit=["exp"]), "ACC304"),
        (header(b64=False), "ACC304"),
        (header(jku="https://example.org/jwks"), "ACC304"),
        (header(jwk=key("ES256", 1).public.to_jwk()), "ACC304"),
        (header(x5u="https://example.org/x"), "ACC304"),
        (header(cty="json"), "ACC304"),
        (header()[:-1] + b',"alg":"ES256"}', "ACC322"),
        (header()[:-1] + b',"\\u0061lg":"ES256"}', "ACC322"),
        (header() + b" {}", "ACC321"),
        (b"[]", "ACC304"),
        (b'"ES256"', "ACC304"),
        (b"null", "ACC304"),
        (b"\xff\xfe", "ACC321"),
        (b"[" * 900, "ACC321"),
    ],
    ids=lambda value: value if isinstance(value, str) else "header",  # kids are random
)
def test_header_variants_are_refused(spelt, code):
    token = with_header(key("ES256"), spelt)
    assert refused(token, key("ES256").public) == code
    assert refused(token, key("ES256").public) == code, "a refusal is not forgotten"


def test_the_header_may_be_in_any_order_and_spacing():
    spelt = f'{{ "typ": "accord+jwt",\n "kid": "{KID}", "alg": "ES256" }}'.encode()
    assert accepted(with_header(key("ES256"), spelt), key("ES256").public) == CLAIMS


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("change", ["padding", "unused bits", "standard alphabet", "spare character", "empty"])
def test_parts_have_one_spelling(part, change):
    parts = with_header(key("ES256"), header() + b" ", b"?>?>" + b"~" * 45).split(b".")
    raw = parts[part]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    parts[part] = {
        "padding": raw + b"=" * (-len(raw) % 4 or 4),
        "unused bits": raw[:-1] + bytes([alphabet[alphabet.index(raw[-1]) | 1]]),
        "standard alphabet": b"+/" + raw[2:],
        "spare character": raw + b"A" * (1 if len(raw) % 4 == 0 else 5 - len(raw) % 4),
        "empty": b"",
    }[change]
    assert parts[part] != raw
    assert refused(b".".join(parts), key("ES256").public) == ("ACC302" if change == "empty" else "ACC303")


@pytest.mark.parametrize("length", [1, 63, 65, 96])
def test_a_signature_has_64_bytes(length):
    signed = signing_input(KID, "ES256", CLAIMS)
    assert refused(signed + b"." + b64(b"\x01" * length), key("ES256").public) == "ACC308"
    with pytest.raises(MessageRefused, match="ACC308"):
        attach(signed, b"\x01" * length)


@given(st.binary(max_size=70) | st.text(alphabet="AQgw-_=+/", max_size=12).map(str.encode))
def test_base64url_is_accepted_only_in_its_canonical_spelling(part):
    decoded = module._from_base64url(part)
    assert decoded is None or (module._to_base64url(decoded) == part and b64(decoded) == part)
    assert module._from_base64url(b64(part)) == (part or None)


N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize("r", [0, 1, N - 1, N, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, N - 1, N, 2**256 - 1])
def test_r_and_s_at_the_edges_are_no_signature(r, s):
    assert not is_signature(key("ES256").public, r.to_bytes(32, "big") + s.to_bytes(32, "big"), b"data")


def test_the_general_layer_checks_typ_and_kid():
    signer = key("ES256")
    token = with_header(signer, b'{"alg":"ES256","kid":"any"}', b"payload")
    assert verify_compact(token, signer.public, kid="any", typ=None) == b"payload"
    for kid, typ, code in (("other", None, "ACC309"), ("any", "accord+jwt", "ACC304")):
        with pytest.raises(MessageRefused, match=code):
            verify_compact(token, signer.public, kid=kid, typ=typ)
    assert refused(token, signer.public) == "ACC304"


# -- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_comes_back_from_its_jwk(algorithm):
    public = key(algorithm).public
    assert PublicKey.from_jwk(public.to_jwk()) == public
    assert PublicKey.from_jwk(json.loads(json.dumps(public.to_jwk()))).kid == public.kid
    assert msgspec.json.decode(msgspec.json.encode(public), type=PublicKey) == public
    assert hash(PublicKey.from_jwk(public.to_jwk())) == hash(public)


def test_thumbprints_are_those_of_the_rfcs():
    """RFC 8037, appendix A.3, and one of RFC 7638's form computed here for EC."""
    ed = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert PublicKey.from_jwk(ed).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    public = key("ES256").public
    members = {name: public.to_jwk()[name] for name in ("crv", "kty", "x", "y")}
    assert module._thumbprint("ES256", public.x, public.y) == public.kid
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    assert public.kid.encode() == b64(digest)


def jwk(algorithm: str = "ES256", **changes: object) -> dict:
    members = key(algorithm).public.to_jwk() | changes
    return {name: value for name, value in members.items() if value != "absent"}


@pytest.mark.parametrize(
    ("members", "faults"),
    [
        (jwk(d="AA"), [("ACC603", "/d")]),
        (jwk("Ed25519", d="AA"), [("ACC603", "/d")]),
        (jwk(d="AA", use="enc", foo="bar"), [("ACC603", "/d"), ("ACC601", "/foo"), ("ACC606", "/use")]),
        (jwk(x="absent"), [("ACC601", "/x")]),
        (jwk(y="absent"), [("ACC601", "/y")]),
        (jwk("Ed25519", y="AA"), [("ACC601", "/y")]),
        (jwk(x5c=["AA"]), [("ACC601", "/x5c")]),
        (jwk(crv="P-384"), [("ACC602", "/crv")]),
        (jwk(crv="secp256k1"), [("ACC602", "/crv")]),
        (jwk(kty="OKP"), [("ACC602", "/crv")]),
        (jwk("Ed25519", crv="X25519"), [("ACC602", "/crv")]),
        (jwk(kty=["EC"]), [("ACC602", "/crv")]),
        ({"kty": "oct", "k": "AA"}, [("ACC603", "/k"), ("ACC602", "/crv")]),
        ({}, [("ACC602", "/crv")]),
        (jwk(x=7, y=None), [("ACC604", "/x"), ("ACC604", "/y")]),
        (jwk(x=key("ES256").public.x + "="), [("ACC604", "/x")]),
        (jwk(x=key("ES256").public.x + "AA"), [("ACC604", "/x")]),
        (jwk(x="é" * 43), [("ACC604", "/x")]),
        (jwk(y=b64(b"\x00" * 31).decode()), [("ACC604", "/y")]),
        (jwk(alg="ES384"), [("ACC606", "/alg")]),
        (jwk("Ed25519", alg="EdDSA"), [("ACC606", "/alg")]),
        (jwk(key_ops=["sign"]), [("ACC606", "/key_ops")]),
        (jwk(kid="mine"), [("ACC607", "/kid")]),
        (jwk(kid="absent", y=b64(b"\x01" * 32).decode()), [("ACC605", "/x")]),
        (jwk(kid="absent", x=b64(b"\xff" * 32).decode()), [("ACC605", "/x")]),
        (jwk(kid="absent", x=b64(b"\x00" * 32).decode(), y=b64(b"\x00" * 32).decode()), [("ACC605", "/x")]),
    ],
)
def test_bad_jwks_are_refused_with_everything_that_is_wrong(members, faults):
    with pytest.raises(KeyUnusable) as error:
        PublicKey.from_jwk(members)
    assert [(problem.code, str(problem.place)) for problem in error.value.problems] == faults


P = 2**255 - 19
SMALL_Y = sorted({0, 1, P - 1, module._ORDER_8, P - module._ORDER_8})


def add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Addition on edwards25519 (RFC 8032, 5.1), affine."""
    (x1, y1), (x2, y2) = one, other
    product = module._D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P)
    return x % P, y % P


def point(y: int) -> tuple[int, int]:
    squared = (y * y - 1) * pow(module._D * y * y + 1, -1, P) % P
    x = pow(squared, (P + 3) // 8, P)
    if x * x % P != squared:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == squared
    return x, y


@pytest.mark.parametrize("y", SMALL_Y)
def test_the_points_called_small_have_an_order_of_at_most_eight(y):
    multiple = point(y)
    for _ in range(3):
        multiple = add(multiple, multiple)
    assert multiple == (0, 1)


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", [*SMALL_Y, *range(P, 2**255), 2])
@pytest.mark.abuse("ASI03", at="gate", stride="spoofing", case="keys under which anybody can sign")
def test_weak_and_misspelt_ed25519_points_are_refused(y, sign):
    encoded = (y | sign << 255).to_bytes(32, "little")
    with pytest.raises(KeyUnusable, match="ACC605"):
        PublicKey.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": b64(encoded).decode()})


def test_a_key_that_no_jwk_gave_verifies_nothing():
    token = statement(key("ES256"))
    public = key("ES256").public
    forged = msgspec.structs.replace(key("ES256", 1).public, kid=public.kid)
    mixed = msgspec.structs.replace(key("Ed25519").public, kid=public.kid, algorithm="ES256")
    for impostor in (forged, mixed):
        with pytest.raises(KeyUnusable, match="ACC607"):
            verify(parse_statement(token), impostor)


def test_other_curves_are_refused():
    with pytest.raises(KeyUnusable, match="ACC602"):
        PublicKey.of(generate_private_key(SECP384R1()).public_key())


def test_every_fault_has_one_meaning():
    assert len(set(KEY_FAULTS.values())) == len(KEY_FAULTS)
