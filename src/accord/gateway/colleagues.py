"""The workers of one server, which share its socket: whoever is asked for metrics tells those of all.

Each listens on a Unix socket of a folder that nobody else may look into, and answers a connection with its metrics.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Self

import msgspec
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

ANSWERED_WITHIN_S: Final = 2.0
"""A worker that is silent for longer has no metrics this time."""

SUFFIX: Final = ".metrics"


class Place(msgspec.Struct, frozen=True):
    """A worker's place among its colleagues."""

    number: int
    folder: Path


class Gathered:
    """The metrics of all workers, each sample with the label `worker`."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def collect(self) -> Iterable[Metric]:
        """The families, each once."""
        families: dict[str, Metric] = {}
        for worker, text in sorted(self._texts.items()):
            for family in text_string_to_metric_families(text):
                known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                known.samples += [one._replace(labels={**one.labels, "worker": worker}) for one in family.samples]
        return families.values()


class Colleagues:
    """All workers of this server, this one included."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @classmethod
    @asynccontextmanager
    async def open(cls, place: Place, told: Callable[[], Awaitable[bytes]]) -> AsyncIterator[Self]:
        """Tell these metrics to whichever colleague asks, inside: in Prometheus's own text format."""
        path = place.folder / f"{place.number}{SUFFIX}"
        path.unlink(missing_ok=True)  # of a worker of this number that was killed

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await told())
            with suppress(ConnectionError):
                await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(answer, path)
        async with server:
            yield cls(place)

    async def gathered(self) -> Gathered:
        """The metrics of all who answer."""
        places = sorted(self._place.folder.glob(f"*{SUFFIX}"))
        texts = await asyncio.gather(*map(_text_of, places))
        return Gathered({place.stem: text for place, text in zip(places, texts, strict=True) if text})


async def _text_of(path: Path) -> str:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return (await reader.read()).decode()
            finally:
                writer.close()
    return ""
