"""The data keys of runs: made when a run begins, at hand while it is in memory, asked for each time when it has ended.

ACC870  nothing wraps data keys here              ACC872  the documents of a run are erased
ACC873  a document's run has no data key
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Final

from accord.domain.document import Document
from accord.domain.ids import Digest, RunId
from accord.encryption import Cipher
from accord.encryption.cipher import KEY_BYTES
from accord.engine.rewrapping import WITHIN_ANOTHER, Rewrapping, rewrapping
from accord.errors import ERASED, KeyUnusable, NotFound
from accord.ports import DataKeys as Store
from accord.ports import KeyWrapper
from accord.recent import Recent

TRIAL: Final = RunId("")
"""No run: what is kept under it shows whether all processes wrap under the same key."""

BEGUN_MAX: Final = 1024


class DataKeys:
    """The ciphers of runs. A run gets its data key before its first event, and never later."""

    def __init__(self, store: Store, wrapper: KeyWrapper | None, *, every_run: bool) -> None:
        self._store = store
        self._wrapper = wrapper
        self._every_run = every_run
        self._at_hand: dict[RunId, Cipher] = {}
        self._begun: Recent[RunId, Cipher | None] = Recent(BEGUN_MAX)
        """Of runs whose first event is not there yet: the store need not be asked for what was kept just now."""

    async def try_out(self) -> None:
        """Raise KeyUnusable where other processes wrap the data keys of this store under another key."""
        if self._every_run:
            await self._kept(TRIAL)

    async def begin(self, run: RunId, above: Sequence[RunId] = ()) -> Cipher | None:
        """The cipher of a run that is to begin; None where it begins unencrypted. It is encrypted where every run is,
        and where one of those above it is: a parent, or the run that it is forked from.
        """
        encrypts = self._every_run or (above and await self._store.data_keys(above))
        cipher = Cipher(run, await self._kept(run)) if encrypts else None
        self._begun[run] = cipher
        return cipher

    async def own(self, name: RunId) -> Cipher:
        """A cipher for what belongs to no run, under the data key of this name, made where there is none. Raises
        KeyUnusable.
        """
        return Cipher(name, await self._kept(name))

    async def keep_under(self, over: Cipher, name: RunId) -> Cipher:
        """A cipher under a new data key, which another cipher wraps: to read many such keys, whatever wraps data keys
        has to be asked once. Names of such keys begin with `WITHIN_ANOTHER`.
        """
        if not name.startswith(WITHIN_ANOTHER):
            raise ValueError(name)
        key = secrets.token_bytes(KEY_BYTES)
        document, text = over.encrypted(key)
        await self._store.keep_data_key(name, bytes.fromhex(document.sha256) + text)
        return Cipher(name, key)

    async def find_under(self, over: Cipher, names: Sequence[RunId]) -> dict[RunId, Cipher]:
        """The ciphers of those of these names whose keys are not erased. Raises StoreCorrupt."""
        kept = await self._store.data_keys(names)
        return {name: Cipher(name, _opened(over, wrapped)) for name, wrapped in kept.items() if wrapped is not None}

    async def rewrap(self, *, new_key: bool) -> AsyncIterator[Rewrapping]:
        """Wrap all data keys under the key that wraps now, or under a new one; see `rewrapping`. Raises KeyUnusable
        ACC870, ACC884.
        """
        wrapper = self._needed()
        if new_key:
            await wrapper.new_wrapping_key()
        async for so_far in rewrapping(self._store, wrapper):
            yield so_far

    async def begin_part(self, run: RunId, of: RunId, now: datetime) -> Cipher | None:
        """The cipher of a run that is to do a task of another one, which will hold its output as it is."""
        cipher = await self.begin(run, (of,))
        if cipher is not None:
            await self._store.use_data_keys(of, [run], part=True, now=now)
        return cipher

    async def use(self, run: RunId, documents: Iterable[Document], now: datetime) -> None:
        """Let the keys of these documents stay as long as the run that takes them over, unless somebody erases them.
        Raises NotFound ACC873 where one has gone with its run already.
        """
        keys = sorted({document.encrypted.key for document in documents if document.encrypted is not None})
        gone = set(keys).difference(await self._store.use_data_keys(run, keys, part=False, now=now) if keys else ())
        if gone:
            raise no_key(min(gone))

    async def parts_of(self, runs: Sequence[RunId]) -> list[RunId]:
        """Whose keys are there of what did tasks of these runs, or of such runs, also where they were removed."""
        found: list[RunId] = []
        todo = list(runs)
        while todo:
            run = todo.pop()
            parts = [use.key for use in await self._store.data_key_uses(run) if use.run == run and use.part]
            todo += [part for part in parts if part not in found]
            found += [part for part in parts if part not in found]
        return found

    async def whole_of(self, run: RunId) -> RunId | None:
        """The run that it did a task of."""
        return next((use.run for use in await self._store.data_key_uses(run) if use.key == run and use.part), None)

    async def users(self, run: RunId) -> list[RunId]:
        """The runs that hold documents under this one's key, beside itself; some of them may be gone."""
        return [use.run for use in await self._store.data_key_uses(run) if use.key == run]

    async def hold(self, run: RunId) -> Cipher | None:
        """The cipher of a run, at hand until it is let go of; None where the run is not encrypted."""
        return self._held(run, await self.find(run))

    async def hold_new(self, run: RunId) -> Cipher | None:
        """The same of a run that is about to have its first event: where it was begun here, nothing is read."""
        return self._held(run, self._begun.pop(run) if run in self._begun else await self.find(run))

    def _held(self, run: RunId, cipher: Cipher | None) -> Cipher | None:
        if cipher is not None:
            self._at_hand[run] = cipher
        return cipher

    def let_go(self, run: RunId) -> None:
        """Keep the cipher of this run no longer."""
        self._at_hand.pop(run, None)

    def at_hand(self, run: RunId | None) -> Cipher | None:
        """The cipher of a run that is in memory and encrypted."""
        return self._at_hand.get(run) if run is not None else None

    async def find(self, run: RunId) -> Cipher | None:
        """The cipher of a run, as the store has its key now; None where the run was never encrypted.

        Raises NotFound ACC872 where the key was erased, KeyUnusable where it cannot be unwrapped.
        """
        kept = await self._store.data_keys([run])
        if run not in kept:
            return None
        wrapped = kept[run]
        if wrapped is None:
            raise erased(run)
        return Cipher(run, await self._unwrapped(run, wrapped))

    async def cipher(self, run: RunId) -> Cipher | None:
        """The cipher that is at hand, or else is found. Raises NotFound, KeyUnusable."""
        return self.at_hand(run) or await self.find(run)

    async def encrypted(self, runs: Sequence[RunId]) -> list[RunId]:
        """Those of these runs that are encrypted, or were before they were erased."""
        kept = await self._store.data_keys(runs)
        return [run for run in runs if run in kept]

    async def erase(self, runs: Sequence[RunId]) -> None:
        """Take the data keys of these runs away, for good."""
        for run in runs:
            self._at_hand.pop(run, None)
            self._begun.pop(run, None)
        await self._store.erase_data_keys(runs)

    async def _kept(self, run: RunId) -> bytes:
        """The data key of a run, made where it has none."""
        fresh = await self._needed().data_key(run.encode())
        wrapped = await self._store.keep_data_key(run, fresh.wrapped)
        if wrapped is None:
            raise erased(run)
        return fresh.plain if wrapped == fresh.wrapped else await self._unwrapped(run, wrapped)

    async def _unwrapped(self, run: RunId, wrapped: bytes) -> bytes:
        return await self._needed().unwrap(wrapped, run.encode())

    def _needed(self) -> KeyWrapper:
        if self._wrapper is None:
            hint = "the key store has to be one that does: docs/how-to/erase.md"
            raise KeyUnusable.of("ACC870", "nothing here wraps the data keys of encrypted runs", hint=hint)
        return self._wrapper


def _opened(over: Cipher, wrapped: bytes) -> bytes:
    return over.decrypted(Document(Digest(wrapped[:32].hex()), KEY_BYTES), wrapped[32:])


def no_key(run: RunId) -> NotFound:
    """The error that a document's run has no data key."""
    return NotFound.of("ACC873", f"there is no data key of {run}: it never was, or has gone with the run, in time")


def erased(run: RunId) -> NotFound:
    """The error that what belongs to this run cannot be read any more."""
    return NotFound.of(ERASED, f"the documents of {run} are erased", hint=f"who and why: accord runs show {run}")
