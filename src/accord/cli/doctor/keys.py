"""The keys: whether their files can be opened by us alone, or their key store answers, and how fast it signs."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from accord.cli.doctor.finding import Finding, made
from accord.cli.output import counted
from accord.errors import BadInput, KeyUnusable
from accord.keys.file import load_passphrase
from accord.keys.opening import open_keys, wrapper_of
from accord.keys.private import fault, secret_in
from accord.ports import KeyStore
from accord.settings import Settings

SLOW_SIGNATURE_S: Final = 0.25
"""From here on it is slow even for a cloud."""

TRIAL: Final = b"accord doctor"
"""No run's data key is bound to it."""

SIGNATURES: Final = 3
"""Of so many the fastest counts: the first one may have to make a connection."""


def keys(settings: Settings) -> Iterator[Finding]:
    """All findings about them."""
    yield from made(_passphrase if settings.keys is None else _secret, settings)
    yield from made(_keys, settings)


def _keys(settings: Settings) -> Finding:
    return _files(settings) if settings.keys is None else _service(settings)


async def _wrap(settings: Settings, keys: KeyStore) -> None:
    """Wrap a data key and unwrap it, where runs are encrypted; the key for that is made where there is none, as by the
    next run. Raises KeyUnusable.
    """
    if settings.encrypt_payloads:
        wrapper = wrapper_of(settings.custody, keys)
        made = await wrapper.data_key(TRIAL)
        if await wrapper.unwrap(made.wrapped, TRIAL) != made.plain:
            raise KeyUnusable(fault("ACC876", str(settings.custody), detail="it is not what was wrapped just now"))


def _secret(settings: Settings) -> Iterator[Finding]:
    """The file with PIN or token; what cannot be read, or what others may read, is told by the key store."""
    path = settings.keys_secret_file
    if path is not None and path.exists():
        with suppress(KeyUnusable, BadInput):
            secret_in(path)
            yield Finding("keys' secret", "ok", f"{path} ({stat.S_IMODE(path.stat().st_mode):04o})")


def _service(settings: Settings) -> Finding:
    """The key store: that it lets us in, lists keys, and signs."""
    custody = settings.custody

    async def look() -> tuple[int, float | None]:
        async with open_keys(custody) as keys:
            stored = await keys.stored()
            await _wrap(settings, keys)
            taken_s = []
            for one in stored[:1] * SIGNATURES:
                begin = time.perf_counter()
                await keys.sign(one.public.kid, [b"accord doctor"])
                taken_s.append(time.perf_counter() - begin)
            return len(stored), min(taken_s, default=None)

    count, signed_s = asyncio.run(look())
    told = f"{custody}: {counted(count, 'key')}"
    if signed_s is None:
        return Finding("keys", "ok", told)
    told += f", {signed_s * 1000:.1f} ms a signature"
    if signed_s > SLOW_SIGNATURE_S:
        return Finding("keys", "warn", told, "this is slow: runs will be, too. Is it far away, or busy?")
    return Finding("keys", "ok", told)


def _passphrase(settings: Settings) -> Finding:
    path = settings.passphrase
    if not path.exists():
        if settings.passphrase_file is not None:
            hint = "put it there, or leave passphrase_file out: then one is made in the home"
            return Finding("passphrase", "fail", f"{path} is not there", hint)
        if settings.key_files.is_dir() and any(settings.key_files.glob("*.pem")):
            return Finding("passphrase", "fail", f"{path} is gone, and there are keys", "restore it from a copy")
        return Finding("passphrase", "ok", "none yet")
    load_passphrase(path, settings.key_files)
    return Finding("passphrase", "ok", f"{path}, readable by you alone")


def _files(settings: Settings) -> Finding:
    if not settings.key_files.is_dir() or not any(settings.key_files.glob("*.pem")):
        return Finding("keys", "ok", "none yet")
    if not settings.passphrase.exists():
        return Finding("keys", "fail", "they cannot be opened without their passphrase")

    async def load() -> int:
        async with open_keys(settings.custody) as keys:
            await _wrap(settings, keys)
            return len(await keys.stored())

    count = asyncio.run(load())
    return Finding("keys", "ok", f"{counted(count, 'key')}, readable by you alone")
