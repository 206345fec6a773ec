"""Keys by their names."""

from __future__ import annotations

from accord.domain.signature import PublicKey
from accord.errors import KeyUnusable, NotFound
from accord.ports import KeyStore


async def key_of(keys: KeyStore, name: str) -> PublicKey:
    """The key of this name, made where there is none. Raises KeyUnusable."""
    try:
        return await keys.public(name)
    except NotFound:
        try:
            return await keys.create(name)
        except KeyUnusable:
            # Another process that shares the store may have made it meanwhile.
            try:
                return await keys.public(name)
            except NotFound:
                pass
            raise
