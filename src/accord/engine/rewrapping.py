"""Rewrapping: the data keys of a store are wrapped under the key that wraps now, so that those before it can go.

    every data key, page by page ── unwrapped and wrapped by the key store ──► kept, unless it was changed meanwhile

What runs goes on: who has a data key at hand keeps it, and who asks for one gets it, however it is wrapped. What breaks
off is taken up by doing it again: what is wrapped anew already stays as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

import msgspec

from accord.domain.ids import RunId
from accord.errors import KeysUnavailable, KeyUnusable, Problem
from accord.ports import DataKeys as Store
from accord.ports import KeyWrapper, Rewrapped

WITHIN_ANOTHER: Final = "example:"
"""So begin the names of data keys that another data key wraps: they go on with that one. No run is called so."""

PAGE: Final = 64
"""So many are asked for, wrapped at once, and kept in one commit."""

TOLD_MAX: Final = 20
"""Of so many keys that cannot be unwrapped it is told why."""


class Rewrapping(msgspec.Struct, frozen=True):
    """How far it has come."""

    total: int
    """The keys that were there when it began, or more that were found."""
    done: int = 0
    """Those that were looked at."""
    rewrapped: int = 0
    """Those that are wrapped under another key than before. The others were under it already, were erased meanwhile, or
    another data key wraps them.
    """
    failed: int = 0
    """Those that cannot be unwrapped, and stay as they are."""
    problems: tuple[Problem, ...] = ()
    """Why: of the first ones."""


async def rewrapping(store: Store, wrapper: KeyWrapper) -> AsyncIterator[Rewrapping]:
    """Wrap all data keys anew; how far it has come, at the beginning and after each page. One that cannot be unwrapped
    stops no others.

    Raises KeysUnavailable and StoreUnavailable: what was done until then is kept.
    """
    so_far = Rewrapping(await store.count_data_keys())
    yield so_far
    after: RunId | None = None
    while page := await store.every_data_key(after=after, limit=PAGE):
        after = next(reversed(page))
        so_far = await _page(store, wrapper, page, so_far)
        yield so_far


async def _page(store: Store, wrapper: KeyWrapper, page: Mapping[RunId, bytes], so_far: Rewrapping) -> Rewrapping:
    own = {run: wrapped for run, wrapped in page.items() if not run.startswith(WITHIN_ANOTHER)}
    found = await asyncio.gather(*(_anew(wrapper, run, wrapped) for run, wrapped in own.items()))
    changes = [one for one in found if isinstance(one, Rewrapped)]
    changed = await store.rewrap_data_keys(changes) if changes else 0
    for one in found:
        if isinstance(one, KeysUnavailable):
            raise one
    wrong = [error.problems[0] for error in found if isinstance(error, KeyUnusable)]
    done = so_far.done + len(page)
    return Rewrapping(
        total=max(so_far.total, done),
        done=done,
        rewrapped=so_far.rewrapped + changed,
        failed=so_far.failed + len(wrong),
        problems=(*so_far.problems, *wrong)[:TOLD_MAX],
    )


async def _anew(wrapper: KeyWrapper, run: RunId, wrapped: bytes) -> Rewrapped | KeyUnusable | None:
    """The key as it is to be kept, None where it stays as it is, or why it has to."""
    try:
        anew = await wrapper.rewrap(wrapped, run.encode())
    except KeysUnavailable as error:
        return error
    except KeyUnusable as error:
        problem = error.problems[0]
        text = f"the data key of {run or 'no run'}: {problem.message}"
        return KeyUnusable(msgspec.structs.replace(problem, message=text))
    return Rewrapped(run, wrapped, anew) if anew is not None else None
