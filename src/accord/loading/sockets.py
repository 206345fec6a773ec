"""Socket.IO, without clients of Redis and of plain HTTP: it would load them for managers that we do not use. What its
own client connects with is loaded when it connects: a server never does.
"""

from __future__ import annotations

from accord.loading.later import later
from accord.loading.spared import spared

with spared("redis", "valkey", "requests", "aiohttp"):
    import engineio.async_client
    import socketio
    import socketio.exceptions

engineio.async_client.aiohttp = later("aiohttp")

__all__ = ["socketio"]
