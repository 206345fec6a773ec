"""Who gets in, and what they may: API keys over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accord.codec import encode_event
from accord.domain.access import RIGHTS, ROLES, Principal, Right, Role
from accord.domain.ids import Digest
from accord.domain.system import ACCESS, ApiKeyIssued, ApiKeyRevoked
from accord.engine.authority import Authority
from accord.errors import Forbidden
from accord.policy.live import shipped

KEYS = "/v1/access/keys"


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["code"] == code
    assert document["status"] == status
    return document


async def test_nobody_gets_in_without_a_credential_and_is_told_how_to_get_one(asker: Any) -> None:
    response = await asker.http.get(KEYS)
    found = problem(response, 401, "ACC650")
    assert "accord access keys new" in found["problems"][0]["hint"]
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "shown",
    [
        "Basic dXNlcjpwYXNz",
        "Bearer",
        "Bearer nonsense",
        "Bearer accord_",
        "Bearer accord_x_y",
        "Bearer accord_0000_" + "a" * 52,
        "Bearer " + "a" * 20_000,
    ],
)
async def test_what_is_no_key_of_ours_is_refused(asker: Any, shown: str) -> None:
    response = await asker.http.get(KEYS, headers={"Authorization": shown})
    assert response.status_code == 401
    assert response.json()["code"] in ("ACC650", "ACC651")


async def test_a_key_with_another_secret_is_refused_as_an_unknown_one_is(asker: Any) -> None:
    key = await asker.key("admin")
    last = "0" if key[-1] != "0" else "1"
    response = await asker.http.get(KEYS, headers={"Authorization": f"Bearer {key[:-1]}{last}"})
    assert problem(response, 401, "ACC651")["problems"][0]["message"] == "the API key is not known here"


async def test_keys_are_issued_listed_and_revoked(asker: Any) -> None:
    await asker.show("admin")
    made = await asker.http.post(KEYS, json={"name": "ci", "role": "operator"})
    assert made.status_code == 201
    text = made.json()["text"]
    assert [one["name"] for one in (await asker.http.get(KEYS)).json()["keys"]] == ["shown-admin", "ci"]

    mine = {"Authorization": f"Bearer {text}"}
    assert problem(await asker.http.get(KEYS, headers=mine), 403, "ACC654")
    assert (await asker.http.delete(f"{KEYS}/ci")).json()["revoked_at"]
    assert (await asker.http.delete(f"{KEYS}/ci")).status_code == 200
    problem(await asker.http.get(KEYS, headers=mine), 401, "ACC653")
    problem(await asker.http.delete(f"{KEYS}/nobody"), 404, "ACC657")


async def test_two_usable_keys_do_not_share_a_name(asker: Any) -> None:
    await asker.show("admin")
    assert (await asker.http.post(KEYS, json={"name": "ci", "role": "viewer"})).status_code == 201
    problem(await asker.http.post(KEYS, json={"name": "ci", "role": "viewer"}), 409, "ACC658")
    await asker.http.delete(f"{KEYS}/ci")
    assert (await asker.http.post(KEYS, json={"name": "ci", "role": "viewer"})).status_code == 201


async def test_a_key_that_has_expired_opens_nothing(asker: Any) -> None:
    await asker.show("admin")
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    problem(await asker.http.post(KEYS, json={"name": "late", "role": "viewer", "expires_at": past}), 422, "ACC659")

    soon = datetime.now(UTC) + timedelta(hours=1)
    issued = await asker.gateway.node.parts.access.issue("soon", "admin", by="test", expires_at=soon)
    mine = {"Authorization": f"Bearer {issued.text}"}
    assert (await asker.http.get(KEYS, headers=mine)).status_code == 200

    class Later:
        def now(self) -> datetime:
            return soon

    asker.gateway.node.parts.access._clock = Later()
    problem(await asker.http.get(KEYS, headers=mine), 401, "ACC652")


async def test_the_journal_and_the_lists_hold_no_secret(asker: Any) -> None:
    text = await asker.key("viewer", "reader")
    secret = text.rpartition("_")[2]
    records = await asker.gateway.node.parts.ports.journal.read(ACCESS)
    assert records
    assert not any(secret.encode() in record.data for record in records)
    await asker.show("admin")
    assert secret not in (await asker.http.get(KEYS)).text


async def test_all_that_is_wrong_with_a_request_is_told_at_once(asker: Any) -> None:
    await asker.show("admin")
    response = await asker.http.post(KEYS, json={"name": "no spaces", "role": "king", "more": 1})
    found = problem(response, 422, "ACC956")
    assert {one["place"]["pointer"] for one in found["problems"]} == {"/name", "/role", "/more"}


def test_what_is_journalled_of_a_key_stays_readable() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    issued = ApiKeyIssued(at=at, key="k", name="ci", role="viewer", secret=Digest("00"), by="ann", expires_at=at)
    assert encode_event(issued) == (
        b'{"event":"access.key_issued","at":"2026-01-01T00:00:00Z","key":"k","name":"ci","role":"viewer",'
        b'"secret":"00","by":"ann","expires_at":"2026-01-01T00:00:00Z"}'
    )
    revoked = encode_event(ApiKeyRevoked(at=at, key="k", by="ann"))
    assert revoked == b'{"event":"access.key_revoked","at":"2026-01-01T00:00:00Z","key":"k","by":"ann"}'


def principal(role: Role) -> Principal:
    return Principal(name="eve", role=role, organisation="local", credential="k")


@pytest.mark.parametrize("right", list(RIGHTS))
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.abuse("ASI03", at="gateway", stride="elevation of privilege", case="a role that does more than it may")
def test_a_role_may_what_its_rank_says(role: Role, right: Right) -> None:
    least, _ = RIGHTS[right]
    authority = Authority(shipped(), "local", {})
    if ROLES.index(role) >= ROLES.index(least):
        authority.require(principal(role), right)
    else:
        with pytest.raises(Forbidden, match=f"--role {least}"):
            authority.require(principal(role), right)
