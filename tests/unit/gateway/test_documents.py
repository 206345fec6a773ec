"""What is read has a tag, and who has it already is told so; a page names the next one."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from accord.gateway.documents import is_known


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (['"a"'], True),
        (['W/"a"'], True),
        (['"b", "a"'], True),
        (['"b"', '"a"'], True),
        (["*"], True),
        (['"b"'], False),
        (["a"], False),
        (['"x,"a"'], False),
        ([""], False),
        ([], False),
    ],
)
def test_tags_that_are_known(given: list[str], known: bool) -> None:
    scope = {"type": "http", "headers": [(b"if-none-match", one.encode()) for one in given]}
    assert is_known(scope, '"a"') is known


async def test_what_is_known_is_not_sent_again(asker: Any) -> None:
    await asker.show("admin")
    first = await asker.http.get("/v1/templates")
    tag = first.headers["ETag"]
    assert tag == f'"{sha256(first.content).hexdigest()}"'
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = await asker.http.get("/v1/templates", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    other = await asker.http.get("/v1/templates", headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)


async def test_what_changes_has_another_tag(asker: Any) -> None:
    await asker.show("admin")
    tag = (await asker.http.get("/v1/holds")).headers["ETag"]
    placed = await asker.http.post("/v1/holds", json={"scope": "everything"})
    assert "ETag" not in placed.headers
    assert placed.headers["Cache-Control"] == "no-store"
    now = await asker.http.get("/v1/holds", headers={"If-None-Match": tag})
    assert now.status_code == 200
    assert now.headers["ETag"] != tag


async def test_problems_have_no_tag(asker: Any) -> None:
    await asker.show("admin")
    missing = await asker.http.get("/v1/runs/run_1", headers={"If-None-Match": "*"})
    assert missing.status_code == 404
    assert "ETag" not in missing.headers


async def test_documents_have_their_digest_as_tag(asker: Any) -> None:
    await asker.show("admin")
    digest = await asker.gateway.node.parts.ports.blobs.put(b"[1]")
    path = f"/v1/documents/{digest}"
    whole = await asker.http.get(path)
    assert (whole.content, whole.headers["ETag"]) == (b"[1]", f'"{digest}"')
    assert whole.headers["Content-Type"] == "application/octet-stream"
    known = await asker.http.get(path, headers={"If-None-Match": f'"{digest}"'})
    assert (known.status_code, known.content) == (304, b"")
    missing = await asker.http.get(f"/v1/documents/{'0' * 64}", headers={"If-None-Match": "*"})
    assert missing.status_code == 404


async def test_pages_are_linked_up_to_the_last_one(asker: Any) -> None:
    await asker.show("admin")
    path, found = "/v1/templates?limit=1", []
    while True:
        page = await asker.http.get(path)
        found += [one["template"] for one in page.json()["templates"]]
        link = page.links.get("next")
        assert (link is None) == (page.json()["next"] is None)
        if link is None:
            break
        path = link["url"]
        assert path.startswith("/v1/templates?limit=1&after=")
    whole = (await asker.http.get("/v1/templates")).json()["templates"]
    assert found == [one["template"] for one in whole]
    assert len(found) > 1
