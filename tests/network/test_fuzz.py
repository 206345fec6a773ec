"""The HTTP API, fuzzed from its own OpenAPI document: whatever is sent, no answer is a fault of ours, and every answer
is what the document says.

`ACCORD_TEST_REQUESTS` sets how many requests each operation is sent by chance, beside those that the document itself
suggests. They are the same each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from requests.exceptions import ReadTimeout
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accord.gateway import application

from .fuzzed import Served

REQUESTS: Final = int(os.environ.get("ACCORD_TEST_REQUESTS", "10"))

pytestmark = pytest.mark.timeout(120 + 5 * REQUESTS)

CHECKS: Final[list[Any]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

KNOWN: Final[dict[str, list[str]]] = {}
"""What paths may name, by the parameter's name."""

LISTENED_S: Final = (0.1, 2.0, 30.0)
"""How long a feed is listened to; longer where the machine is so slow that it has not begun by then."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        # Webhooks are added for any host that comes to mind: nobody there is told anything.
        attached = tuple(one for one in application.ATTACHMENTS if one is not application.deliveries)
        patch.setattr(application, "ATTACHMENTS", attached)
        with Served(tmp_path_factory.mktemp("fuzzed")) as served:
            KNOWN.update(served.known)
            yield served


api = schemathesis.openapi.from_dict(application.openapi_document())


@api.hook
def flatmap_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Often what there is is named, in place of what is nowhere."""
    known = {name: KNOWN[name] for name in path_parameters or () if name in KNOWN}
    if not known:
        return st.just(path_parameters)
    there = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in known.items()})
    return st.one_of(st.just(path_parameters), there.map(lambda found: {**path_parameters, **found}))


@api.parametrize()
@settings(
    max_examples=REQUESTS, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
@pytest.mark.abuse(
    "ASI05", at="gateway", stride="tampering", case="every operation of the HTTP API, fuzzed from its document"
)
def test_every_answer_is_as_the_document_says(served: Served, case: Any) -> None:
    feed = "text/event-stream" in case.operation.definition.raw["responses"].get("200", {}).get("content", {})
    headers = {"Authorization": f"Bearer {served.key}"}
    *tries, last = LISTENED_S if feed else (30.0,)
    for timeout_s in tries:
        with suppress(ReadTimeout):
            case.call_and_validate(base_url=served.url, headers=headers, checks=CHECKS, timeout=timeout_s)
            return
    case.call_and_validate(base_url=served.url, headers=headers, checks=CHECKS, timeout=last)
