"""The suite of the port `KeyWrapper` on every adapter."""

from contextlib import asynccontextmanager

import pytest
from pkcs11 import Attribute, ObjectClass

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

    @pytest.fixture
    def forget(self, wrapper):
        async def forget():
            wrapper.forget_before()

        return forget


class TestFileKeyWrapper(KeyWrapperSuite):
    @pytest.fixture
    async def wrapper(self, tmp_path):
        async with FileKeyStore.open(tmp_path / "keys", b"passphrase"):
            return FileKeyWrapper(tmp_path / "keys", b"passphrase")

    @pytest.fixture
    def other(self, tmp_path):
        return FileKeyWrapper(tmp_path / "keys", b"passphrase")

    @pytest.fixture
    def forget(self, tmp_path):
        async def forget():
            for old in (tmp_path / "keys" / "replaced").glob("wrapping-*.key"):
                old.unlink()

        return forget

    async def test_a_process_that_begins_after_a_rotation_finds_both_keys(self, wrapper, tmp_path):
        made = await wrapper.data_key(b"run_1")
        await wrapper.new_wrapping_key()
        later = FileKeyWrapper(tmp_path / "keys", b"passphrase")
        assert await later.unwrap(made.wrapped, b"run_1") == made.plain
        assert [path.suffix for path in (tmp_path / "keys" / "replaced").iterdir()] == [".key"]


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

    @pytest.fixture
    def forget(self, wrapper):
        def destroy(session):
            keys = list(session.driver.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}))
            last = max(keys, key=lambda key: key[Attribute.LABEL])
            for key in keys:
                if key[Attribute.LABEL] != last[Attribute.LABEL]:
                    key.destroy()

        async def forget():
            wrapper._service._with_session(destroy)

        return forget


class TestKmsWrapper(OfService):
    @pytest.fixture
    def custody(self, kms):
        return kms

    @pytest.fixture
    def forget(self, wrapper):
        async def forget():
            client = wrapper._service._client
            for alias, target in list(wrapper._service._targets()):
                if alias.startswith("Wrapped/"):
                    client.schedule_key_deletion(KeyId=target, PendingWindowInDays=7)

        return forget


class TestVaultWrapper(OfService):
    @pytest.fixture
    def custody(self, vault):
        return vault.custody

    @pytest.fixture
    def forget(self, wrapper):
        async def forget():
            service = wrapper._service
            key = "accord-wrapping_aes256"
            versions = service._transit.read_key(name=key, mount_point=service._mount)["data"]["latest_version"]
            service._transit.update_key_configuration(
                name=key, min_decryption_version=versions, mount_point=service._mount
            )

        return forget
