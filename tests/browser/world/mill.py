"""Agents for pictures of a mill at work: it takes its time, and now and then a thread breaks."""

from __future__ import annotations

import asyncio

from accord import Agent, Context

spindle = Agent("spindle", concurrency=3, description="Spins yarn, three bobbins at a time.")
loom = Agent("loom", concurrency=3, description="Weaves and spins.")
longest = Agent("the-agent-with-the-longest-name-that-is-possible-which-has-63-c")


async def worked(name: str, seconds: float, context: Context) -> dict[str, str]:
    context.log.info("%s begins", name, extra={"seconds": seconds})
    if name.endswith("7") and context.attempt == 1:
        context.log.warning("the thread of %s is thin", name)
        raise RuntimeError(f"the thread of {name} broke at 40 percent, and nobody was there to tie it")
    for step in range(4):
        await context.progress(step / 4, f"bobbin {step + 1} of 4")
        await asyncio.sleep(seconds / 4)
    return {"made": name, "quality": "good"}


@spindle.capability("mill.spin@1.0.0")
async def spin(name: str, seconds: float, context: Context) -> dict[str, str]:
    """Spin yarn from a batch of wool."""
    return await worked(name, seconds, context)


@loom.capability("mill.spin@1.0.0")
async def spin_too(name: str, seconds: float, context: Context) -> dict[str, str]:
    """Spin yarn from a batch of wool."""
    return await worked(name, seconds, context)


@longest.capability("mill.capability_with_a_name_that_goes_on_and_on.until_it_ends_64c@1.0.0")
async def long(name: str) -> dict[str, str]:
    """Do what a capability with such a name does."""
    return {"made": name}
