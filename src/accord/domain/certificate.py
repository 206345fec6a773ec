"""Certificates: what was proven of a run's graph before it began, signed by the orchestrator, in the run's first event.

    verified graph ── Certificate ── signed ──► Certified, in `run.started` ──► checked whenever the run goes on

A run whose certificate is about another run or another graph, or is not signed, does not begin and does not go on. A
delegated key may sign it: then the long-lived key's delegation is beside it, and has to have held when the run began.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal

import msgspec

from accord.domain.checkpoint import FOR_EVER
from accord.domain.delegation import LIFETIME_MAX, OF_ORCHESTRATORS, Delegation, delegation_of
from accord.domain.delegation import refusal as not_delegated
from accord.domain.ids import AgentId, Digest, KeyId, RunId
from accord.domain.ingress import CLOCK_SKEW
from accord.domain.message import Claims, decode_claims, payload_ref, refusal
from accord.domain.signature import Parsed, PublicKey, parse_statement, verify
from accord.errors import MessageRefused

FORMAT: Final = "accord-certificate@1"

Method = Literal["search", "types", "counterexample", "solver", "arithmetic", "policy"]
"""How something was proven: by a search of the graph; by the types that schemas say; by a search for a counterexample
that leaves nothing out; by Z3, whose examples CEL has confirmed; by adding up; by asking the policy.
"""

Check = Literal["structure", "expressions", "contracts", "paths", "bounds", "authority", "labels"]


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What one check has found."""

    check: Check
    method: Method
    proven: int
    """So many are proven: tasks, expressions, edges, claims about paths, bounds, tasks that somebody may do."""
    open: int = 0
    """So many could not be decided; the report's warnings say which, and why. They are checked as the run goes."""


class Certificate(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What the verifier has proven of a graph, for one run."""

    format: Literal["accord-certificate@1"] = FORMAT
    run: RunId
    template: str
    graph: Digest
    verifier: str
    """The version of Accord that has verified it."""
    policy: Digest
    """Of the policy set that was in force."""
    contracts: tuple[Digest, ...]
    """Of all that were known of the capabilities that the graph asks for, in order; others may come later."""
    facts: tuple[Fact, ...]
    workflows: dict[str, Digest] | msgspec.UnsetType = msgspec.UNSET
    """The versions of the sub-workflows for which it was proven, by how the graph and those below it name them: the run
    goes on with these. Not there where there are none.
    """

    def words(self) -> str:
        """What was proven, in words."""
        return words_of(self.facts)

    def encoded(self) -> bytes:
        """The bytes that are signed: members in this order."""
        return msgspec.json.encode(self)


class Certified(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """A certificate, and the statement that the orchestrator has signed about it."""

    certificate: Certificate
    statement: str
    delegation: str | None = None
    """The long-lived key's statement that lets another one sign; None where it has signed the certificate itself."""

    @property
    def root(self) -> str:
        """What the long-lived key has signed: the delegation, or else the statement."""
        return self.statement if self.delegation is None else self.delegation

    @property
    def kid(self) -> KeyId:
        """Which key has signed the statement: the long-lived one, or a delegated one. Raises MessageRefused."""
        return _parsed(self.statement).kid

    def parsed(self) -> Parsed:
        """`root`, not verified yet. Raises MessageRefused."""
        return _parsed(self.root)

    def check(self, key: PublicKey, run: RunId, graph: Digest, at: datetime) -> None:
        """Raise MessageRefused where this long-lived key does not stand behind the statement, or it is about another
        run or graph; `at` is when the run began.
        """
        parsed = self.parsed()
        verify(parsed, key)
        self.cover(self.claims(decode_claims(parsed.claims), key.kid, at), run, graph)

    def claims(self, root: Claims, parent: KeyId, at: datetime) -> Claims:
        """The claims of the statement, where `root` are those of `root`, authentic under this long-lived key.

        Raises MessageRefused: ACC356, ACC357 nobody may delegate so; ACC358 the delegation did not hold when the
        statement was made, or when the run began; ACC311 the delegated key has not signed it.
        """
        if self.delegation is None:
            return root
        delegation = delegation_of(root, parent, OF_ORCHESTRATORS, LIFETIME_MAX)
        parsed = _parsed(self.statement)
        verify(parsed, delegation.key)
        claims = decode_claims(parsed.claims)
        _refuse_undelegated(delegation, root.issued_at, claims, at)
        return claims

    def cover(self, claims: Claims, run: RunId, graph: Digest) -> None:
        """Raise MessageRefused unless claims that were verified are about this certificate, and it about this run of
        this graph.
        """
        told = self.certificate
        if claims != certificate_claims(claims.issuer, told, claims.issued_at):
            raise refusal("ACC314", "the statement is about another certificate", pointer="/pld")
        if (told.run, told.graph) != (run, graph):
            raise refusal("ACC314", f"it certifies {told.run} of the graph {told.graph}", pointer="/run")


@lru_cache(maxsize=2)  # who looks at a certificate asks for its root, its claims and its key, one behind the other
def _parsed(statement: str) -> Parsed:
    return parse_statement(statement.encode("utf-8", "surrogatepass"))


def _refuse_undelegated(delegation: Delegation, since: int, claims: Claims, at: datetime) -> None:
    """Raise MessageRefused where a delegation does not let its key sign these claims for a run that began then."""
    MessageRefused.raise_if(filter(None, [delegation.bounds.problem(claims.kind)]))
    if claims.issuer != delegation.issuer:
        raise not_delegated("ACC356", "/iss", delegation.issuer)
    until, began = delegation.bounds.until.timestamp(), at.timestamp()
    if not since <= claims.issued_at < until:
        raise not_delegated("ACC358", "/iat", str(claims.issued_at))
    if not claims.issued_at <= began + CLOCK_SKEW.total_seconds() or not began < until + CLOCK_SKEW.total_seconds():
        raise not_delegated("ACC358", "/exp", f"the run began at {at.isoformat()}")


def words_of(facts: Iterable[Fact]) -> str:
    """What was proven: `structure 5, contracts 4 of 5`."""
    told = (f"{one.check} {one.proven}{f' of {one.proven + one.open}' if one.open else ''}" for one in facts)
    return ", ".join(told)


def certificate_claims(orchestrator: AgentId, certificate: Certificate, issued_at: int) -> Claims:
    """What the orchestrator signs of a certificate."""
    return Claims(
        issuer=orchestrator,
        audience=orchestrator,
        id=f"{certificate.run}/certificate",
        issued_at=issued_at,
        expires_at=FOR_EVER,
        kind="certificate",
        run=certificate.run,
        payload=payload_ref(certificate.encoded()),
    )
