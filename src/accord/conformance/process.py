"""The process of an agent under examination."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import IO

from accord.errors import BadInput


@asynccontextmanager
async def started(
    command: Sequence[str], url: str, token: str, stderr: IO[bytes] | None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, with `{url}` and `{token}` replaced; it has ended when this ends. What it writes on stderr goes to
    that file, to ours where None.

    Raises BadInput.
    """
    words = [word.replace("{url}", url).replace("{token}", token) for word in command]
    # No ACCORD_ names: those are settings, and a command line of Accord's refuses such as it does not know.
    environment = {**os.environ, "CONFORMANCE_URL": url, "CONFORMANCE_TOKEN": token}
    try:
        process = await asyncio.create_subprocess_exec(
            *words, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=stderr, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise BadInput.of("ACC991", f"{words[0]} cannot be started: {error.strerror}") from error
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
