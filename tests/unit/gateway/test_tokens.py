"""Bearer tokens of an issuer: which are accepted, whom they are about, and where the keys come from."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk, jwt
from joserfc.jws import JWSRegistry

from accord.errors import BadInput, Forbidden, Overloaded, Unauthenticated
from accord.gateway.access.jwks import FETCH_EVERY_S, FRESH_S, STALE_S, Jwks
from accord.gateway.access.tokens import LEEWAY_S, Issuer, IssuerTokens
from accord.settings import read_settings

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STAMP = int(NOW.timestamp())

ISSUER = Issuer(
    issuer="https://login.example",
    audience="accord",
    algorithms=("ES256", "RS256"),
    name_claim="sub",
    role_claim="roles",
    roles={"accord-ops": "operator", "accord-admins": "admin"},
    organisation="local",
)

EC = jwk.ECKey.generate_key("P-256", {"kid": "ec"})
RSA = jwk.RSAKey.generate_key(2048, {"kid": "rsa"})
ANY_HEADER = JWSRegistry(strict_check_header=False, algorithms=["ES256", "RS256"])
OTHER = jwk.ECKey.generate_key("P-256", {"kid": "ec"})


class Noon:
    def now(self) -> datetime:
        return NOW


def claims(**changes: Any) -> dict[str, Any]:
    given = {"iss": "https://login.example", "aud": "accord", "sub": "ann", "exp": STAMP + 600, "roles": ["accord-ops"]}
    return {name: value for name, value in {**given, **changes}.items() if value is not None}


def signed(said: dict[str, Any], key: Any = EC, **header: Any) -> str:
    header = {"alg": {"EC": "ES256", "RSA": "RS256"}[key.key_type], "kid": key.kid, **header}
    return jwt.encode(header, said, key, registry=ANY_HEADER, default_type=None)


def key_set(*keys: Any) -> str:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]})


@pytest.fixture
async def tokens(tmp_path: Path) -> AsyncIterator[IssuerTokens]:
    path = tmp_path / "jwks.json"
    path.write_text(key_set(EC, RSA))
    async with Jwks(str(path), lambda: 0.0) as jwks:
        yield IssuerTokens(ISSUER, jwks, Noon())


@pytest.mark.parametrize("key", [EC, RSA], ids=["ES256", "RS256"])
async def test_a_good_token_tells_who_it_is_and_their_role(tokens: IssuerTokens, key: Any) -> None:
    principal = await tokens.principal_of(signed(claims(), key))
    assert (principal.name, principal.role, principal.organisation) == ("ann@login.example", "operator", "local")
    assert principal.credential == "https://login.example#ann"


@pytest.mark.parametrize(
    ("said", "role"),
    [
        ({"roles": ["accord-ops", "accord-admins", "other"]}, "admin"),
        ({"roles": "accord-admins"}, "admin"),
        ({"sub": "ann@example.com"}, "operator"),
        ({"aud": ["other", "accord"]}, "operator"),
        ({"exp": STAMP - LEEWAY_S + 1}, "operator"),
        ({"nbf": STAMP + LEEWAY_S}, "operator"),
    ],
)
async def test_what_is_accepted(tokens: IssuerTokens, said: dict[str, Any], role: str) -> None:
    assert (await tokens.principal_of(signed(claims(**said)))).role == role


@pytest.mark.parametrize(
    "said",
    [
        {"iss": None},
        {"iss": "https://evil.example"},
        {"iss": "https://login.example/"},
        {"aud": None},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": []},
        {"exp": None},
        {"exp": STAMP - LEEWAY_S},
        {"exp": "never"},
        {"exp": float("inf")},
        {"nbf": STAMP + LEEWAY_S + 1},
        {"iat": STAMP + LEEWAY_S + 1},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "ann\nadmin"},
        {"sub": "a" * 201},
    ],
)
async def test_what_is_not_accepted(tokens: IssuerTokens, said: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated, match="ACC660"):
        await tokens.principal_of(signed(claims(**said)))


@pytest.mark.parametrize("said", [{"roles": None}, {"roles": ["other"]}, {"roles": [7, None, {}]}, {"roles": {}}])
async def test_a_token_that_gives_no_role_is_told_so(tokens: IssuerTokens, said: dict[str, Any]) -> None:
    with pytest.raises(Forbidden, match="ACC655"):
        await tokens.principal_of(signed(claims(**said)))


async def test_a_role_may_be_deep_inside(tokens: IssuerTokens) -> None:
    deep = IssuerTokens(_with(role_claim="realm_access.roles"), tokens._jwks, Noon())
    said = claims(realm_access={"roles": ["accord-admins"]})
    assert (await deep.principal_of(signed(said))).role == "admin"
    with pytest.raises(Forbidden):
        await deep.principal_of(signed(claims(realm_access="accord-admins")))
    spelt = IssuerTokens(_with(role_claim="https://example.com/roles"), tokens._jwks, Noon())
    assert (
        await spelt.principal_of(signed(claims(**{"https://example.com/roles": ["accord-ops"]})))
    ).role == "operator"


def _with(**changes: Any) -> Issuer:
    return Issuer(**{name: getattr(ISSUER, name) for name in ISSUER.__struct_fields__} | changes)


def forged() -> dict[str, str]:
    good = signed(claims())
    header, payload, signature = good.split(".")

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    hashed = f"{part({'alg': 'HS256', 'kid': 'ec'})}.{payload}"
    shared = hmac.digest(EC.as_pem(private=False), hashed.encode(), "sha256")
    admin = part(claims(roles=["accord-admins"]))
    return {
        "another key under this id": signed(claims(), OTHER),
        "a key id that nobody knows": signed(claims(), EC, kid="unknown"),
        "no key id where there are several": jwt.encode({"alg": "ES256"}, claims(), EC),
        "other claims": f"{header}.{admin}.{signature}",
        "no signature": f"{header}.{payload}.",
        "alg none": f"{part({'alg': 'none', 'kid': 'ec'})}.{payload}.",
        "the public key as a shared secret": f"{hashed}.{base64.urlsafe_b64encode(shared).rstrip(b'=').decode()}",
        "an algorithm that is not allowed": jwt.encode({"alg": "PS256", "kid": "rsa"}, claims(), RSA, ["PS256"]),
        "another type": signed(claims(), typ="accord+jwt"),
        "a type that is none": f"{part({'alg': 'ES256', 'kid': 'ec', 'typ': 7})}.{payload}.{signature}",
        "a key id that is none": f"{part({'alg': 'ES256', 'kid': 7})}.{payload}.{signature}",
        "critical and unknown": f"{part({'alg': 'ES256', 'kid': 'ec', 'crit': ['x'], 'x': 1})}.{payload}.{signature}",
        "a key of its own": signed(claims(), OTHER, kid="own", jwk=OTHER.as_dict(private=False)),
        "no JSON": f"{part('x')[:-1]}.{payload}.{signature}",
        "claims that are a list": jwt.encode({"alg": "ES256", "kid": "ec"}, claims(), EC).replace(payload, part([])),
        "two parts": f"{header}.{payload}",
        "five parts": f"{good}.a.b",
        "nothing": "...",
        "umlauts": "ü.ü.ü",
        "words": "let me in",
    }


@pytest.mark.parametrize("how", list(forged()))
@pytest.mark.abuse("ASI03", at="gateway", stride="spoofing", case="a forged token of an identity provider")
async def test_a_forged_token_is_refused(tokens: IssuerTokens, how: str) -> None:
    with pytest.raises(Unauthenticated, match="ACC660") as refused:
        await tokens.principal_of(forged()[how])
    assert len(str(refused.value)) < 300


async def test_a_token_opens_the_api_as_far_as_its_role_goes(opened: Any, tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(key_set(EC))

    class Now:
        def now(self) -> datetime:
            return datetime.now(UTC)

    async with Jwks(str(path), lambda: 0.0) as jwks:
        asker = await opened(tokens=IssuerTokens(ISSUER, jwks, Now()))
        later = int(datetime.now(UTC).timestamp()) + 600
        for role, status in (("accord-ops", 403), ("accord-admins", 200)):
            token = signed(claims(exp=later, roles=[role]))
            shown = {"Authorization": f"Bearer {token}"}
            assert (await asker.http.get("/v1/access/keys", headers=shown)).status_code == status
        refused = await asker.http.get("/v1/access/keys", headers={"Authorization": f"Bearer {signed(claims())}"})
        assert (refused.status_code, refused.json()["code"]) == (401, "ACC660")
        assert "expired" in refused.json()["detail"]


# -- where the keys come from ------------------------------------------------------------------------------------


class Web:
    """A web server with a key set."""

    def __init__(self) -> None:
        self.body = ""
        self.status = "200 OK"
        self.asked = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + self.body.encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def test_keys_of_a_url_are_kept_for_a_while_and_fetched_for_a_new_id_at_a_bounded_rate() -> None:
    web, now = Web(), 1000.0
    web.body = key_set(EC)
    async with web.open() as url, Jwks(url, lambda: now) as jwks:
        for _ in range(3):
            assert [key.kid for key in await jwks.keys("ec")] == ["ec"]
        assert web.asked == 1
        for number in range(5):
            await jwks.keys(f"made up {number}")
        assert web.asked == 1
        web.body = key_set(EC, RSA)
        now += FETCH_EVERY_S
        await asyncio.gather(*(jwks.keys("rsa") for _ in range(5)))
        assert web.asked == 2
        now += FRESH_S + 1
        await jwks.keys("ec")
        assert web.asked == 3


async def test_old_keys_do_until_they_are_too_old(caplog: pytest.LogCaptureFixture) -> None:
    web, now = Web(), 1000.0
    web.body = key_set(EC)
    async with web.open() as url, Jwks(url, lambda: now) as jwks:
        await jwks.keys("ec")
        web.status = "503 Service Unavailable"
        now += FRESH_S + 1
        assert await jwks.keys("ec")
        assert "503" in caplog.text
        now += STALE_S
        with pytest.raises(Overloaded, match="ACC661"):
            await jwks.keys("ec")
        web.status = "200 OK"
        now += FETCH_EVERY_S
        assert await jwks.keys("ec")


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"keys": []}', '{"keys": [{}]}', '{"keys": 7}', " " * (2 << 20)])
async def test_what_is_no_key_set_gives_no_keys(body: str) -> None:
    web = Web()
    web.body = body
    async with web.open() as url, Jwks(url, lambda: 0.0) as jwks:
        with pytest.raises(Overloaded, match="ACC661"):
            await jwks.keys("ec")


@pytest.mark.parametrize("where", ["http://login.example/jwks", "no/such/file.json"])
async def test_a_place_that_gives_no_keys_or_cannot_be_trusted_is_refused_at_the_start(where: str) -> None:
    with pytest.raises(BadInput, match="ACC967"):
        async with Jwks(where, lambda: 0.0):
            pass


def test_settings_of_an_issuer_go_together(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        read_settings({"ACCORD_OIDC_ISSUER": "https://login.example"}, home=tmp_path)
    assert [problem.code for problem in refused.value.problems] == ["ACC905"] * 3
    with pytest.raises(BadInput, match="ACC902"):
        read_settings({"ACCORD_OIDC_ALGORITHMS": '["HS256"]'}, home=tmp_path)
    given = {
        "ACCORD_OIDC_ISSUER": "https://login.example",
        "ACCORD_OIDC_AUDIENCE": "accord",
        "ACCORD_OIDC_JWKS": "jwks.json",
        "ACCORD_OIDC_ROLES": '{"ops": "operator"}',
    }
    assert read_settings(given, home=tmp_path).oidc_roles == {"ops": "operator"}
