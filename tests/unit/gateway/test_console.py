"""The console's files over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest

from accord.console import PLACES, files, version


@pytest.mark.parametrize("path", ["/", "/sign-in", "/runs", "/runs/run_1", "/agents/spiffe%3A%2F%2Fa"])
async def test_every_place_has_the_page(asker: Any, path: str) -> None:
    page = await asker.http.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text == (await asker.http.get("/")).text


async def test_the_page_lets_nothing_in_from_elsewhere_and_no_text_become_code(asker: Any) -> None:
    page = await asker.http.get("/")
    for answer in (page, await asker.http.get("/", headers={"If-None-Match": page.headers["etag"]})):
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(
            policy.split("; ")
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-cache"
    assert not re.search(r"(src|href)=\"(https?:)?//", page.text)
    assert not re.search(r"<script>|<style|\son\w+=|style=", page.text)


async def test_every_file_that_the_page_names_is_there_and_kept_for_ever(asker: Any) -> None:
    page = (await asker.http.get("/")).text
    named = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
    assert len(named) > 10
    for path in named:
        found = await asker.http.get(path)
        assert found.status_code == 200, path
        assert "immutable" in found.headers["cache-control"]
        assert found.headers["content-type"].partition(";")[0] in ("text/javascript", "text/css", "image/svg+xml")


async def test_a_page_of_another_version_gets_what_there_is(asker: Any) -> None:
    found = await asker.http.get("/console/0123456789abcdef/main.js")
    assert found.status_code == 200
    assert found.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["nothing.js", "../__init__.py", "%2e%2e/__init__.py", "core", ""])
async def test_nothing_else_of_the_package_is_served(asker: Any, name: str) -> None:
    assert (await asker.http.get(f"/console/{version()}/{name}")).status_code == 404


async def test_files_are_packed_for_who_can_unpack(asker: Any) -> None:
    path = f"/console/{version()}/main.js"
    packed = await asker.http.get(path, headers={"Accept-Encoding": "gzip"})
    plain = await asker.http.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content == files()["main.js"].data


def test_the_router_of_the_page_and_the_server_know_the_same_places() -> None:
    """Every page of `places.js` can be asked for by its address."""
    text = files()["places.js"].data.decode()
    expressions = [re.compile(re.sub(r"\{rest:path\}", ".+", place)) for place in PLACES]
    pages = re.findall(r'page\("([^"]+)"', text)
    assert pages
    for page in pages:
        assert any(one.fullmatch(page) for one in expressions), page


def test_every_module_imports_what_there_is() -> None:
    for name, file in files().items():
        for target in re.findall(r'(?:from|import)\s*\(?"(\.[^"]+)"', file.data.decode()):
            folder = name.split("/")[:-1]
            for part in target.split("/"):
                folder = folder[:-1] if part == ".." else folder if part == "." else [*folder, part]
            assert "/".join(folder) in files(), f"{name} imports {target}"
