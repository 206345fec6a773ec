"""`accord runs lineage`: what stands behind a value of a run's output."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from accord.cli.finding import find_run
from accord.cli.options import Shared
from accord.cli.output import Screen, agent_name, clean, run_text
from accord.cli.session import answered
from accord.domain.lineage import Lineage, Source
from accord.service import Service
from accord.views.lineage import LineageDocument, lineage_document


def show_lineage(shared: Shared, reference: str, pointer: str) -> None:
    """Carry out `accord runs lineage`."""

    async def ask(service: Service) -> LineageDocument:
        return await lineage_document(service, await find_run(service, reference), pointer)

    answered(shared, ask, _show)


def _show(document: LineageDocument, screen: Screen) -> None:
    for lineage in document.lineages:
        screen.line(Text.assemble(run_text(lineage.run), f" {lineage.pointer or 'output'}"))
        for depth, source, again in _grown(lineage):
            words = (*_words(source), (" (above)", "quiet") if again else "")
            screen.line(Text.assemble("  " * depth, *words))
    for run in document.gone:
        screen.note(f"{run} is not there any more")


def _grown(lineage: Lineage) -> Iterator[tuple[int, Source, bool]]:
    """The sources as a tree: each with its depth, and whether what is behind it was told above."""
    sources = {source.name: source for source in lineage.sources}
    shown: set[str] = set()
    open_ = [(1, name) for name in reversed(lineage.rests_on)]
    while open_:
        depth, name = open_.pop()
        source = sources[name]
        again = name in shown and bool(source.rests_on)
        yield depth, source, again
        if not again:
            shown.add(name)
            open_ += [(depth + 1, behind) for behind in reversed(source.rests_on)]


def _words(source: Source) -> Iterator[str | tuple[str, str]]:
    yield clean(source.name)
    if source.agent is not None and source.key is not None:
        yield (f"  {agent_name(source.agent)}, {source.capability}, key {source.key[:12]}…", "quiet")
    elif source.run is not None:
        yield (f"  {source.run}", "quiet")
    elif source.by:
        yield (f"  by {source.by}", "quiet")
    if source.confidence is not None:
        yield (f", confidence {source.confidence:g}", "quiet")
