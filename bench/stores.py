"""Where the journal is that is measured: in files, or in a PostgreSQL server that is started for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

from accord.settings import Settings
from accord.testing.postgres import PostgresServer, postgres_server
from bench.measure import Family, Process


class Embedded:
    """SQLite and files, in the home."""

    name = "Accord, embedded default"
    processes: Sequence[Process] = ()

    @contextmanager
    def settings(self, home: Path) -> Iterator[Settings]:
        """The settings of a node with an empty store."""
        yield Settings(home=home)


class OnPostgres:
    """PostgreSQL with its data on a disk; each measurement gets a database of its own."""

    name = "Accord, PostgreSQL"

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.processes: Sequence[Process] = (Family(server.pid),)

    @contextmanager
    def settings(self, home: Path) -> Iterator[Settings]:
        """The settings of a node with an empty store."""
        address = self._server.create()
        try:
            yield Settings(home=home, store=address)
        finally:
            self._server.drop(address)


Store = Embedded | OnPostgres


@contextmanager
def store(name: str) -> Iterator[Store]:
    """The store of this name, ready."""
    if name == "embedded":
        yield Embedded()
        return
    with postgres_server(Path(gettempdir())) as server:
        yield OnPostgres(server)
