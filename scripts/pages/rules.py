"""The page of all rules of the protocol: how each is examined, or why it is not."""

from __future__ import annotations

from accord.conformance import RULES, UNTESTED
from accord.conformance.stages.stopping import SLOW_RULES
from pages.markdown import GENERATED, table

_WITH = dict.fromkeys(SLOW_RULES, "--slow-input") | dict.fromkeys(("upload", "uploaded"), "--large-input")


def rule_page() -> str:
    """The page, as Markdown."""
    examined = [
        (_link(rule.id), f"`{rule.name}`", rule.says, f"`{_WITH[name]}`" if name in _WITH else "")
        for name, rule in RULES.items()
    ]
    others = [(_link(rule), why) for rule, why in UNTESTED.items()]
    return (
        f"# Rules for agents\n\n{GENERATED}\n\n"
        "[`accord conformance`](../how-to/foreign-agents.md#see-which-rules-it-keeps) examines an agent by these rules "
        "of [the protocol](../protocol.md); for each of them, the tests have an agent that breaks it and nothing else, "
        "and is caught. Some want an input of their own.\n\n"
        + table(["rule", "name", "what it says", "wants"], examined)
        + "\n\n## Not examined\n\n"
        + table(["rule", "why"], others)
        + "\n"
    )


def _link(rule: str) -> str:
    return f"[{rule}](../protocol.md#{rule})"
