"""Claims, payload references and strict JSON."""

import json
import math
import os
import string

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from accord.domain.message import (
    CLAIMS_MAX_BYTES,
    REFUSALS,
    Claims,
    PayloadRef,
    confidence_text,
    decode_claims,
    encode_claims,
    payload_ref,
    refusal,
    statement_id,
    strict_json,
)
from accord.errors import MessageRefused

DOCUMENTS = int(os.environ.get("ACCORD_TEST_DOCUMENTS", "300"))

MINIMAL = {
    "iss": "spiffe://acme/agent/summarizer",
    "aud": "spiffe://acme/orchestrator/one",
    "jti": "run_1/summarize/1/result",
    "iat": 1_760_000_000,
    "exp": 1_760_000_300,
    "knd": "result",
}

# -- strict JSON ---------------------------------------------------------------------------------


def reference(data: bytes, max_depth: int = 64) -> object:
    """What `strict_json` must give, slowly: the standard library with every rule spelled out."""

    def members(pairs):
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    def integer(text):
        if not -(2**63) <= int(text) < 2**64:
            raise ValueError("range")
        return int(text)

    def number(text):
        if not math.isfinite(float(text)):
            raise ValueError("range")
        return float(text)

    def refused(name):
        raise ValueError(name)

    value = json.loads(
        data.decode("utf-8"),
        object_pairs_hook=members,
        parse_int=integer,
        parse_float=number,
        parse_constant=refused,
    )
    check(value, max_depth)
    return value


def check(value, levels):
    if isinstance(value, str):
        value.encode("utf-8")
    if isinstance(value, dict | list):
        if levels == 0:
            raise ValueError("depth")
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            check(name, levels)
            check(item, levels - 1)


def outcome(parse, data):
    try:
        return parse(data)
    except (ValueError, MessageRefused):
        return "refused"


STRINGS = st.text(alphabet=st.sampled_from('ab:"\\{}[],/u003aé😀\n\t\x00'), max_size=6)
SCALARS = st.none() | st.booleans() | st.integers(-(2**66), 2**66) | st.floats() | STRINGS


@st.composite
def spelt_string(draw):
    """A JSON string whose characters are escaped in every way that there is."""
    spell = {
        '"': ['\\"', "\\u0022"],
        "\\": ["\\\\", "\\u005c", "\\u005C"],
        ":": [":", "\\u003a", "\\u003A"],
        "/": ["/", "\\/"],
    }
    parts = []
    for character in draw(STRINGS):
        plain = [character] if character >= " " and character not in '"\\' else [f"\\u{ord(character):04x}"]
        parts.append(draw(st.sampled_from(spell.get(character, plain))))
    return '"' + "".join(parts) + '"'


def documents():
    """Valid and nearly valid documents: members may occur twice, numbers may be out of range."""
    numbers = st.sampled_from(["0", "-0", "1e400", "-1e309", "1e-400", "NaN", "Infinity", "01", "1.", "9" * 25])
    scalar = SCALARS.map(json.dumps) | spelt_string() | numbers
    space = st.sampled_from(["", " ", "\n"])

    def containers(inner):
        member = st.tuples(spelt_string(), space, inner).map(lambda part: f"{part[0]}{part[1]}:{part[1]}{part[2]}")
        return st.lists(inner, max_size=4).map(lambda items: "[" + ",".join(items) + "]") | st.lists(
            member, max_size=4
        ).map(lambda items: "{" + ", ".join(items) + "}")

    return st.recursive(scalar, containers, max_leaves=12)


@settings(max_examples=DOCUMENTS)
@given(documents())
@example('{"a":1,"\\u0061":2}')
@example('{"x:":"\\u003a","x:":1}')
@example('{"a":"\\\\","a":"\\\\\\""}')
@example('{"a\\u003a":1,"b":{"c":"::","c":"\\u003a\\u003a\\u003a"}}')
def test_strict_json_agrees_with_the_standard_library(document):
    data = document.encode("utf-8", "surrogatepass")
    assert repr(outcome(strict_json, data)) == repr(outcome(reference, data))


@settings(max_examples=DOCUMENTS)
@given(documents(), st.data())
def test_strict_json_agrees_on_damaged_documents(document, data):
    raw = bytearray(document.encode("utf-8", "surrogatepass"))
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] = data.draw(st.integers(0, 255))
    assert repr(outcome(strict_json, bytes(raw))) == repr(outcome(reference, bytes(raw)))


@given(
    st.recursive(
        st.just([]) | st.just({}) | STRINGS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
        max_leaves=40,
    ),
    st.integers(1, 6),
)
def test_strict_json_bounds_the_depth_exactly(value, levels):
    data = json.dumps(value).encode()
    given_ = outcome(lambda raw: strict_json(raw, max_depth=levels), data)
    assert repr(given_) == repr(outcome(lambda raw: reference(raw, levels), data))


@pytest.mark.parametrize(
    ("document", "code", "place"),
    [
        (b"", "ACC321", ""),
        (b"{", "ACC321", ""),
        (b"1 2", "ACC321", ""),
        (b"\xef\xbb\xbf1", "ACC321", ""),
        (b"NaN", "ACC321", ""),
        (b"[-Infinity]", "ACC321", ""),
        (b'"\\ud800"', "ACC321", ""),
        (b'"\\ude00\\ud83d"', "ACC321", ""),
        (b'"\xff"', "ACC325", ""),
        (b'{"\xed\xa0\x80":1}', "ACC325", ""),
        (b"1e400", "ACC324", ""),
        (b"18446744073709551616", "ACC324", ""),
        (b"-9223372036854775809", "ACC324", ""),
        (b'{"a":1,"b":[{"c/d":1,"c/d":1}]}', "ACC322", "/c~1d"),
        (b"[" * 65 + b"]" * 65, "ACC323", ""),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "ACC323", ""),
        (b"[" * 100_000 + b"]" * 100_000, "ACC323", ""),
        (b"[" * 100_000, "ACC323", ""),
    ],
)
def test_strict_json_says_what_it_refuses(document, code, place):
    with pytest.raises(MessageRefused) as refused:
        strict_json(document)
    assert [(problem.code, str(problem.place)) for problem in refused.value.problems] == [(code, place)]


def test_strict_json_bounds_the_size():
    assert strict_json(b'"' + b"x" * 8 + b'"', max_bytes=10) == "x" * 8
    with pytest.raises(MessageRefused, match="ACC320"):
        strict_json(b'"' + b"x" * 9 + b'"', max_bytes=10)


def test_strict_json_takes_64_levels_and_any_number_of_brackets():
    assert strict_json(b"[" * 64 + b"]" * 64)
    assert strict_json(b'["' + b"[" * 100 + b'",' + b"{}," * 100 + b"{}]")


# -- claims --------------------------------------------------------------------------------------

TEXTS = st.text(alphabet=string.printable + "é😀", min_size=1, max_size=60)
DIGESTS = st.text(alphabet="0123456789abcdef", min_size=64, max_size=64)
SECONDS = st.integers(0, 253_402_300_799)


def claims():
    return st.builds(
        Claims,
        issuer=TEXTS,
        audience=TEXTS,
        id=TEXTS,
        issued_at=SECONDS,
        expires_at=SECONDS,
        kind=st.sampled_from(["card", "result", "assign", "reject"]),
        run=st.none() | TEXTS,
        task=st.none() | TEXTS,
        attempt=st.none() | st.integers(0, 2**31 - 1),
        lease=st.none() | TEXTS,
        capability=st.none() | TEXTS,
        contract=st.none() | DIGESTS,
        payload=st.none() | st.builds(PayloadRef, DIGESTS, st.integers(0, 2**53 - 1), TEXTS),
        inputs=st.lists(DIGESTS, max_size=3).map(tuple),
        confidence=st.none() | st.floats(0, 1).map(confidence_text),
        organisation=st.none() | TEXTS,
        trace=st.none() | TEXTS,
    )


@given(claims())
def test_claims_come_back_as_they_were(original):
    try:
        data = encode_claims(original)
    except MessageRefused:
        assume(False)
    assert decode_claims(data) == original
    assert encode_claims(decode_claims(data)) == data


@given(claims(), st.randoms(use_true_random=False))
def test_claims_may_be_written_in_any_order_and_spacing(original, random):
    members = list(json.loads(msgspec.json.encode(original)).items())
    random.shuffle(members)
    assume(len(data := json.dumps(dict(members), indent=1, ensure_ascii=True).encode()) < 2048)
    assert decode_claims(data) == original


@given(claims(), st.data())
def test_a_claim_that_occurs_twice_is_refused(original, data):
    encoded = msgspec.json.encode(original)
    assume(len(encoded) < 1500)
    name = data.draw(st.sampled_from(sorted(json.loads(encoded))))
    value = json.dumps(json.loads(encoded)[name])
    spelt = data.draw(st.sampled_from([name, f"\\u{ord(name[0]):04x}{name[1:]}"]))
    with pytest.raises(MessageRefused, match="ACC322"):
        decode_claims(f'{{"{spelt}":{value},'.encode() + encoded[1:])


def test_an_escaped_colon_does_not_make_up_for_a_claim_that_occurs_twice():
    data = b'{"org":"x","org":"\\u003a",' + json.dumps(MINIMAL).encode()[1:]
    with pytest.raises(MessageRefused, match="ACC322"):
        decode_claims(data)


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({"iss": None}, [("ACC314", "/iss")]),
        ({"run": None}, [("ACC315", "/run")]),
        ({"run": None, "org": None}, [("ACC315", "/run"), ("ACC315", "/org")]),
        ({"foo": 1}, [("ACC312", "/foo")]),
        ({"issuer": "x", "knd": "absent"}, [("ACC312", "/issuer"), ("ACC313", "/knd")]),
        ({"iat": "absent", "exp": "absent"}, [("ACC313", "/exp"), ("ACC313", "/iat")]),
        ({"iat": 1.0}, [("ACC314", "/iat")]),
        ({"iat": True}, [("ACC314", "/iat")]),
        ({"iat": "1760000000"}, [("ACC314", "/iat")]),
        ({"iat": -1}, [("ACC314", "/iat")]),
        ({"exp": 253_402_300_800}, [("ACC314", "/exp")]),
        ({"exp": 2**63}, [("ACC314", "/exp")]),
        ({"knd": "Result"}, [("ACC314", "/knd")]),
        ({"iss": ""}, [("ACC314", "/iss")]),
        ({"tsk": "x" * 513}, [("ACC314", "/tsk")]),
        ({"att": -1}, [("ACC314", "/att")]),
        ({"ctr": "A" * 64}, [("ACC314", "/ctr")]),
        ({"ctr": "a" * 64 + "\n"}, [("ACC314", "/ctr")]),
        ({"ins": ["a" * 64, "a" * 63]}, [("ACC314", "/ins/1")]),
        ({"pld": {"sha256": "a" * 64, "len": -1, "typ": "x"}}, [("ACC314", "/pld/len")]),
        ({"pld": {"sha256": "a" * 64, "len": 1, "typ": "x", "url": "x"}}, [("ACC314", "/pld")]),
        ({"pld": ["a" * 64, 1, "x"]}, [("ACC314", "/pld")]),
        ({"cnf": 0.5}, [("ACC316", "/cnf")]),
        *(
            ({"cnf": text}, [("ACC316", "/cnf")])
            for text in (
                "",
                ".5",
                "0.",
                "0.50",
                "00.5",
                "1.0",
                "1.1",
                "-0",
                "5e-1",
                "0.1234567",
                "0.5\n",
                "nan",
                "\u0660",
            )
        ),
    ],
)
def test_wrong_claims_are_refused_with_their_places(change, problems):
    members = {name: value for name, value in (MINIMAL | change).items() if value != "absent"}
    with pytest.raises(MessageRefused) as refused:
        decode_claims(json.dumps(members).encode())
    assert [(problem.code, str(problem.place)) for problem in refused.value.problems] == problems


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b'"x"', b"{}x", b"\xff", b"[" * 5000, b"{" * 5000])
def test_what_is_no_claims_object_is_refused(data):
    with pytest.raises(MessageRefused):
        decode_claims(data)


def test_claims_that_do_not_fit_a_statement_are_not_encoded():
    small = msgspec.convert(MINIMAL | {"org": "x"}, Claims)
    room = CLAIMS_MAX_BYTES - len(encode_claims(small)) + 1
    largest = msgspec.structs.replace(small, organisation="x" * room)
    assert len(encode_claims(largest)) == CLAIMS_MAX_BYTES
    with pytest.raises(MessageRefused, match="ACC317"):
        encode_claims(msgspec.structs.replace(small, organisation="x" * (room + 1)))


def test_wire_names_are_those_of_the_protocol():
    names = "iss aud jti iat exp knd run tsk att lea cap ctr pld ins cnf cst lbl dcl org trp dlg"
    assert " ".join(Claims.__struct_encode_fields__) == names
    assert PayloadRef.__struct_encode_fields__ == ("sha256", "len", "typ")


# -- the rest ------------------------------------------------------------------------------------


def test_payload_ref_names_the_bytes():
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert payload_ref(b"") == PayloadRef(empty, 0, "application/json")
    assert payload_ref(b"x", "text/plain") != payload_ref(b"y", "text/plain")


NAMES = st.text(min_size=1, max_size=8, alphabet="a/1[]")
PARTS = st.tuples(st.sampled_from(["run_1", "run_2"]), NAMES, st.integers(0, 12), st.sampled_from(["result", "assign"]))


@given(PARTS, PARTS)
def test_statement_ids_are_equal_only_for_the_same_statement(one, other):
    assert (statement_id(*one) == statement_id(*other)) == (one == other)


@pytest.mark.parametrize(
    ("confidence", "text"),
    [
        (0, "0"),
        (1, "1"),
        (0.85, "0.85"),
        (0.1 + 0.2, "0.3"),
        (1e-9, "0"),
        (0.9999999, "1"),
        (5e-324, "0"),
        (True, "1"),
    ],
)
def test_confidence_is_written_in_its_shortest_form(confidence, text):
    assert confidence_text(confidence) == text


@pytest.mark.parametrize("confidence", [-0.1, 1.0001, math.nan, math.inf])
def test_confidence_outside_of_0_to_1_is_refused(confidence):
    with pytest.raises(MessageRefused, match="ACC316"):
        confidence_text(confidence)


def test_every_refusal_has_one_meaning():
    assert len(set(REFUSALS.values())) == len(REFUSALS)
    for code in REFUSALS:
        assert str(refusal(code, "seen", pointer="/x")) == f"/x: {code} {REFUSALS[code]}: seen"
