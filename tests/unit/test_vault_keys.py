"""Keys in Vault: versions, tokens that change, many calls at once, and what Vault says is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from accord.custody import keys_address
from accord.domain.signature import is_signature
from accord.errors import BadInput, KeysUnavailable, KeyUnusable
from accord.keys.opening import open_keys
from accord.keys.service import ServiceKeyStore
from accord.keys.vault import CALLS_MAX, VaultKeys, Version, connect
from accord.testing.certificates import Authority
from accord.testing.vault import VaultServer, vault_server


@pytest.fixture
def keys(vault: VaultServer) -> Iterator[VaultKeys]:
    service = connect(vault.custody)
    yield service
    service.close()


def test_to_replace_is_to_rotate(keys: VaultKeys) -> None:
    first = keys.make("agent.x", "ES256")
    second = keys.succeed(first, "ES256")
    third = keys.succeed(second, "Ed25519")
    fourth = keys.succeed(third, "ES256")
    assert [key.handle for key in keys.held("agent.x")] == [
        Version("accord-agent.x_es256", 1),
        Version("accord-agent.x_es256", 2),
        Version("accord-agent.x_ed25519", 1),
        Version("accord-agent.x_es256", 3),
    ]
    assert [key.current for key in keys.held("agent.x")] == [False, False, False, True]
    for key in (first, second, third, fourth):
        (signature,) = keys.sign(key, [b"data"])
        assert is_signature(key.stored.public, signature, b"data")


@pytest.mark.parametrize("name", ["a.", "a-", "a_", "a_es256", "a..b", "0"])
def test_every_name_has_a_place_of_its_own(keys: VaultKeys, name: str) -> None:
    made = keys.make(name, "ES256")
    assert keys.held() == keys.held(name) == [made]


def test_keys_of_others_are_left_alone(keys: VaultKeys) -> None:
    for name in ("other", "accord", "accord-a", "accord-A_es256", "accord-a_rsa"):
        keys._transit.create_key(name=name, key_type="ed25519", mount_point=keys._mount)
    assert keys.held() == []


def test_who_comes_second_is_told(keys: VaultKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    first = keys.make("agent", "ES256")
    monkeypatch.setattr(keys, "_versions", lambda name: [])  # it looked a moment before
    with pytest.raises(KeyUnusable, match="ACC611"):
        keys.make("agent", "ES256")
    monkeypatch.undo()
    assert keys.held() == [first]


def test_a_new_token_is_taken_from_the_file(vault: VaultServer, keys: VaultKeys) -> None:
    key = keys.make("agent", "ES256")
    vault.token = "hvs.another"  # noqa: S105 - of nothing
    with pytest.raises(KeyUnusable, match=r"ACC632 .*permission denied") as refused:
        keys.sign(key, [b"x"])
    assert "hvs." not in str(refused.value)
    vault.secret.write_text("hvs.another\n")
    vault.secret.chmod(0o604)
    with pytest.raises(KeyUnusable, match="ACC613"):
        keys.sign(key, [b"x"])
    vault.secret.chmod(0o600)
    assert len(keys.sign(key, [b"x"])) == 1


async def test_calls_are_made_at_once(vault: VaultServer) -> None:
    all_there = threading.Barrier(CALLS_MAX, timeout=20)
    async with open_keys(vault.custody) as keys:
        public = await keys.create("agent")
        vault.before = lambda path: all_there.wait() and None
        signed = await asyncio.gather(*(keys.sign(public.kid, [b"x", b"y"]) for _ in range(CALLS_MAX)))
        assert all(is_signature(public, signature, b"y") for _, signature in signed)


def test_a_list_is_signed_in_one_call(vault: VaultServer, keys: VaultKeys) -> None:
    key = keys.make("agent", "Ed25519")
    asked: list[str] = []
    vault.before = asked.append
    assert len(keys.sign(key, [bytes([number]) for number in range(64)])) == 64
    assert asked == ["/v1/team/transit/sign/accord-agent_ed25519"]


async def test_who_does_not_answer_is_away(vault: VaultServer) -> None:
    asked, answers = threading.Event(), threading.Event()
    service = connect(vault.custody)
    keys = ServiceKeyStore(service, answers_within_s=0.0)
    vault.before = lambda path: asked.set() or (answers.wait() and None)
    with pytest.raises(KeysUnavailable, match="ACC631"):
        await keys.stored()
    answers.set()
    await keys.close()


def test_what_vault_says_is_told(vault: VaultServer, keys: VaultKeys) -> None:
    key = keys.make("agent", "ES256")
    with pytest.raises(KeyUnusable, match=r"ACC636 .*higher than the latest"):
        keys.sign(msgspec.structs.replace(key, handle=Version("accord-agent_es256", 2)), [b"x"])
    vault.is_sealed = True
    with pytest.raises(KeysUnavailable, match=r"ACC630 .*Vault is sealed"):
        keys.sign(key, [b"x"])
    vault.is_sealed = False
    elsewhere = keys_address(f"{keys._client.url.replace('http:', 'vault+http:')}/nowhere")
    lost = VaultKeys(elsewhere, vault.secret)
    with pytest.raises(KeyUnusable, match=r"ACC633 .*no handler for route"):
        lost.held("agent")
    lost.close()
    with pytest.raises(KeyUnusable, match="ACC638"):
        connect(msgspec.structs.replace(vault.custody, secret=None))
    vault.secret.unlink()
    with pytest.raises(BadInput, match="ACC628"):
        connect(vault.custody)


def test_a_kind_that_it_does_not_make_is_named(
    vault: VaultServer, keys: VaultKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accord.testing.vault.KINDS", ("ecdsa-p256",))
    with pytest.raises(KeyUnusable, match=r"ACC634 .*Ed25519"):
        keys.make("agent", "Ed25519")


def test_a_server_that_is_gone_is_away(vault: VaultServer, keys: VaultKeys) -> None:
    vault.stop()
    with pytest.raises(KeysUnavailable, match="ACC630"):
        keys.held()


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"signature": "vault:v2:" + "A" * 86},
        {"signature": "other:v1:" + "A" * 86},
        {"signature": "vault:v1:" + "A" * 82},
        {"signature": "vault:v1:" + "A" * 85 + "="},
        {"signature": "vault:v1:" + "A" * 85 + "\n"},
        {"error": "told"},
    ],
)
async def test_what_is_no_signature_is_not_taken_for_one(
    vault: VaultServer, monkeypatch: pytest.MonkeyPatch, result: dict[str, Any]
) -> None:
    async with open_keys(vault.custody) as keys:
        public = await keys.create("agent")
        answer = {"data": {"batch_results": [result]}}
        monkeypatch.setattr(vault.transit, "_sign", lambda name, body: answer)
        with pytest.raises(KeyUnusable, match=r"ACC63[56]"):
            await keys.sign(public.kid, [b"x"])


def test_a_key_that_does_not_bind_what_it_wraps_is_refused(keys: VaultKeys) -> None:
    keys._transit.create_key(name="accord-wrapping_aes256", mount_point=keys._mount)
    with pytest.raises(KeyUnusable, match=r"ACC880 .*derived"):
        keys.wrap(b"k" * 32, b"run_1")


def test_nothing_is_unwrapped_where_nothing_was_wrapped(vault: VaultServer, keys: VaultKeys) -> None:
    with pytest.raises(KeyUnusable, match="ACC875"):
        keys.unwrap(b"vault:v1:" + b"A" * 80, b"run_1")
    assert vault.transit._ciphers == {}


def test_the_key_that_wraps_is_nobodys_and_may_be_away(vault: VaultServer, keys: VaultKeys) -> None:
    wrapped = keys.wrap(b"k" * 32, b"run_1")
    assert keys.held() == []
    vault.is_sealed = True
    with pytest.raises(KeysUnavailable, match="ACC630"):
        keys.unwrap(wrapped, b"run_1")
    vault.is_sealed = False
    assert keys.unwrap(wrapped, b"run_1") == b"k" * 32


def test_without_tls_no_proxy_gets_the_token(
    keys: VaultKeys, vault: VaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert keys.held() == []
    with_tls = VaultKeys(keys_address("vault://127.0.0.1:1/transit"), vault.custody.secret)  # type: ignore[arg-type]
    assert with_tls._session.trust_env
    with_tls.close()


def test_only_the_issuers_that_the_address_names_are_believed(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    with vault_server(tmp_path, authority.issue("vault", "127.0.0.1")) as server:
        told = []
        for ca in ("", f"?ca={authority.ca}", f"?ca={stranger.ca}", f"?ca={tmp_path}/none.pem"):
            address = keys_address(f"{server.custody.address}{ca}")
            service = connect(msgspec.structs.replace(server.custody, address=address))
            try:
                told.append(str(service.held()))
            except KeyUnusable as error:
                told.append(error.problems[0].code)
            service.close()
    assert told == ["ACC630", "[]", "ACC630", "ACC633"]
