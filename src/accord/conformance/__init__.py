"""Whether an agent in any language keeps the protocol: a scripted orchestrator, and the rules that it looks at."""

from __future__ import annotations

from accord.conformance.asked import Asked
from accord.conformance.rules import RULES, UNTESTED, Outcome, Rule, Verdict
from accord.conformance.suite import examined

__all__ = ["RULES", "UNTESTED", "Asked", "Outcome", "Rule", "Verdict", "examined"]
