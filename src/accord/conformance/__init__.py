"""Whether an agent in any language keeps the protocol: a scripted orchestrator, and the rules that it looks at."""

from __future__ import annotations

from accord.conformance.rules import RULES, Outcome, Rule, Verdict
from accord.conformance.suite import Asked, examined

__all__ = ["RULES", "Asked", "Outcome", "Rule", "Verdict", "examined"]
