"""Where keys are: what is no address is refused with all that is wrong, and no secret is taken into one."""

from __future__ import annotations

import asyncio
import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

from accord.custody import KEYS_EXAMPLES, Custody, keys_address
from accord.errors import BadInput, KeyUnusable
from accord.keys.opening import open_keys
from accord.settings import read_settings

URL = "pkcs11:token=My%20HSM;serial=12?module-path=/usr/lib/x.so"


def test_addresses_are_taken_apart() -> None:
    token = keys_address(URL)
    assert (token.kind, str(token)) == ("pkcs11", URL)
    assert token.options == {"token": "My HSM", "serial": "12", "module-path": "/usr/lib/x.so"}
    vault = keys_address("vault://vault.example.org:8200/team/transit/?namespace=a%2Fb&prefix=x")
    assert (vault.base, vault.mount) == ("https://vault.example.org:8200", "team/transit")
    assert vault.options == {"namespace": "a/b", "prefix": "x"}
    assert keys_address("vault+http://127.0.0.1:8200/transit").base == "http://127.0.0.1:8200"
    assert keys_address("awskms:///").options == {}


@pytest.mark.parametrize("url", KEYS_EXAMPLES.values())
def test_what_is_given_as_an_example_is_one(url: str) -> None:
    assert str(keys_address(url)) == url


@pytest.mark.parametrize(
    ("url", "flaws"),
    [
        ("", 1),
        ("file:///keys", 1),
        ("pkcs11:", 2),
        ("pkcs11:token=a?module-path=lib.so", 1),
        ("pkcs11:token=a;token=b;slot-id=x?module-path=/lib.so", 2),
        ("pkcs11:token=a;object=b?module-path=/lib.so&colour=red", 2),
        ("awskms://host/path?prefix=aws/", 2),
        ("awskms:///?region=", 1),
        ("awskms:///?prefix=a.b", 1),
        ("vault://", 2),
        ("vault://host", 1),
        ("vault://host:port/transit", 1),
        ("vault+http://vault.example.org/transit", 1),
        ("vault://host/transit?prefix=-&mount=x", 2),
    ],
)
def test_what_is_no_address_is_refused(url: str, flaws: int) -> None:
    with pytest.raises(BadInput) as refused:
        keys_address(url)
    assert [problem.code for problem in refused.value.problems] == ["ACC627"] * flaws
    assert all(problem.hint for problem in refused.value.problems)


@pytest.mark.parametrize(
    "url",
    [
        "pkcs11:token=a?module-path=/lib.so&pin-value=gehe!m",
        "pkcs11:token=a?module-path=/lib.so&pin-source=gehe!m",
        "vault://ann:gehe!m@host/transit",
        "vault://gehe!m@host/transit",
        "https://ann:gehe!m@host/transit",
    ],
)
def test_no_secret_is_taken_or_shown(url: str) -> None:
    with pytest.raises(BadInput, match="ACC627") as refused:
        keys_address(url)
    assert "gehe!m" not in str(refused.value)


def test_it_is_a_setting(tmp_path: Path) -> None:
    assert read_settings({}, home=tmp_path).custody == Custody(
        files=tmp_path / "keys", passphrase=tmp_path / "passphrase"
    )
    settings = read_settings({"ACCORD_KEYS": URL, "ACCORD_KEYS_SECRET_FILE": "/pin"}, home=tmp_path)
    assert (settings.custody.address, settings.custody.secret) == (keys_address(URL), Path("/pin"))
    with pytest.raises(BadInput, match="ACCORD_KEYS: ACC627"):
        read_settings({"ACCORD_KEYS": "vault://"}, home=tmp_path)


@pytest.mark.parametrize(
    ("url", "module", "driver", "extra"),
    [
        (URL, "accord.keys.pkcs11", "pkcs11", "pkcs11"),
        ("awskms:///", "accord.keys.aws_kms", "boto3", "aws"),
        ("vault://host/transit", "accord.keys.vault", "hvac", "vault"),
    ],
)
async def test_a_driver_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, module: str, driver: str, extra: str
) -> None:
    found = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == driver:
            raise ModuleNotFoundError(name)
        return found(name, *rest, **more)

    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.delattr(f"accord.keys.{module.rpartition('.')[2]}", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    custody = Custody(files=tmp_path, passphrase=tmp_path, address=keys_address(url))
    with pytest.raises(KeyUnusable, match="ACC629") as refused:
        async with open_keys(custody):
            pass
    assert refused.value.problems[0].hint == f"pip install 'accord-orchestrator[{extra}]'"
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir())), "no passphrase is made"
