"""Where the bus is: what is no address is refused, and no password is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.addresses import BusAddress, bus_address
from accord.app import bus_of
from accord.cli.options import Shared
from accord.errors import BadInput
from accord.settings import Settings, read_settings

SECRET = "gehe!m"  # noqa: S105 - of nothing


@pytest.mark.parametrize(
    ("url", "shown", "user", "hosts"),
    [
        ("nats://bus", "nats://bus", None, ["bus"]),
        (f"nats://ann:{SECRET}@a:4222,b:4223/acme", "nats://ann:***@a:4222,b:4223/acme", "ann", ["a:4222", "b:4223"]),
        ("tls://ann@[::1]:4222?replicas=3", "tls://ann@[::1]:4222?replicas=3", "ann", ["[::1]:4222"]),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str, user: str | None, hosts: list[str]) -> None:
    address = bus_address(url)
    assert (str(address), address.user, address.hosts, address.kind) == (shown, user, hosts, "nats")
    assert SECRET not in repr(address)
    assert SECRET not in repr(address.with_secret("x") if not address.has_password else address)
    assert address.encrypted == url.startswith("tls:")


@pytest.mark.parametrize(
    "url", ["", "bus", "nats://", "http://bus", f"nats://ann:{SECRET}@bus:five", f"nats://a:{SECRET}@bus?colour=red"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="ACC756") as refused:
        bus_address(url)
    assert SECRET not in str(refused.value)


def test_the_bus_is_a_setting(tmp_path: Path) -> None:
    assert read_settings({}, home=tmp_path).bus is None
    (tmp_path / "settings.toml").write_text('bus = "nats://file"\n')
    assert read_settings({}, home=tmp_path).bus == BusAddress("nats://file")
    assert read_settings({"ACCORD_BUS": "nats://variable"}, home=tmp_path).bus == BusAddress("nats://variable")
    flag = BusAddress("nats://flag")
    assert read_settings({"ACCORD_BUS": "nats://variable"}, home=tmp_path, bus=flag).bus == flag


def test_a_bus_that_is_none_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(f'max_runs = 0\nbus = "http://ann:{SECRET}@bus"\n')
    with pytest.raises(BadInput) as refused:
        read_settings({}, home=tmp_path)
    assert [(one.code, one.place.line) for one in refused.value.problems] == [("ACC902", 1), ("ACC756", 2)]
    assert SECRET not in str(refused.value)


def test_the_password_is_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    settings = Settings(home=tmp_path, bus=BusAddress("nats://ann@bus"), bus_password_file=file)
    found = bus_of(settings)
    assert found is not None
    assert (found.user, found.secret) == ("ann", SECRET)
    assert SECRET not in f"{found} {found!r} {settings!r}"
    assert bus_of(Settings(home=tmp_path, bus_password_file=file)) is None


@pytest.mark.parametrize(("url", "file"), [("nats://ann:x@bus", "password"), ("nats://ann@bus", "nothing")])
def test_two_passwords_or_none_to_be_read_are_refused(tmp_path: Path, url: str, file: str) -> None:
    (tmp_path / "password").write_text(SECRET)
    with pytest.raises(BadInput, match="ACC757"):
        bus_of(Settings(home=tmp_path, bus=BusAddress(url), bus_password_file=tmp_path / file))


def test_no_password_on_the_command_line() -> None:
    with pytest.raises(BadInput, match="ACC585") as refused:
        Shared(bus=f"nats://ann:{SECRET}@bus").settings()
    assert SECRET not in str(refused.value)
