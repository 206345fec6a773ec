"""The console: the page and the files that the gateway serves to browsers. Nothing is built: a browser gets the files
as they are here, ES modules and CSS of our own.

How a page is written is told in docs/explanation/console.md.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from typing import Final

import msgspec

PLACES: Final = (
    "/",
    "/sign-in",
    *(
        place
        for noun in ("runs", "new", "approvals", "agents", "templates", "incidents", "journal", "proposals", "system")
        for place in (f"/{noun}", f"/{noun}/{{rest:path}}")
    ),
)
"""The addresses of the console's page; its router, in `core/router.js`, tells them apart."""

TYPES: Final = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "html": "text/html; charset=utf-8",
}
"""What the console is made of, by the ends of names."""

BEFORE_PAINT: Final = "theme.js"
"""The one script that runs before anything is drawn."""


class File(msgspec.Struct, frozen=True):
    """A file as browsers get it."""

    data: bytes
    compressed: bytes
    """The same with gzip."""
    media_type: str
    digest: str
    """SHA-256 of `data`."""


@cache
def files() -> Mapping[str, File]:
    """All files but the page, by their paths."""
    return {name: _file(data, name) for name, data in sorted(_read(resources(__name__) / "static", ""))}


@cache
def version() -> str:
    """What stands in the addresses of all files: another one as soon as one of them is another."""
    return sha256("".join(name + file.digest for name, file in files().items()).encode()).hexdigest()[:16]


@cache
def page() -> File:
    """The page: it names every style sheet and every module that is not a page's own, to be fetched at once."""
    at = f"/console/{version()}"
    styles = "".join(f'<link rel="stylesheet" href="{at}/{escape(one)}">\n' for one in files() if one.endswith(".css"))
    modules = [one for one in files() if one.endswith(".js") and one != BEFORE_PAINT and not one.startswith("pages/")]
    preloads = "".join(f'<link rel="modulepreload" href="{at}/{escape(one)}">\n' for one in modules)
    return _file(_PAGE.format(at=at, styles=styles, preloads=preloads).encode(), "page.html")


_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Accord</title>
<link rel="icon" href="{at}/icon.svg" type="image/svg+xml">
<script src="{at}/theme.js"></script>
{styles}{preloads}<script type="module" src="{at}/main.js"></script>
</head>
<body>
<div id="app"></div>
<noscript><p>The console needs JavaScript. All that it shows the command line shows as well.</p></noscript>
</body>
</html>
"""


def _read(folder: Traversable, at: str) -> Iterator[tuple[str, bytes]]:
    for one in folder.iterdir():
        name = f"{at}{one.name}"
        if one.is_dir():
            yield from _read(one, f"{name}/")
        elif one.name.rpartition(".")[2] in TYPES:
            yield name, one.read_bytes()


def _file(data: bytes, name: str) -> File:
    compressed = gzip.compress(data, mtime=0)
    return File(data, compressed, TYPES[name.rpartition(".")[2]], sha256(data).hexdigest())
