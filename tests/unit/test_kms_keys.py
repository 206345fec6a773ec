"""Keys in AWS KMS: one alias for each, many calls at once, and what AWS says is told."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from botocore import exceptions as aws

from accord.custody import Custody
from accord.errors import AccordError, KeysUnavailable, KeyUnusable
from accord.keys.aws_kms import CALLS_MAX, KmsKeys, connect
from accord.keys.opening import open_keys
from accord.keys.service import ServiceKeyStore
from accord.testing.kms import kms as aws_kms


def aliases(keys: KmsKeys) -> dict[str, str]:
    listed = keys._client.list_aliases()["Aliases"]
    return {one["AliasName"]: one["TargetKeyId"] for one in listed if not one["AliasName"].startswith("alias/aws/")}


def test_a_name_is_an_alias_and_who_is_replaced_gets_another_one(kms: Custody) -> None:
    keys = connect(kms)
    old = keys.make("agent.local.one", "ES256")
    assert aliases(keys) == {"alias/accord/agent/local/one": old.handle}
    new = keys.succeed(old, "ES256")
    aside = f"alias/accord/Replaced/{old.stored.public.kid}"
    assert aliases(keys) == {"alias/accord/agent/local/one": new.handle, aside: old.handle}
    keys._client.update_alias(AliasName="alias/accord/agent/local/one", TargetKeyId=old.handle)
    assert keys.replaced() == [], "a crash came before the second step"
    again = keys.succeed(old, "Ed25519")
    assert [key.handle for key in keys.held()] == [again.handle]
    assert keys.replaced() == [old.stored.public.kid]
    keys.close()


def test_a_replaced_key_may_be_deleted(kms: Custody) -> None:
    keys = connect(kms)
    old = keys.make("agent", "ES256")
    new = keys.succeed(old, "ES256")
    keys._client.schedule_key_deletion(KeyId=old.handle, PendingWindowInDays=7)
    keys.close()
    later = connect(kms)
    assert [key.stored for key in later.held()] == [new.stored]
    assert later.replaced() == [old.stored.public.kid]
    later.close()


def test_aliases_of_others_are_left_alone(kms: Custody) -> None:
    keys = connect(kms)
    made = keys._client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"]
    for alias in ("other/agent", "accord/Agent", "accord/-x"):
        keys._client.create_alias(AliasName=f"alias/{alias}", TargetKeyId=made)
    assert keys.held() == []
    keys.close()


def test_who_comes_second_gets_nothing_and_leaves_nothing(kms: Custody, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = connect(kms), connect(kms)
    first.make("agent", "ES256")
    monkeypatch.setattr(second, "_named", lambda name: [])  # it looked a moment before
    with pytest.raises(KeyUnusable, match="ACC611"):
        second.make("agent", "ES256")
    states = [
        first._client.describe_key(KeyId=one["KeyId"])["KeyMetadata"]["KeyState"]
        for one in first._client.list_keys()["Keys"]
    ]
    assert sorted(states) == ["Enabled", "PendingDeletion"]
    first.close()
    second.close()


async def test_where_aws_has_no_ed25519_the_other_algorithm_is_named(tmp_path: Path) -> None:
    with aws_kms(tmp_path, has_ed25519=False) as custody:
        async with open_keys(custody) as keys:
            with pytest.raises(KeyUnusable, match=r"ACC634 .*Ed25519.*ES256"):
                await keys.create("agent", "Ed25519")
            assert (await keys.create("agent")).algorithm == "ES256"


async def test_signatures_are_made_at_once(kms: Custody, monkeypatch: pytest.MonkeyPatch) -> None:
    all_there = threading.Barrier(CALLS_MAX, timeout=20)
    service = connect(kms)
    signed = service._signed

    def together(*given: Any) -> bytes:
        all_there.wait()
        return signed(*given)

    keys = ServiceKeyStore(service)
    public = await keys.create("agent")
    monkeypatch.setattr(service, "_signed", together)
    assert len(await keys.sign(public.kid, [b"x"] * CALLS_MAX)) == CALLS_MAX
    assert len(await asyncio.gather(*(keys.sign(public.kid, [b"x"]) for _ in range(CALLS_MAX)))) == CALLS_MAX
    await keys.close()


def refusal(code: str, status: int = 400) -> aws.ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "told"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return aws.ClientError(answer, "Sign")


SAID: tuple[tuple[Exception, type[AccordError], str], ...] = (
    (refusal("ThrottlingException"), KeysUnavailable, "ACC630"),
    (refusal("KMSInternalException", 500), KeysUnavailable, "ACC630"),
    (refusal("Unheard", 503), KeysUnavailable, "ACC630"),
    (refusal("AccessDeniedException"), KeyUnusable, "ACC632"),
    (refusal("NotFoundException"), KeyUnusable, "ACC633"),
    (refusal("DisabledException"), KeyUnusable, "ACC636"),
    (aws.EndpointConnectionError(endpoint_url="x"), KeysUnavailable, "ACC630"),
    (aws.ReadTimeoutError(endpoint_url="x"), KeysUnavailable, "ACC630"),
    (aws.NoCredentialsError(), KeyUnusable, "ACC632"),
    (aws.NoRegionError(), KeyUnusable, "ACC633"),
    (aws.UnknownServiceError(service_name="x", known_service_names="y"), KeyUnusable, "ACC636"),
)


def test_what_aws_says_is_told(kms: Custody, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = connect(kms)
    key = keys.make("agent", "ES256")
    for said, error, code in SAID:

        def refuse(said: Exception = said, **_: Any) -> Any:
            raise said

        monkeypatch.setattr(keys._client, "sign", refuse)
        with pytest.raises(error, match=code) as told:
            keys.sign(key, [b"x"])
        assert type(told.value) is error
        assert told.value.problems[0].hint
    keys.close()


def test_what_is_no_signature_is_not_taken_for_one(kms: Custody, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = connect(kms)
    key = keys.make("agent", "ES256")
    for signature in (b"", b"x" * 70, bytes.fromhex("3026022100" + "ff" * 33 + "020101")):
        monkeypatch.setattr(keys._client, "sign", lambda signature=signature, **_: {"Signature": signature})
        with pytest.raises(KeyUnusable, match="ACC635"):
            keys.sign(key, [b"x"])
    keys.close()


def test_a_key_of_another_kind_wraps_nothing(kms: Custody) -> None:
    keys = connect(kms)
    made = keys.make("agent", "ES256")
    keys._client.create_alias(AliasName="alias/accord/Wrapping", TargetKeyId=made.handle)
    with pytest.raises(KeyUnusable, match=r"ACC880 .*ECC_NIST_P256"):
        keys.wrap(b"k" * 32, b"run_1")


def test_who_makes_the_key_that_wraps_second_takes_the_first_ones(kms: Custody) -> None:
    first, second = connect(kms), connect(kms)
    wrapped = first.wrap(b"k" * 32, b"run_1")
    second._make_to_wrap()
    assert second.unwrap(wrapped, b"run_1") == b"k" * 32
    assert second.rewrap(wrapped, b"run_1") is None
    assert first.held() == []


def test_only_keys_that_have_wrapped_here_unwrap(kms: Custody) -> None:
    keys = connect(kms)
    keys.wrap(b"k" * 32, b"run_1")
    keys.new_wrapping_key()
    other = keys._client.create_key(KeySpec="SYMMETRIC_DEFAULT", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
    forged = keys._client.encrypt(KeyId=other, Plaintext=b"f" * 32, EncryptionContext={"accord": "run/run_1"})
    for asked in (keys.unwrap, keys.rewrap):
        with pytest.raises(KeyUnusable, match="ACC875"):
            asked(forged["CiphertextBlob"], b"run_1")
    assert keys.held() == []
    assert keys.replaced() == []


def test_what_aws_says_of_wrapping_is_told(kms: Custody, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = connect(kms)
    wrapped = keys.wrap(b"k" * 32, b"run_1")
    refused = keys._client.exceptions
    for said, code in (
        (refusal("KMSInternalException", 500), "ACC630"),
        (refused.IncorrectKeyException({"Error": {"Code": "IncorrectKeyException"}}, "Decrypt"), "ACC875"),
        (refusal("DisabledException"), "ACC636"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(keys._client, "decrypt", Mock(side_effect=said))
            with pytest.raises(KeyUnusable, match=code):
                keys.unwrap(wrapped, b"run_1")
    assert keys.unwrap(wrapped, b"run_1") == b"k" * 32


@pytest.mark.parametrize(
    ("code", "left"), [("AccessDeniedException", "PendingDeletion"), ("KMSInternalException", "Enabled")]
)
def test_a_key_that_gets_no_alias_is_taken_back_unless_it_may_have_one(
    kms: Custody, monkeypatch: pytest.MonkeyPatch, code: str, left: str
) -> None:
    keys = connect(kms)
    old = keys.make("agent", "ES256")
    for step, name in (
        (lambda: keys.make("other", "ES256"), "create_alias"),
        (lambda: keys.succeed(old, "ES256"), "update_alias"),
        (lambda: keys.wrap(b"k" * 32, b"run_1"), "create_alias"),
    ):
        before = states(keys)
        with monkeypatch.context() as patch:
            patch.setattr(keys._client, name, Mock(side_effect=refusal(code)))
            with pytest.raises(KeyUnusable, match="ACC63"):
                step()
        (made,) = set(states(keys)) - set(before)
        assert states(keys)[made] == left
    keys.close()


def states(keys: KmsKeys) -> dict[str, str]:
    ids = [one["KeyId"] for one in keys._client.list_keys()["Keys"]]
    return {one: keys._client.describe_key(KeyId=one)["KeyMetadata"]["KeyState"] for one in ids}


def test_a_key_that_is_about_to_be_deleted_hides_no_other(kms: Custody, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, later = connect(kms), connect(kms)
    gone, kept = keys.make("a", "ES256"), keys.make("b", "ES256")
    given = later._client.get_public_key

    def get(KeyId: str) -> Any:  # noqa: N803 - as AWS calls it
        if KeyId == gone.handle:
            raise later._client.exceptions.KMSInvalidStateException(
                {"Error": {"Code": "KMSInvalidStateException"}}, "x"
            )
        return given(KeyId=KeyId)

    monkeypatch.setattr(later._client, "get_public_key", get)
    assert [key.stored.name for key in later.held()] == [kept.stored.name]
    with pytest.raises(KeyUnusable, match="ACC636"):
        later.held("a")
    keys.close()
    later.close()
