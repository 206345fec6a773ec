"""Socket.IO, without clients of Redis and of plain HTTP: it would load them for managers that we do not use."""

from __future__ import annotations

from accord.loading.spared import spared

with spared("redis", "valkey", "requests"):
    import socketio
    import socketio.exceptions

__all__ = ["socketio"]
