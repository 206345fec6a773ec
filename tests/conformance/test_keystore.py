"""The suite of the port `KeyStore` on every adapter."""

import pytest

from accord.keys import FileKeyStore
from accord.keys.opening import open_keys
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


class TestTokenKeys(KeyStoreSuite):
    @pytest.fixture
    async def keys(self, hsm):
        async with open_keys(hsm.custody) as keys:
            yield keys


class TestKmsKeys(KeyStoreSuite):
    @pytest.fixture
    async def keys(self, kms):
        async with open_keys(kms) as keys:
            yield keys


class TestVaultKeys(KeyStoreSuite):
    @pytest.fixture
    async def keys(self, vault):
        async with open_keys(vault.custody) as keys:
            yield keys
