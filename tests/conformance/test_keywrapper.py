"""The suite of the port `KeyWrapper` on every adapter."""

from contextlib import asynccontextmanager

import pytest

from accord.keys import FileKeyStore
from accord.keys.file import FileKeyWrapper
from accord.keys.opening import open_keys, wrapper_of
from accord.testing.keys import MemoryKeyWrapper
from accord.testing.keywrapper_suite import KeyWrapperSuite


@asynccontextmanager
async def wrapping(custody):
    async with open_keys(custody) as keys:
        yield wrapper_of(custody, keys)


class TestMemoryKeyWrapper(KeyWrapperSuite):
    @pytest.fixture
    def wrapper(self):
        return MemoryKeyWrapper()

    @pytest.fixture
    def other(self, wrapper):
        return wrapper  # its memory is what it knows, so there is no other process


class TestFileKeyWrapper(KeyWrapperSuite):
    @pytest.fixture
    async def wrapper(self, tmp_path):
        async with FileKeyStore.open(tmp_path / "keys", b"passphrase"):
            return FileKeyWrapper(tmp_path / "keys", b"passphrase")

    @pytest.fixture
    def other(self, tmp_path):
        return FileKeyWrapper(tmp_path / "keys", b"passphrase")


class OfService(KeyWrapperSuite):
    """A service's wrapper, and another connection to the service."""

    @pytest.fixture
    async def wrapper(self, custody):
        async with wrapping(custody) as wrapper:
            yield wrapper

    @pytest.fixture
    async def other(self, custody):
        async with wrapping(custody) as wrapper:
            yield wrapper


class TestTokenWrapper(OfService):
    @pytest.fixture
    def custody(self, hsm):
        return hsm.custody


class TestKmsWrapper(OfService):
    @pytest.fixture
    def custody(self, kms):
        return kms


class TestVaultWrapper(OfService):
    @pytest.fixture
    def custody(self, vault):
        return vault.custody
