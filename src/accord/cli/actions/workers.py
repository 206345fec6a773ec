"""`accord serve --workers`: several orchestrators on one socket, each a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from tempfile import TemporaryDirectory

import msgspec

from accord.cli.actions.serve import Asked, Started, Worker, address_of, tell
from accord.cli.children import Child, kept_running, until_stopped
from accord.cli.errors import usage
from accord.cli.options import Shared, home_option
from accord.cli.output import Screen
from accord.cli.session import carry_out
from accord.gateway.server import bound


def serve_by_workers(shared: Shared, asked: Asked, count: int) -> None:
    """Carry out `accord serve` by so many processes.

    The first one starts alone, and makes what there has to be once: the schema, the keys.
    """

    async def work(screen: Screen) -> int:
        shared.here("serve")
        settings = shared.settings()
        if settings.bus is None:
            hint = "name one with --bus or ACCORD_BUS: nats://… or redis://…"
            raise usage("ACC969", "several workers share their agents over a bus, and none is named", hint)
        address = address_of(settings, asked)
        address.check()
        first_is_there = asyncio.Event()

        def heard(line: bytes) -> None:
            if not first_is_there.is_set():
                started = msgspec.json.decode(line, type=Started)
                tell(screen, msgspec.structs.replace(started, pid=os.getpid()), home_option(settings))
            first_is_there.set()

        with bound(address) as taken, TemporaryDirectory(prefix="accord-") as folder:

            def child(number: int, heard: Callable[[bytes], None]) -> Child:
                worker = Worker(socket=taken.fileno(), number=number, folder=folder)
                command = _command(shared, asked, worker)
                return Child(name=f"Worker {number}", command=command, files=(worker.socket,), heard=heard)

            async def later(number: int) -> int:
                await first_is_there.wait()
                return await kept_running(child(number, lambda _: None), screen)

            others = [later(number) for number in range(2, count + 1)]
            return await until_stopped([kept_running(child(1, heard), screen), *others], screen)

    carry_out(shared, work)


def _command(shared: Shared, asked: Asked, worker: Worker) -> list[str]:
    command = [sys.executable, "-m", "accord", "serve", "--worker", msgspec.json.encode(worker).decode()]
    given = {
        "--host": asked.host,
        "--tls-cert": asked.tls_cert,
        "--tls-key": asked.tls_key,
        "--tls-clients": asked.tls_clients,
        "--home": shared.home,
        "--store": shared.store,
        "--bus": shared.bus,
    }
    for option, value in given.items():
        command += [option, str(value)] if value is not None else []
    command += [part for target in shared.agents for part in ("--agents", target)]
    command += ["--insecure-http"] if asked.insecure_http else []
    command += ["--json"] if shared.as_json else []
    return [*command, "--verbose"] if shared.verbose else command
