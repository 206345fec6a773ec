"""What a failure of Redis, or of the way to it, means: each becomes a BusUnavailable with a code and a way out."""

from __future__ import annotations

from typing import Final

from accord.errors import BusUnavailable
from accord.redis.driver import exceptions
from accord.tls import meaning

_SCRIPTS = "an orchestrator of this version, or of a newer one, has to run: it brings the scripts"
_WRITES = "raise maxmemory, or connect to the primary; accord doctor tells which"

_MEANINGS: Final[tuple[tuple[type[Exception], tuple[str, str, str]], ...]] = (
    (exceptions.AuthenticationError, ("ACC763", "refuses this user", "check user and password; ACL LIST says who may")),
    (
        exceptions.NoPermissionError,
        ("ACC764", "does not allow this to our user", "accord bus users --kind redis gives it what it needs"),
    ),
    (exceptions.NoScriptError, ("ACC767", "does not know our scripts", _SCRIPTS)),
    (exceptions.OutOfMemoryError, ("ACC765", "does not take writes", _WRITES)),
    (exceptions.ReadOnlyError, ("ACC765", "does not take writes", _WRITES)),
    (exceptions.BusyLoadingError, ("ACC766", "is starting, or took too long", "it is tried again by itself")),
    (exceptions.TimeoutError, ("ACC766", "is starting, or took too long", "it is tried again by itself")),
    (exceptions.ConnectionError, ("ACC762", "cannot be reached", "is the server running, and is the address right?")),
    (
        exceptions.ResponseError,
        ("ACC768", "refuses a command", "look into the server's log; accord doctor may tell more"),
    ),
    (TimeoutError, ("ACC766", "is starting, or took too long", "it is tried again by itself")),
    (OSError, ("ACC762", "cannot be reached", "is the server running, and is the address right?")),
)
"""By what the driver raises, the more special one first: code, what is wrong, and the way out."""

_OF_A_SCRIPT: Final = "executing the script can't"
"""In Redis 7.0, what a script is refused is no error of a kind of its own."""

_OTHERWISE: Final = ("ACC768", "failed", "look into the server's log; accord doctor may tell more")

FAILURES = (exceptions.RedisError, OSError, TimeoutError)
"""Whatever talking to a server may raise."""


def as_bus_error(error: BaseException, address: object) -> BusUnavailable:
    """The error for a failure of the server at this address."""
    told = meaning(error)
    if _OF_A_SCRIPT in told:
        error = exceptions.NoPermissionError(told)
    code, what, hint = next((found for kind, found in _MEANINGS if isinstance(error, kind)), _OTHERWISE)
    return BusUnavailable.of(code, f"the bus {address} {what}: {told}", hint=hint)


def is_elsewhere(answer: object) -> bool:
    """Whether a server says that it is not the one to talk to now; Redis 6.2 wraps what a script was told."""
    if isinstance(answer, (exceptions.ReadOnlyError, exceptions.BusyLoadingError)):
        return True
    return isinstance(answer, exceptions.ResponseError) and "READONLY" in str(answer)


def closed(address: object) -> BusUnavailable:
    """The error of whoever uses a bus that was closed."""
    return BusUnavailable.of("ACC769", f"the bus {address} was closed")
