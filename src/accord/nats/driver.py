"""The driver, which comes with an extra: `accord.nats` imports it from here, and nobody else does."""

from __future__ import annotations

from accord.errors import BusUnavailable

try:
    import nkeys
    from nats import errors
    from nats.aio.client import Client, RawCredentials
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription
    from nats.js import JetStreamContext, api
    from nats.js import errors as js_errors
except ModuleNotFoundError as error:
    raise BusUnavailable.of(
        "ACC753",
        "a bus on NATS needs nats-py, which is not installed",
        hint="pip install 'accord-orchestrator[nats]'",
    ) from error

__all__ = [
    "Client", "JetStreamContext", "Msg", "RawCredentials", "Subscription", "api", "errors", "js_errors", "nkeys"
]  # fmt: skip
