"""The suite of the port `KeyStore` on every adapter."""

import pytest

from accord.keys import FileKeyStore
from accord.testing.keys import MemoryKeyStore
from accord.testing.keystore_suite import KeyStoreSuite


class TestMemoryKeyStore(KeyStoreSuite):
    @pytest.fixture
    def keys(self):
        return MemoryKeyStore()


class TestFileKeyStore(KeyStoreSuite):
    @pytest.fixture
    async def keys(self, tmp_path):
        async with FileKeyStore.open(tmp_path / "keys", b"passphrase") as keys:
            yield keys
