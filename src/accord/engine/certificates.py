"""Certificates of runs: what the verifier has proven of a graph is signed before a run of it begins, and checked
whenever one begins or goes on. A delegated key signs them where there is one: so runs begin while a slow key store is
away, and its delegation is kept beside what it has signed.

    ACC837  a run does not begin, or go on, because its certificate is not about it, or is not signed by us
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeAlias

from msgspec import UNSET
from msgspec.structs import replace

from accord.domain import command as c
from accord.domain.certificate import Certificate, Certified, certificate_claims
from accord.domain.event import RunStarted
from accord.domain.graph import Graph
from accord.domain.ids import Digest, KeyId, RunId
from accord.domain.ingress import CLOCK_SKEW
from accord.domain.message import Claims, Message
from accord.domain.signature import PublicKey, parse_statement
from accord.engine.assignments import Secretary
from accord.engine.delegates import Delegates
from accord.engine.verdicts import Suspect
from accord.engine.verification import Verification, Verified, Workflows
from accord.errors import MessageRefused, Problem, StoreCorrupt, TransitionRefused
from accord.ports import Bare, Clock
from accord.recent import Recent
from accord.release import release

ISSUED_MAX: Final = 4096
"""Of so many runs that were certified here and have not begun yet, it is remembered what was signed."""

_UNCERTIFIED = "where an earlier version has begun it, let such runs end with the setting take_uncertified"
_WAY_OUT = "it is not touched; fork it from an event that is right (accord runs fork): that verifies and certifies anew"

_Signed: TypeAlias = tuple[list[Message], Message | None]
"""Statements, and what introduces the delegated key that may have signed them."""


class Certificates:
    """Makes certificates, and checks them. What does not hold becomes an incident, once."""

    def __init__(
        self,
        verification: Verification,
        secretary: Secretary,
        delegates: Delegates,
        keys: Callable[[], dict[KeyId, PublicKey]],
        clock: Clock,
        noticed: list[Suspect],
    ) -> None:
        self._verification, self._secretary, self._clock = verification, secretary, clock
        self._delegates, self._keys = delegates, keys
        self._noticed = noticed
        self.takes_uncertified = False
        """Whether runs without a certificate, as earlier versions have begun them, go on."""
        self._told: set[RunId] = set()
        self._issued: Recent[RunId, Certified] = Recent(ISSUED_MAX)
        self._unsigned: list[tuple[Claims, bytes]] = []
        self._signing: asyncio.Task[_Signed] | None = None
        """Signs what is in `_unsigned` as soon as all who run now have had their turn."""

    async def issue(self, run: RunId, graph: Graph, verified: Verified) -> Certified:
        """The certificate of a run of a graph that was verified; those that are asked for at once share a signature.
        Raises TemplateInvalid where it may not run, KeysUnavailable where no delegated key may sign.
        """
        verified.report.refuse()
        certificate = Certificate(
            run=run,
            template=graph.template,
            graph=graph.digest,
            verifier=release(),
            policy=self._verification.policy,
            contracts=self._verification.contracts(graph),
            facts=verified.report.facts,
            workflows=dict(verified.workflows) or UNSET,
        )
        message, introduction = await self._signed(certificate)
        own = introduction is None or parse_statement(message.statement).kid == self._secretary.key.kid
        certified = Certified(
            certificate=certificate,
            statement=message.statement.decode("ascii"),
            delegation=None if own or introduction is None else introduction.statement.decode("ascii"),
        )
        self._issued[run] = certified
        return certified

    async def _signed(self, certificate: Certificate) -> tuple[Message, Message | None]:
        """The statement about a certificate, and what introduces the delegated key, where that may have signed it."""
        claims = certificate_claims(self._secretary.identity, certificate, int(self._clock.now().timestamp()))
        place = len(self._unsigned)
        self._unsigned.append((claims, b""))  # the certificate itself goes beside its statement
        if self._signing is None:
            self._signing = asyncio.create_task(self._sign(), name="accord-certificates")
        messages, introduction = await asyncio.shield(self._signing)  # one who gives up takes nobody else along
        return messages[place], introduction

    async def _sign(self) -> _Signed:
        wanted, self._unsigned, self._signing = self._unsigned, [], None
        introduction = self._delegates.introduction  # before anything is awaited: of the key that signs
        return await self._secretary.sign(wanted), introduction

    async def begun(self, start: c.Start, graph: Graph) -> c.Start:
        """The start with a certificate that covers it. One that comes without, from a process of an earlier version, or
        under a delegated key that has ended on the way, is verified now. Raises TransitionRefused ACC837,
        TemplateInvalid, KeysUnavailable.
        """
        if self._is_own(start, graph):
            return start
        if start.certificate is not None:
            at = self._clock.now() + CLOCK_SKEW  # what holds now without any grace, holds later with it
            problem = self._problem(start.certificate, start.run, graph.digest, at)
            if problem is None:
                return start
            if problem.code != "ACC358":
                raise TransitionRefused(self._told_of(start.run, start.certificate, problem))
        workflows = workflows_of(start.certificate)
        verified = await self._verification.verified(graph, by=start.by, labels=start.labels, workflows=workflows)
        return replace(start, certificate=await self.issue(start.run, graph, verified))

    def _is_own(self, start: c.Start, graph: Graph) -> bool:
        """Whether it has what was signed here for this run of the graph, with the long-lived key: that need not be
        verified. What came back from the journal as another one is not the same.
        """
        issued = self._issued.pop(start.run, None)
        if issued is None or issued.delegation is not None:
            return False
        return issued == start.certificate and issued.certificate.graph == graph.digest

    def check(self, started: RunStarted) -> None:
        """Raise StoreCorrupt ACC837 where no certificate covers a run. One without any does not go on unless we are
        told to take it for an earlier version's: whoever can write to the store can take a certificate away.
        """
        certified = started.certificate
        if certified is None and self.takes_uncertified:
            return
        problem = self._problem(certified, started.run, started.graph, started.at)
        if problem is None and certified is not None and certified.certificate.template != started.template:
            problem = Problem("ACC837", f"it is about {certified.certificate.template}")
        if problem is not None:
            raise StoreCorrupt(self._told_of(started.run, certified, problem))

    def _problem(self, certified: Certified | None, run: RunId, graph: Digest, at: datetime) -> Problem | None:
        if certified is None:
            return Problem("ACC837", "there is none")
        try:
            kid = certified.parsed().kid
            key = self._keys().get(kid)
            if key is None:
                return Problem("ACC837", "it is signed with a key that is none of the orchestrator's")
            certified.check(key, run, graph, at)
            self._delegates.refuse_ended(certified.kid, at)
        except MessageRefused as error:
            return error.problems[0]
        return None

    def _told_of(self, run: RunId, certified: Certified | None, why: Problem) -> Problem:
        """The problem that a run's certificate does not hold, with an incident that has it as evidence: once a run."""
        text = f"the certificate of {run} does not hold: {why.message}"
        problem = Problem("ACC837", text, hint=_WAY_OUT if certified is not None else f"{_WAY_OUT}; {_UNCERTIFIED}")
        if run not in self._told:
            self._told.add(run)
            message = _evidence(certified)
            self._noticed.append(Suspect(Bare(message), problem))
        return problem


def workflows_of(certified: Certified | None) -> Workflows:
    """The versions of sub-workflows that a run was verified with; it goes on with these, whatever is published."""
    return (certified.certificate.workflows or {}) if certified is not None else {}


def _evidence(certified: Certified | None) -> Message:
    if certified is None:
        return Message(b"", b"")
    return Message(certified.statement.encode("utf-8", "backslashreplace"), certified.certificate.encoded())
