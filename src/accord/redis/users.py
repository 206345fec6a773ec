"""Who may do what on the server: a user for each agent, and one for orchestrators, with what they need and no more.

Rules of this form need Redis 7: before it, what may be read and what may only be written could not be told apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from accord.domain.ids import AgentId
from accord.ports import LOGS_SUBJECT, REGISTRY_SUBJECT, agent_subject, notice_subject
from accord.redis.names import DEAD, prefix_of, wake_channel

NEEDED_VERSION: Final = (7, 0)

_CONSUME: Final = (
    "+xlen", "+xreadgroup", "+xpending", "+xclaim", "+xautoclaim", "+xrange", "+xack", "+xdel", "+xadd", "+unlink",
    "+xgroup|create", "+xgroup|delconsumer", "+xinfo|consumers",
)  # fmt: skip
"""What the scripts do with a queue whose messages are taken."""

_ANYBODY: Final = ("+ping", "+select", "+evalsha", "+unsubscribe")
"""Scripts may do what their caller may; which there are is the orchestrators' business."""


class RedisUser(msgspec.Struct, frozen=True):
    """A user of the server: its name and what it may."""

    name: str
    rules: tuple[str, ...]

    def line(self, password: str) -> str:
        """Its line of an ACL file; the password is in it as a digest alone."""
        digest = hashlib.sha256(password.encode()).hexdigest()
        return " ".join(("user", self.name, "on", f"#{digest}", "resetkeys", "resetchannels", "-@all", *self.rules))


NOBODY: Final = "user default off"
"""The line of an ACL file that keeps out who names no user."""


def orchestrator_user(namespace: str) -> RedisUser:
    """The user of a namespace's orchestrators: everything that is the namespace's, and no administration."""
    prefix = prefix_of(namespace)
    more = ("+info", "+acl|whoami", "+hvals", "+hset", "+expire", "+script|load", "+publish", "+subscribe")
    return RedisUser(f"orchestrator.{namespace}", (*_ANYBODY, *more, *_CONSUME, f"~{prefix}*", f"&{prefix}*"))


def agent_user(namespace: str, agent: AgentId) -> RedisUser:
    """The user of an agent: takes what is for it, hears what is told to it, and writes where answers go."""
    prefix = prefix_of(namespace)
    own = agent_subject(agent)
    notices = notice_subject(agent)
    hears = _channels(prefix, (notices, f"{notices}#*", wake_channel(own)))
    tells = _channels(prefix, (REGISTRY_SUBJECT, LOGS_SUBJECT, wake_channel("partition/*"), wake_channel(own)))
    organisation, _, name = agent.removeprefix("spiffe://").partition("/agent/")
    return RedisUser(
        f"agent.{organisation}.{name}",
        (
            *_ANYBODY,
            _apart(f"~{prefix}{own}", *_CONSUME),
            _apart(f"%W~{prefix}partition/*", "+xadd", "+xlen"),
            _apart(f"%W~{prefix}{DEAD}", "+xadd"),
            _apart(f"%R~{prefix}orchestrators", f"%R~{prefix}successions", "+hvals"),
            _apart(*hears, "+subscribe"),
            _apart(*tells, "+publish"),
        ),
    )


def _channels(prefix: str, names: Iterable[str]) -> list[str]:
    return [f"&{prefix}{name}" for name in names]


def _apart(*rules: str) -> str:
    """What may be done with these and with nothing else."""
    return f"({' '.join(('-@all', *rules))})"
