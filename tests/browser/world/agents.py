"""Agents of the console's tests: one that works, one that never does, one that nobody needs, one that never ends."""

from __future__ import annotations

import asyncio

from accord import Agent, Context, Failure

weaver = Agent("weaver")
grump = Agent("grump")
spare = Agent("spare")
darner = Agent("darner")
keeper = Agent("keeper", concurrency=2)


@weaver.capability("demo.weave@1.0.0")
async def weave(name: str) -> dict[str, str]:
    """Weave something."""
    return {"woven": name}


@weaver.capability("demo.tell@1.0.0")
async def tell(name: str, context: Context) -> str:
    """Tell what one does."""
    context.log.debug("the warp is strung", extra={"threads": 1200, "colour": "blue"})
    context.log.info("weaving %s", name)
    context.log.warning("a thread of <b>%s</b> is thin\nand may tear", name)
    try:
        raise ValueError("the shuttle is stuck")
    except ValueError:
        context.log.exception("the loom has stopped, going on by hand")
    return name


@weaver.capability("demo.knit@1.0.0")
async def knit(name: str, context: Context) -> dict[str, str]:
    """Knit half of something, say so, and go on until it is stopped."""
    await context.progress(0.5, "row 5 of 10")
    await asyncio.Event().wait()
    return {"knitted": name}


@grump.capability("demo.fail@1.0.0")
async def fail(name: str) -> dict[str, str]:
    """Never work."""
    raise RuntimeError(f"the loom of {name} is broken")


@spare.capability("demo.mend@1.0.0")
async def mend(name: str) -> dict[str, str]:
    """Mend what was woven."""
    return {"mended": name}


@darner.capability("demo.darn@1.0.0")
async def darn(name: str) -> dict[str, str]:
    """Darn what is worn."""
    return {"darned": name}


@keeper.capability("demo.keep@1.0.0")
async def keep(name: str) -> str:
    """Keep what is to be kept until somebody takes it away; of other things, some are refused at once."""
    if name == "late":
        raise RuntimeError("not today")
    if name == "broken":
        raise Failure("broken", "it fell apart", retryable=False)
    if name.startswith("kept"):
        await asyncio.Event().wait()
    return name
