"""A real Chromium on a real server, one of each for as long as a process is in this folder: while the browser is
driven, an event loop is under way in the main thread, in which no test of other folders could have one. Without a
browser they are skipped on a laptop and fail in CI. Whatever the page does wrong fails its test: errors in its console,
requests to elsewhere, what its own policy refuses.

Pictures of every page that `look` was called for are kept in `build/browser/`: to be looked at.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from .server import Server, populated, serving

PICTURES = Path(__file__).parents[2] / "build" / "browser"

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

PATIENCE_MS = 30_000
"""How long something may take to be seen while other tests use the machine."""

expect.set_options(timeout=PATIENCE_MS)

WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}

FORGIVEN = re.compile(
    r"status of 4(0[0-9]|22)|net::ERR_(ABORTED|INTERNET_DISCONNECTED|CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING)"
)
"""What a browser says of answers that the page deals with itself."""

SERIOUS = ("serious", "critical")


def chromium() -> str | None:
    """Where the browser is."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = chromium()
    if program is None and os.environ.get("CI"):
        pytest.fail("Chromium is needed, and CI has to have it")
    if program is None:
        pytest.skip("there is no Chromium: a package of the system, chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="package")
def runs(server: Server) -> dict[str, str]:
    """Runs that all tests find, by their titles; none of them is changed by a test."""
    return populated(server)


@pytest.fixture(scope="package")
def signed_in(browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a browser in which an admin is signed in."""
    return sign_in(browser, server, tmp_path_factory.mktemp("browser"))


def sign_in(browser: Browser, server: Server, folder: Path) -> Path:
    """Sign in as an admin, and keep in the folder what the browser has of it."""
    state = folder / "state.json"
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.sign_in_link())
    page.wait_for_selector("h1:has-text('Overview')")
    context.storage_state(path=state)
    context.close()
    return state


Opens = Callable[..., Page]


@pytest.fixture
def open_(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Opens]:
    """Opens pages, each in a browser of its own: `open_("/runs", dark=True, phone=True)`. Signed in, unless `state` is
    None.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []
    signed = object()

    def open_one(path: str = "/", *, state: Any = signed, dark: bool = False, phone: bool = False, **more: Any) -> Page:
        context = browser.new_context(
            base_url=server.url,
            viewport=PHONE if phone else WIDE,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            storage_state=request.getfixturevalue("signed_in") if state is signed else state,
            **more,
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: _note(wrong, said.type, said.text))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("request", lambda asked: _own(wrong, asked.url, server.url))
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not wrong


def _note(wrong: list[str], kind: str, text: str) -> None:
    if kind in ("error", "warning") and not FORGIVEN.search(text):
        wrong.append(f"{kind}: {text}")


def _own(wrong: list[str], url: str, base: str) -> None:
    if not url.startswith((base, "data:", "blob:")):
        wrong.append(f"request to elsewhere: {url}")


@pytest.fixture
def look() -> Callable[..., None]:
    """Keeps a picture of a page, and looks for faults of accessibility: `look(page, "runs-dark")`."""

    def look_at(page: Page, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")
        found = Axe().run(page).response["violations"]
        faults = [_told(one) for one in found if one["impact"] in SERIOUS]
        assert not faults, "\n".join(faults)

    return look_at


def _told(violation: dict[str, Any]) -> str:
    nodes = "; ".join(
        node["html"][:160] + " " + str(node.get("any", [{}])[0:1])[:240] for node in violation["nodes"][:3]
    )
    return f"{violation['id']} ({violation['impact']}): {violation['help']}: {nodes}"
