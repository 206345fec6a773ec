"""The language model that suggests graphs, where the settings name one: whether it could be asked."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Final

import msgspec

from accord.app import suggestions_of
from accord.cli.doctor.finding import Finding, failures
from accord.errors import BadInput
from accord.loading.http import httpx
from accord.planner.by_suggestion import NEEDED, key_of
from accord.planner.suggestion.asking import Endpoint
from accord.settings import Settings
from accord.tls import meaning

WITHIN_S: Final = 5.0

_WHAT: Final = "language model"


def suggestions(settings: Settings) -> Iterator[Finding]:
    """The findings about it; nothing of an objective or a capability is sent. It is never a failure of Accord's: all
    other ways to a plan go on.
    """
    known = suggestions_of(settings)
    if known is None:
        return
    if any(find_spec(name) is None for name in NEEDED):
        yield Finding(_WHAT, "warn", "pydantic-ai is not installed", "pip install 'accord-orchestrator[llm]'")
    try:
        yield _reached(known.endpoint, key_of(known.endpoint))
    except BadInput as error:
        yield from failures(_WHAT, error.problems)


def _reached(endpoint: Endpoint, key: str | None) -> Finding:
    where = f"{endpoint.model} at {endpoint.host}"
    try:
        answer = httpx.get(
            f"{endpoint.url}/models",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=WITHIN_S,
            follow_redirects=False,
            trust_env=False,
            verify=endpoint.tls.context() if endpoint.url.startswith("https:") else False,
        )
    except httpx.HTTPError as error:
        return Finding(_WHAT, "warn", f"{where} cannot be asked: {meaning(error)}", "see suggestion_endpoint")
    if answer.status_code in (401, 403):
        return Finding(_WHAT, "warn", f"{where} does not take the key", "see suggestion_key_file")
    if answer.status_code != 200:
        hint = "suggestion_endpoint goes up to and with /v1"
        return Finding(_WHAT, "warn", f"{where} answers with status {answer.status_code} where models are listed", hint)
    if endpoint.model not in _models(answer.content):
        return Finding(_WHAT, "warn", f"{endpoint.host} lists no model {endpoint.model}", "see suggestion_model")
    return Finding(_WHAT, "ok", f"{where} is there")


def _models(data: bytes) -> set[str]:
    try:
        listed: Any = msgspec.json.decode(data)["data"]
        return {one["id"] for one in listed}
    except (msgspec.DecodeError, KeyError, TypeError):
        return set()
