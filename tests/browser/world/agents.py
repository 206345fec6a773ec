"""Agents of the console's tests: one that works, one that never does, one that nobody needs."""

from __future__ import annotations

from accord import Agent

weaver = Agent("weaver")
grump = Agent("grump")
spare = Agent("spare")


@weaver.capability("demo.weave@1.0.0")
async def weave(name: str) -> dict[str, str]:
    """Weave something."""
    return {"woven": name}


@grump.capability("demo.fail@1.0.0")
async def fail(name: str) -> dict[str, str]:
    """Never work."""
    raise RuntimeError(f"the loom of {name} is broken")


@spare.capability("demo.mend@1.0.0")
async def mend(name: str) -> dict[str, str]:
    """Mend what was woven."""
    return {"mended": name}
