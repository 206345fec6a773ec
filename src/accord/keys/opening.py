"""The key store that somebody has chosen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from accord.custody import Custody, KeysKind
from accord.keys.file import FileKeyStore, FileKeyWrapper, load_passphrase
from accord.keys.service import KeyService, ServiceKeyStore, opened
from accord.ports import KeyStore, KeyWrapper


@asynccontextmanager
async def open_keys(custody: Custody) -> AsyncIterator[KeyStore]:
    """The open key store: files, else what the address names. Only files need a passphrase.

    Raises:
        KeyUnusable: it cannot be opened, or its driver is not installed.
        BadInput: ACC628 the file with PIN or token cannot be read.
    """
    if custody.address is None:
        passphrase = load_passphrase(custody.passphrase, custody.files, makes=custody.makes_passphrase)
        async with FileKeyStore.open(custody.files, passphrase) as keys:
            yield keys
        return
    connect = _driver(custody.address.kind)
    async with opened(lambda: connect(custody)) as keys:
        yield keys


def _driver(kind: KeysKind) -> Callable[[Custody], KeyService]:
    """How the service is connected to. Each needs a driver, which is an extra. Raises KeyUnusable ACC629 without it."""
    if kind == "pkcs11":
        from accord.keys import pkcs11  # noqa: PLC0415 - as the docstring says

        return pkcs11.connect
    if kind == "awskms":
        from accord.keys import aws_kms  # noqa: PLC0415 - as above

        return aws_kms.connect
    from accord.keys import vault  # noqa: PLC0415 - as above

    return vault.connect


def wrapper_of(custody: Custody, keys: KeyStore) -> KeyWrapper:
    """What wraps data keys beside an open key store: the service that holds the keys, else a key in the folder of key
    files. Raises KeyUnusable.
    """
    if isinstance(keys, ServiceKeyStore):
        return keys
    passphrase = load_passphrase(custody.passphrase, custody.files, makes=custody.makes_passphrase)
    return FileKeyWrapper(custody.files, passphrase)
