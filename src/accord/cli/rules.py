"""Rules: what the codes of findings about files mean, in one sentence each, as the modules say that check them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Final

from accord.domain import compile as graphs
from accord.domain import expression, template_rules
from accord.templates import schema, workflow_tests
from accord.verifier import authority, bounds, branches, costs, fanout, flow, report, risks

_MODULES: Final[tuple[ModuleType, ...]] = (
    schema,
    template_rules,
    graphs,
    expression,
    workflow_tests,
    report,
    branches,
    risks,
    costs,
    fanout,
    bounds,
    flow,
    authority,
)
_LINE: Final = re.compile(r"(ACC[0-9]{3}) {2}(\S.*?)(?= {2}|$)", re.MULTILINE)


@cache
def rules() -> Mapping[str, str]:
    """The sentences, by code; none where Python runs without docstrings."""
    return dict(_told())


def _told() -> Iterator[tuple[str, str]]:
    for module in _MODULES:
        for code, meaning in _LINE.findall(module.__doc__ or ""):
            yield code, meaning.removesuffix(" (warning)")
