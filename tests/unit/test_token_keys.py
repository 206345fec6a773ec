"""Keys in a PKCS#11 token: they cannot be taken out, sessions are many, and what the token says is told."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pkcs11
import pytest
from pkcs11 import Attribute, ObjectClass

import accord
from accord.custody import Custody, keys_address
from accord.domain.ids import KeyId
from accord.domain.signature import is_signature
from accord.errors import BadInput, KeysUnavailable, KeyUnusable, NotFound
from accord.keys import pkcs11_wrapping as wrapping
from accord.keys.opening import open_keys
from accord.keys.pkcs11 import TokenKeys, _new_id, connect
from accord.testing.softhsm import SoftHsm


@pytest.fixture
def keys(hsm: SoftHsm) -> Iterator[TokenKeys]:
    token = connect(hsm.custody)
    yield token
    token.close()


def objects(keys: TokenKeys, wanted: dict[Any, Any]) -> list[Any]:
    return keys._with_session(lambda session: list(session.driver.get_objects(wanted)))


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
def test_private_halves_cannot_be_taken_out(keys: TokenKeys, algorithm: Any) -> None:
    keys.make("agent", algorithm)
    (private,) = objects(keys, {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: "agent"})
    for attribute in (Attribute.SENSITIVE, Attribute.ALWAYS_SENSITIVE, Attribute.NEVER_EXTRACTABLE, Attribute.PRIVATE):
        assert private[attribute] is True
    assert private[Attribute.EXTRACTABLE] is False
    with pytest.raises(pkcs11.AttributeSensitive):
        _ = private[Attribute.VALUE]
    for use in (Attribute.DERIVE, Attribute.DECRYPT, Attribute.UNWRAP):
        assert private[use] is False
    with pytest.raises(pkcs11.PKCS11Error):
        private[Attribute.EXTRACTABLE] = True


def test_a_token_that_would_give_a_key_away_gets_none(keys: TokenKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accord.keys.pkcs11._PRIVATE", {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True})
    with pytest.raises(KeyUnusable, match="ACC634"):
        keys.make("agent", "ES256")
    assert objects(keys, {Attribute.LABEL: "agent"}) == []


def test_signatures_are_made_at_once(keys: TokenKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys.at_once > 1
    key = keys.make("agent", "ES256")
    all_there = threading.Barrier(keys.at_once, timeout=20)
    with ThreadPoolExecutor(keys.at_once) as threads:

        def sign(number: int) -> bool:
            data = str(number).encode()
            keys._with_session(lambda session: all_there.wait())
            (signature,) = keys.sign(key, [data])
            return is_signature(key.stored.public, signature, data)

        assert all(threads.map(sign, range(keys.at_once)))


async def test_of_two_processes_that_make_one_name_one_has_it(hsm: SoftHsm) -> None:
    names = [f"agent.{number}" for number in range(4)]
    program = f"""
import asyncio, msgspec, sys
from pathlib import Path
from accord.keys.named import key_of
from accord.keys.opening import open_keys
from accord.custody import Custody, keys_address

async def main():
    address, secret = map(str, msgspec.json.decode(sys.stdin.read()))
    custody = Custody(files=Path(), passphrase=Path(), address=keys_address(address), secret=Path(secret))
    async with open_keys(custody) as keys:
        print(*[(await key_of(keys, name)).kid for name in {names}])

asyncio.run(main())
"""
    given = msgspec.json.encode([str(hsm.custody.address), str(hsm.custody.secret)])
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(Path(accord.__file__).parents[1])}
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
        )
        for _ in range(2)
    ]
    told = await asyncio.gather(*(process.communicate(given) for process in processes))
    assert b"".join(error for _, error in told).decode() == ""
    first, second = (output.split() for output, _ in told)
    assert first == second
    async with open_keys(hsm.custody) as keys:
        assert {key.name: key.public.kid.encode() for key in await keys.stored()} == dict(
            zip(names, first, strict=True)
        )
        assert await keys.replaced() == []


def test_who_meets_another_one_gives_way_and_tries_again(keys: TokenKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    made, generated = [], keys._generated

    def beside_another(name: str, algorithm: Any, key_id: bytes, **how: Any) -> Any:
        made.append(generated(name, algorithm, key_id, **how))
        if len(made) == 1:
            other = generated(name, algorithm, key_id[:-1] + bytes([key_id[-1] ^ 1]))
            monkeypatch.setattr("accord.keys.pkcs11.time.sleep", lambda _: keys._destroy(other.handle))
        return made[-1]

    monkeypatch.setattr(keys, "_generated", beside_another)
    assert keys.make("agent", "ES256") == made[-1]
    assert len(made) == 2
    assert [key.handle for key in keys.held()] == [made[1].handle]


def test_a_successor_is_later_whatever_the_clock_says(keys: TokenKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    old = keys.make("agent", "ES256")
    monkeypatch.setattr("accord.keys.pkcs11.time.time_ns", lambda: 0)
    new = keys.succeed(old, "ES256")
    assert [(key.handle, key.current) for key in keys.held("agent")] == [(old.handle, False), (new.handle, True)]


def test_what_others_keep_in_the_token_is_left_alone(keys: TokenKeys, hsm: SoftHsm) -> None:
    def generate(session: Any) -> None:
        session.driver.generate_keypair(pkcs11.KeyType.RSA, 2048, id=b"accord-rsa", label="rsa", store=False)
        session.driver.create_object(
            {Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: "agent", Attribute.TOKEN: False}
        )
        assert keys.held() == []

    keys._with_session(generate)


async def test_a_lost_session_is_opened_anew(hsm: SoftHsm, keys: TokenKeys) -> None:
    key = keys.make("agent", "ES256")
    keys._login.close()  # logs out all sessions of this process
    (signature,) = keys.sign(key, [b"data"])
    assert is_signature(key.stored.public, signature, b"data")
    keys._free[0].driver.close()
    (signature,) = keys.sign(key, [b"data"])
    assert is_signature(key.stored.public, signature, b"data")


def test_a_pin_that_was_refused_is_not_tried_again(keys: TokenKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    key, tried = keys.make("agent", "ES256"), []

    class Changed:
        def open(self, **given: Any) -> Any:
            tried.append(given)
            raise pkcs11.PinIncorrect

    keys._login.close()
    monkeypatch.setattr(keys, "_token", Changed)
    for _ in range(3):
        with pytest.raises(KeyUnusable, match="ACC632"):
            keys.sign(key, [b"data"])
    assert len(tried) == 1, "a token locks itself"


def replaced(custody: Custody, url: str) -> Custody:
    return msgspec.structs.replace(custody, address=keys_address(url))


def test_what_is_wrong_is_told(hsm: SoftHsm, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    wrong = msgspec.structs.replace(hsm.custody, secret=pin)
    with pytest.raises(BadInput, match="ACC628"):
        connect(wrong)
    pin.write_text("none of it")
    for loose in (0o644, 0o601, 0o620):
        pin.chmod(loose)
        with pytest.raises(KeyUnusable, match=rf"{pin}: ACC613 .*mode 0{loose:o}"):
            connect(wrong)
    pin.chmod(0o640)
    with pytest.raises(KeyUnusable, match=r"ACC632 .*PinIncorrect.*keys_secret_file") as refused:
        connect(wrong)
    assert "none of it" not in str(refused.value)
    with pytest.raises(KeyUnusable, match="ACC638"):
        connect(msgspec.structs.replace(hsm.custody, secret=None))
    with pytest.raises(KeyUnusable, match=r"ACC633 .*no such token"):
        connect(replaced(hsm.custody, f"pkcs11:token=other?module-path={hsm.library}"))
    with pytest.raises(KeyUnusable, match="ACC633"):
        connect(replaced(hsm.custody, f"pkcs11:token=accord?module-path={tmp_path}/none.so"))


def test_a_token_is_found_by_slot_and_serial(hsm: SoftHsm, keys: TokenKeys) -> None:
    token = keys._token()
    said = f"pkcs11:serial={token.serial.decode()};slot-id={token.slot.slot_id}?module-path={hsm.library}"
    connect(replaced(hsm.custody, said)).close()
    with pytest.raises(KeyUnusable, match="ACC633"):
        connect(replaced(hsm.custody, f"pkcs11:slot-id=1?module-path={hsm.library}"))


def test_a_device_that_is_gone_is_away(keys: TokenKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> Any:
        raise pkcs11.DeviceRemoved

    key = keys.make("agent", "ES256")
    monkeypatch.setattr("accord.keys.pkcs11._signed", gone)
    with pytest.raises(KeysUnavailable, match=r"ACC630 .*DeviceRemoved"):
        keys.sign(key, [b"data"])


async def test_who_starts_later_signs_with_what_is_there(hsm: SoftHsm) -> None:
    async with open_keys(hsm.custody) as running:
        old = await running.create("agent")
        async with open_keys(hsm.custody) as operator:  # its login is the first one's
            new = await operator.replace("agent", "Ed25519")
            with pytest.raises(NotFound, match="ACC612"):
                await operator.sign(KeyId("A" * 43), [b"x"])
        assert await running.public("agent") == old, "a process goes on with what it has begun with"
        assert len(await running.sign(old.kid, [b"x"])) == 1
    async with open_keys(hsm.custody) as later:
        assert len(await later.sign(new.kid, [b"x"])) == 1, "by its kid alone"
        assert await later.public("agent") == new
        with pytest.raises(NotFound, match="ACC612"):
            await later.sign(old.kid, [b"x"])


@pytest.mark.parametrize("data", [b"", b"x" * 4097])
async def test_what_is_too_short_or_too_long_is_not_signed(hsm: SoftHsm, data: bytes) -> None:
    async with open_keys(hsm.custody) as keys:
        public = await keys.create("agent")
        with pytest.raises(KeyUnusable, match="ACC637"):
            await keys.sign(public.kid, [b"x", data])


def test_the_key_that_wraps_cannot_be_taken_out_and_does_nothing_else(keys: TokenKeys) -> None:
    keys.wrap(b"k" * 32, b"run_1")
    (key,) = objects(keys, {Attribute.CLASS: ObjectClass.SECRET_KEY})
    for attribute in (Attribute.SENSITIVE, Attribute.NEVER_EXTRACTABLE, Attribute.PRIVATE, Attribute.ENCRYPT):
        assert key[attribute] is True
    for use in (Attribute.EXTRACTABLE, Attribute.SIGN, Attribute.DERIVE, Attribute.WRAP, Attribute.UNWRAP):
        assert key[use] is False
    assert keys.held() == []


def test_a_token_that_would_give_away_what_wraps_is_refused(keys: TokenKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    template = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}
    monkeypatch.setattr("accord.keys.pkcs11_wrapping._TEMPLATE", template)
    with pytest.raises(KeyUnusable, match="ACC880"):
        keys.wrap(b"k" * 32, b"run_1")
    assert objects(keys, {Attribute.LABEL: "wrapping"}) == []


def test_of_two_keys_that_wrap_the_oldest_does_and_both_unwrap(keys: TokenKeys) -> None:
    first = keys.wrap(b"1" * 32, b"run_1")
    (old,) = objects(keys, {Attribute.LABEL: "wrapping"})
    keys._with_session(lambda session: wrapping._make(session.driver, _new_id(), "wrapping", keys.place))
    assert keys.wrap(b"2" * 32, b"run_1").startswith(old[Attribute.ID])
    assert keys.unwrap(first, b"run_1") == b"1" * 32
    old.destroy()
    second = keys.wrap(b"2" * 32, b"run_1")
    assert keys.unwrap(second, b"run_1") == b"2" * 32
    with pytest.raises(KeyUnusable, match="ACC875"):
        keys.unwrap(first, b"run_1")


def test_the_last_number_wraps_whatever_is_gone_of_those_before(keys: TokenKeys) -> None:
    first = keys.wrap(b"1" * 32, b"run_1")
    keys.new_wrapping_key()
    keys.new_wrapping_key()
    (gone,) = objects(keys, {Attribute.LABEL: "wrapping.2"})
    gone.destroy()
    (last,) = objects(keys, {Attribute.LABEL: "wrapping.3"})
    anew = keys.rewrap(first, b"run_1")
    assert anew is not None
    assert anew.startswith(last[Attribute.ID])
    assert keys.unwrap(first, b"run_1") == keys.unwrap(anew, b"run_1") == b"1" * 32
    keys.new_wrapping_key()
    assert len(objects(keys, {Attribute.LABEL: "wrapping.4"})) == 1


def test_a_device_that_is_gone_wraps_later(keys: TokenKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped = keys.wrap(b"k" * 32, b"run_1")

    def gone(*_: Any) -> Any:
        raise pkcs11.DeviceRemoved

    with monkeypatch.context() as away:
        away.setattr("accord.keys.pkcs11_wrapping.wrapped", gone)
        away.setattr("accord.keys.pkcs11_wrapping.unwrapped", gone)
        with pytest.raises(KeysUnavailable, match="ACC630"):
            keys.wrap(b"k" * 32, b"run_1")
        with pytest.raises(KeysUnavailable, match="ACC630"):
            keys.unwrap(wrapped, b"run_1")
    assert keys.unwrap(wrapped, b"run_1") == b"k" * 32
