"""The page of the HTTP API: all operations, from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accord.gateway.application import openapi_document
from pages.markdown import GENERATED, table

_HEAD = f"""\
# The HTTP API

{GENERATED}

A server tells its whole API at `/v1/openapi.json` (OpenAPI 3.1): parameters, bodies, answers, problems. This page lists
the operations, and the [role](access.md) from which on one may ask for each. How a server is asked is told in
[use a server](../how-to/use-a-server.md).

- **Problems**: every answer that is no success is an `application/problem+json` (RFC 9457) with all that is wrong.
- **Pages**: a list that comes in pages takes `limit` and `after`; the header `Link` names the next page with
  `rel="next"` (RFC 8288), and so does `next` in the body.
- **Tags**: what is read has a strong `ETag`. Sent again as `If-None-Match`, it is answered with
  304 while nothing has changed.
- **Once**: a `POST` that takes `Idempotency-Key` is done once under each key, and answered again as it was.
"""


def http_page() -> str:
    """The page, as Markdown."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    for group, row in _operations(openapi_document()):
        groups.setdefault(group, []).append(row)
    parts = [
        f"## {group.capitalize()}\n\n{table(('operation', 'role', 'what it does'), groups[group])}\n"
        for group in groups
    ]
    return "\n".join([_HEAD, *parts])


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield operation["tags"][0], (f"`{method.upper()} {path}`", _role(operation), f"{operation['summary']}.")


def _role(operation: dict[str, Any]) -> str:
    """From which role on one may ask."""
    if "security" not in operation:
        return "nobody is asked"
    schemes = {name for scheme in operation["security"] for name in scheme}
    return str(operation.get("x-accord-role") or ("an agent's statement" if "Statement" in schemes else "viewer"))
