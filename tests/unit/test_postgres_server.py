"""The server of the tests leaves nothing behind, also where whoever started it was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from accord.testing.postgres import PREFIX, PostgresServer, postgres_server

STARTER = """
import pathlib, sys
from accord.testing.postgres import postgres_server
with postgres_server(pathlib.Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


def test_a_server_whose_starter_was_killed_is_swept_by_the_next(postgres: PostgresServer) -> None:
    parent = postgres.folder.parent
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    (left,) = [folder for folder in parent.glob(f"{PREFIX}*") if _pid(folder) == pid]
    starter.kill()
    assert starter.wait() == -signal.SIGKILL
    assert left.exists()
    with postgres_server(parent) as next_one:
        assert not left.exists()
        assert next_one.sql("SELECT 1") == "1"
    assert not next_one.folder.exists()
    starter.communicate()


def _pid(folder: Path) -> int:
    file = folder / "data" / "postmaster.pid"
    return int(file.read_text().split()[0]) if file.exists() else 0
