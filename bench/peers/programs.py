"""Programs that a peer consists of besides the measuring process."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

PATIENCE_S = 60.0
PAUSE_S = 0.1


@contextmanager
def program(*command: str, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """A program that runs as long as the block, and keeps to itself what it prints; gives its process. It is killed:
    what it would save is thrown away.
    """
    silent = subprocess.DEVNULL
    child = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=silent, stderr=silent)
    try:
        yield child.pid
    finally:
        child.kill()
        child.wait()


def free_port() -> int:
    """A port of this machine that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def ready(asking: Callable[[], Awaitable[object]], *refusals: type[Exception]) -> None:
    """Ask until there is an answer in place of these refusals. Raises the refusal once patience has ended."""
    until = time.perf_counter() + PATIENCE_S
    while True:
        try:
            await asking()
        except refusals:
            if time.perf_counter() > until:
                raise
            await asyncio.sleep(PAUSE_S)
        else:
            return
