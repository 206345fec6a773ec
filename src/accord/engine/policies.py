"""Policies: which set is in force. It is kept as evidence before anything is decided by it, and followed when it
changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from accord.domain.ids import Digest
from accord.domain.system import POLICIES, PolicyAdopted, SystemEvent
from accord.engine.streams import SystemStream
from accord.errors import BadInput
from accord.ports import BlobStore, Clock, Journal, Policy, PolicyText

logger = logging.getLogger("accord.policy")


class Policies:
    """Follows the policy set; `go` is one of the orchestrator's rounds."""

    every = timedelta(seconds=1)

    def __init__(self, policy: Policy, journal: Journal, blobs: BlobStore, clock: Clock) -> None:
        self._policy = policy
        self._blobs = blobs
        self._clock = clock
        self._stream = SystemStream(journal, POLICIES, self._apply)
        self._adopted: Digest | None = None
        self.changed: list[Callable[[], None]] = []
        """Told when another set has come into force here."""

    async def start(self) -> None:
        """Write down which set is in force from now on. Raises StoreUnavailable."""
        await self._keep(self._policy.source)

    async def go(self) -> None:
        """Take over what has changed; a set with faults is told, and the one before stays. Raises StoreUnavailable."""
        try:
            if not await self._policy.renew(self._keep):
                return
        except BadInput as error:
            logger.error(
                "the policies have changed and have faults, so those before stay in force (%s): %s",
                self._policy.source.digest[:12],
                error,
            )
            return
        logger.warning("other policies are in force from now on: %s", self._policy.source.digest[:12])
        for tell in self.changed:
            tell()

    async def _keep(self, source: PolicyText) -> None:
        await self._stream.refresh()
        if self._adopted == source.digest or (source.shipped and self._adopted is None):
            return
        digest = await self._blobs.put(source.document)
        await self._stream.append(PolicyAdopted(at=self._clock.now(), digest=digest, shipped=source.shipped))

    def _apply(self, event: SystemEvent) -> None:
        if isinstance(event, PolicyAdopted):
            self._adopted = event.digest
