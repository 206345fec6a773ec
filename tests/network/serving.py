"""`accord serve` that misses soon what is lost, as its leases are short, and soon tells an endpoint again that refused:
`serving.py ARGUMENTS`.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from accord.cli import main
from accord.cli.actions import serve
from accord.engine.parts import Tuning
from accord.gateway.webhooks import endpoint
from accord.settings import Settings

SHORT = {
    "lease": timedelta(seconds=4),
    "absent_after": timedelta(seconds=3),
    "partition_ttl": timedelta(seconds=1.5),
    "sweep_every": timedelta(seconds=1),
    "letters_every": timedelta(seconds=0.05),
    "share_every": timedelta(seconds=0.3),
}


def short(settings: Settings) -> Tuning:
    """What the settings say, with short times."""
    return msgspec.structs.replace(tuning_of(settings), **SHORT)


if __name__ == "__main__":
    tuning_of = serve.tuning_of
    serve.tuning_of = short  # type: ignore[attr-defined]  # it is imported there
    endpoint.FIRST_WAIT = timedelta(milliseconds=50)  # type: ignore[misc]  # it is final for everybody else
    main()
