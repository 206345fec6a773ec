"""Signing in and out at the console: sessions, their cookie, links that are used once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accord.app import open_node
from accord.domain.access import RIGHTS, Principal
from accord.domain.system import SESSIONS
from accord.engine.node import Node
from accord.gateway.application import Options, create_application
from accord.settings import Settings

SESSION = "/v1/session"
RUNS = "/v1/runs"
OWN = {"X-Accord-Console": "1", "Sec-Fetch-Site": "same-origin"}
COOKIE = "accord-session"


async def signed_in(asker: Any, role: str = "admin") -> str:
    """Signs in with a new key; gives its name."""
    key = await asker.key(role, f"key-of-{role}")
    answer = await asker.http.post(SESSION, json={"credential": key}, headers=OWN)
    assert answer.status_code == 201, answer.text
    return f"key-of-{role}"


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_key_signs_in_once_and_the_cookie_does_from_then_on(asker: Any) -> None:
    name = await signed_in(asker, "operator")
    told = (await asker.http.get(SESSION)).json()
    assert told["principal"]["name"] == name
    assert told["rights"] == ["look", "run", "control", "approve"]
    left = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=11) < left <= timedelta(hours=12)
    assert (await asker.http.get(RUNS)).status_code == 200


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(asker: Any) -> None:
    key = await asker.key("viewer")
    (kept,) = (await asker.http.post(SESSION, json={"credential": key}, headers=OWN)).headers.get_list("set-cookie")
    assert kept.startswith(f"{COOKIE}=console_")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(kept.split("; "))
    assert "Secure" not in kept
    assert "Domain" not in kept
    assert key not in kept


async def test_under_tls_the_cookie_is_sent_with_tls_alone(asker: Any) -> None:
    key = await asker.key("viewer")
    answer = await asker.http.post("https://accord.test:8443" + SESSION, json={"credential": key}, headers=OWN)
    (kept,) = answer.headers.get_list("set-cookie")
    assert kept.startswith("__Host-accord-session-8443=")
    assert "Secure" in kept.split("; ")
    # Behind a proxy that does TLS, the page says so.
    origin = {"X-Accord-Console": "1", "Origin": "https://accord.test"}
    (kept,) = (await asker.http.post(SESSION, json={"credential": key}, headers=origin)).headers.get_list("set-cookie")
    assert kept.startswith("__Host-accord-session=")


async def test_over_tls_a_cookie_that_came_without_it_counts_for_nothing(asker: Any) -> None:
    await signed_in(asker)
    text = asker.http.cookies[COOKIE]
    cookie = {"Cookie": f"{COOKIE}={text}"}
    asker.http.cookies.clear()
    assert (await asker.http.get(RUNS, headers=cookie)).status_code == 200
    assert code(await asker.http.get("https://accord.test" + RUNS, headers=cookie)) == (401, "ACC650")
    cookie = {"Cookie": f"__Host-{COOKIE}={text}"}
    assert (await asker.http.get("https://accord.test" + RUNS, headers=cookie)).status_code == 200


@pytest.mark.abuse(
    "ASI03",
    at="gateway",
    stride="spoofing",
    case="another site, or another port of the host, has a browser ask that is signed in at the console",
    codes=("ACC998",),
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Accord-Console": "1", "Sec-Fetch-Site": "cross-site"},
        {"X-Accord-Console": "1", "Sec-Fetch-Site": "same-site"},
        {"X-Accord-Console": "1", "Origin": "https://evil.example"},
        {"X-Accord-Console": "1", "Origin": "http://accord.test:3000"},
        {"X-Accord-Console": "1", "Origin": "null"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_what_another_site_sends_changes_nothing(asker: Any, headers: dict[str, str]) -> None:
    await signed_in(asker)
    new = {"name": "theirs", "role": "admin"}
    assert code(await asker.http.post("/v1/access/keys", json=new, headers=headers)) == (403, "ACC998")
    assert code(await asker.http.delete("/v1/access/keys/key-of-admin", headers=headers)) == (403, "ACC998")
    assert code(await asker.http.post(SESSION, json={"link": "x_y"}, headers=headers)) == (403, "ACC998")
    assert (await asker.http.post("/v1/access/keys", json=new, headers=OWN)).status_code == 201


@pytest.mark.parametrize("host", ["accord.test:port", "[::1", "accord.test:99999"])
async def test_a_host_that_is_none_is_no_fault_of_ours(asker: Any, host: str) -> None:
    assert code(await asker.http.get(RUNS, headers={"Host": host})) == (401, "ACC650")


async def test_an_origin_that_is_none_is_another_one(asker: Any) -> None:
    strange = {"X-Accord-Console": "1", "Origin": "http://["}
    assert code(await asker.http.post(SESSION, json={"link": "x_y"}, headers=strange)) == (403, "ACC998")


async def test_a_header_that_shows_a_key_counts_before_the_cookie(asker: Any) -> None:
    await signed_in(asker, "admin")
    shown = {"Authorization": f"Bearer {await asker.key('viewer', 'other')}"}
    assert (await asker.http.get(SESSION, headers=shown)).json()["principal"]["name"] == "other"
    assert code(await asker.http.get("/v1/access/keys", headers=shown)) == (403, "ACC654")


@pytest.mark.abuse(
    "ASI03", at="gateway", stride="spoofing", case="a copy of a session's cookie, after its bearer has signed out"
)
async def test_signing_out_ends_the_session_itself(asker: Any) -> None:
    await signed_in(asker)
    copy = {"Cookie": f"{COOKIE}={asker.http.cookies[COOKIE]}"}
    answer = await asker.http.delete(SESSION, headers=OWN)
    assert answer.status_code == 204
    assert all("Max-Age=0" in one for one in answer.headers.get_list("set-cookie"))
    assert COOKIE not in asker.http.cookies
    assert code(await asker.http.get(RUNS, headers=copy)) == (401, "ACC997")
    assert code(await asker.http.delete(SESSION, headers=OWN)) == (401, "ACC650")


async def test_a_session_ends_with_its_key(asker: Any) -> None:
    name = await signed_in(asker)
    await asker.gateway.node.parts.access.revoke(name, by="test")
    assert code(await asker.http.get(RUNS)) == (401, "ACC653")


async def test_a_session_ends_when_its_time_is_up(asker: Any) -> None:
    await signed_in(asker)

    class Later:
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(hours=12, seconds=1)

    asker.gateway.node.parts.sessions._clock = Later()
    assert code(await asker.http.get(RUNS)) == (401, "ACC997")


@pytest.mark.parametrize("shown", ["console_", "console_x_y", "console_0011223344556677_" + "0" * 64])
async def test_what_is_no_session_is_refused(asker: Any, shown: str) -> None:
    await signed_in(asker)
    asker.http.cookies.clear()
    assert code(await asker.http.get(RUNS, headers={"Cookie": f"{COOKIE}={shown}"})) == (401, "ACC997")


async def test_a_link_signs_in_once(asker: Any) -> None:
    shown = {"Authorization": f"Bearer {await asker.key('operator', 'ada')}"}
    made = await asker.http.post(f"{SESSION}/links", headers=shown)
    assert made.status_code == 201
    link = {"link": made.json()["secret"]}
    assert code(await asker.http.post(SESSION, json={"link": link["link"][:-1] + "x"}, headers=OWN)) == (401, "ACC999")
    first = await asker.http.post(SESSION, json=link, headers=OWN)
    assert first.json()["principal"] == (await asker.http.get(SESSION, headers=shown)).json()["principal"]
    assert code(await asker.http.post(SESSION, json=link, headers=OWN)) == (401, "ACC999")


async def test_a_link_opens_nothing_later_or_after_its_key(asker: Any) -> None:
    sessions, access = asker.gateway.node.parts.sessions, asker.gateway.node.parts.access
    shown = {"Authorization": f"Bearer {await asker.key('operator', 'ada')}"}
    late, cut = [(await asker.http.post(f"{SESSION}/links", headers=shown)).json()["secret"] for _ in range(2)]
    await access.revoke("ada", by="test")
    assert code(await asker.http.post(SESSION, json={"link": cut}, headers=OWN)) == (401, "ACC653")

    class Later:
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(minutes=15)

    sessions._clock = Later()
    assert code(await asker.http.post(SESSION, json={"link": late}, headers=OWN)) == (401, "ACC999")


async def test_two_processes_know_the_same_sessions_and_no_link_opens_two(asker: Any, tmp_path: Any) -> None:
    """Behind a load balancer a request comes to any of them."""
    async with open_node(Settings(home=tmp_path / "home")) as other, create_application(other) as gateway:
        theirs = type(asker)(gateway)
        async with theirs.http:
            shown = {"Authorization": f"Bearer {await asker.key('operator', 'ada')}"}
            link = {"link": (await asker.http.post(f"{SESSION}/links", headers=shown)).json()["secret"]}
            assert (await theirs.http.post(SESSION, json=link, headers=OWN)).status_code == 201
            assert code(await asker.http.post(SESSION, json=link, headers=OWN)) == (401, "ACC999")
            asker.http.cookies = theirs.http.cookies
            assert (await asker.http.get(SESSION)).json()["principal"]["name"] == "ada"
            assert (await asker.http.delete(SESSION, headers=OWN)).status_code == 204
            await other.parts.refresh()
            assert code(await theirs.http.get(RUNS)) == (401, "ACC997")


async def test_a_token_of_an_issuer_signs_in_until_it_ends(opened: Any) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)

    class Issuer:
        async def principal_of(self, token: str) -> Principal:
            return Principal(name="ada@idp", role="viewer", organisation="local", credential="https://idp#ada")

        def end_of(self, token: str) -> datetime:
            return end

    asker = await opened(None, Issuer())
    answer = (await asker.http.post(SESSION, json={"credential": "e30.e30.e30"}, headers=OWN)).json()
    assert (answer["principal"]["name"], answer["rights"]) == ("ada@idp", ["look"])
    assert datetime.fromisoformat(answer["expires_at"]) == end


async def test_the_journal_holds_no_secret_of_a_session(asker: Any) -> None:
    await signed_in(asker)
    secret = asker.http.cookies[COOKIE].rpartition("_")[2]
    records = await asker.gateway.node.parts.ports.journal.read(SESSIONS)
    assert records
    assert not any(secret.encode() in record.data for record in records)


async def test_what_may_be_done_to_a_run_is_told(asker: Any) -> None:
    await asker.show("admin")
    assert (await asker.http.get(SESSION, params={"run": "run_x"})).json()["rights"] == list(RIGHTS)


async def test_without_the_console_there_is_no_session(node: Node, opened: Any) -> None:
    asker = await opened(Options(console=False))
    for path in ("/", "/runs", "/console/x/main.js", SESSION):
        assert code(await asker.http.get(path)) == (404, "ACC950")
    key = await asker.key("viewer")
    credential = await asker.gateway.guard.credential_of(key)
    _, text = await node.parts.sessions.open(credential, timedelta(hours=1))
    assert code(await asker.http.get(RUNS, headers={"Cookie": f"{COOKIE}={text}"})) == (401, "ACC650")
    assert SESSION not in (await asker.http.get("/v1/openapi.json")).json()["paths"]
