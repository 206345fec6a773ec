"""The keys that are valid now, published for whoever verifies; and what rests on one, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from accord.domain.agent import agent_id
from accord.domain.signature import PublicKey
from accord.engine.enrolment import Terms
from accord.keys.private import PrivateKey


async def enrolled(asker: Any, organisation: str) -> PublicKey:
    parts = asker.gateway.node.parts
    public = PrivateKey.generate("ES256").public
    agent = agent_id(organisation, "writer")
    await parts.enrolment.enrol(agent, public, by="test", now=parts.ports.clock.now())
    return public


async def kids(asker: Any, path: str) -> list[str]:
    return [one["kid"] for one in (await asker.http.get(path)).json()["keys"]]


async def test_the_keys_of_an_organisation_are_published_while_they_are_valid(asker: Any) -> None:
    node = asker.gateway.node
    ours, theirs = await enrolled(asker, "local"), await enrolled(asker, "elsewhere")
    own = node.parts.identity.key.kid
    first = await asker.http.get("/.well-known/jwks.json")
    assert first.headers["content-type"] == "application/jwk-set+json"
    assert first.headers["cache-control"] == "public, no-cache"
    assert [(one["kid"], one["agent"].split("/")[2]) for one in first.json()["keys"]] == [
        (own, "local"), (ours.kid, "local"),
    ]  # fmt: skip
    assert not any("d" in one for one in first.json()["keys"])
    assert await kids(asker, "/v1/organisations/elsewhere/jwks") == [theirs.kid]
    assert await kids(asker, "/v1/organisations/local/jwks") == [own, ours.kid]
    assert await kids(asker, "/v1/organisations/nowhere/jwks") == []
    known = {"If-None-Match": first.headers["etag"]}
    assert (await asker.http.get("/.well-known/jwks.json", headers=known)).status_code == 304
    await node.revoke_key(ours.kid, by="test")
    after = await asker.http.get("/.well-known/jwks.json", headers=known)
    assert (after.status_code, [one["kid"] for one in after.json()["keys"]]) == (200, [own])


async def test_a_key_that_another_one_replaces_is_published_until_its_time_is_over(asker: Any) -> None:
    node = asker.gateway.node
    old, new = await enrolled(asker, "elsewhere"), PrivateKey.generate("Ed25519").public
    now = node.parts.ports.clock.now()
    await node.parts.enrolment.succeed(old.kid, new, Terms(timedelta(hours=1), None), by="test", now=now)
    assert await kids(asker, "/v1/organisations/elsewhere/jwks") == [old.kid, new.kid]


async def test_a_key_that_has_expired_is_published_no_more(asker: Any) -> None:
    await asker.show("admin")
    issued = await asker.http.post("/v1/enrolments", json={"name": "writer", "key_valid_s": 3600})
    assert (issued.status_code, issued.json()["token"]["key_valid_s"]) == (201, 3600)
    parts, public = asker.gateway.node.parts, PrivateKey.generate("ES256").public
    agent = agent_id("local", "writer")
    joined = parts.ports.clock.now() - timedelta(minutes=59)
    await parts.enrolment.redeem(issued.json()["text"], agent, public, joined)
    known = await asker.gateway.node.key(public.kid)
    assert known is not None
    assert known.expires_at == joined + timedelta(hours=1)
    own = parts.identity.key.kid
    assert await kids(asker, "/.well-known/jwks.json") == [own, public.kid]
    again = (await asker.http.post("/v1/enrolments", json={"name": "writer", "key_valid_s": 3600})).json()["text"]
    late = PrivateKey.generate("ES256").public
    await parts.enrolment.redeem(again, agent, late, joined - timedelta(minutes=1))
    assert await kids(asker, "/.well-known/jwks.json") == [own, public.kid]
    refused = await asker.http.post("/v1/enrolments", json={"name": "writer", "key_valid_s": 0})
    assert refused.status_code == 422


async def test_all_keys_that_an_agent_ever_had_are_listed_before_it_has_a_card(asker: Any) -> None:
    node = asker.gateway.node
    old, new = await enrolled(asker, "elsewhere"), PrivateKey.generate("Ed25519").public
    now = node.parts.ports.clock.now()
    await node.parts.enrolment.succeed(old.kid, new, Terms(timedelta(hours=1), None), by="test", now=now)
    await node.revoke_key(old.kid, by="test")
    other = await enrolled(asker, "local")
    assert await node.agents() == []
    await asker.show("viewer")
    listed = (await asker.http.get("/v1/keys")).json()["keys"]
    assert {one["key"] for one in listed} == {old.kid, new.kid, other.kid}
    assert [one["valid_from"] for one in listed] == sorted(one["valid_from"] for one in listed)
    of_one = (await asker.http.get("/v1/keys", params={"agent": agent_id("elsewhere", "writer")})).json()["keys"]
    assert {one["key"] for one in of_one} == {old.kid, new.kid}
    assert (await asker.http.get("/v1/keys", params={"agent": "nobody"})).json()["keys"] == []


async def test_what_rests_on_a_key_is_told_and_contained_over_http(asker: Any) -> None:
    public = await enrolled(asker, "local")
    await asker.show("viewer")
    path = f"/v1/keys/{public.kid}"
    found = await asker.http.get(f"{path}/impact", params={"since": "2026-01-01T00:00:00Z"})
    assert (found.status_code, found.json()["runs"]) == (200, [])
    assert (await asker.http.post(f"{path}/quarantine", json={"reason": "lost"})).status_code == 403
    await asker.show("operator")
    assert (await asker.http.post(f"{path}/quarantine", json={"reason": "lost"})).status_code == 200
    (hold,) = (await asker.http.get("/v1/holds")).json()
    assert (hold["quarantine"], hold["reason"]) == (True, "lost")
    assert (await asker.http.get("/v1/doubts")).json() == []
    assert (await asker.http.delete("/v1/doubts/run_00000000000000000000000001")).status_code == 409
    assert (await asker.http.get("/v1/keys/nobody/impact")).status_code == 404
