"""Where the store is: what is no address is refused, and no password is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.addresses import masked
from accord.app import database_of
from accord.cli.options import Shared
from accord.errors import BadInput
from accord.postgres.address import StoreAddress, store_address
from accord.settings import read_settings

SECRET = "gehe!m"  # noqa: S105 - of nothing


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann@db/accord", "postgresql://ann@db/accord"),
        (f"postgresql://ann:{SECRET}@db:5432/accord", "postgresql://ann:***@db:5432/accord"),
        (f"postgresql://ann:{SECRET}@a:1,b:2/accord?sslmode=require", "postgresql://ann:***@a:1,b:2/accord?sslmode=require"),
        (f"postgres://db/accord?user=ann&password={SECRET}", "postgres://db/accord?user=ann&password=***"),
        ("postgresql:///accord?host=%2Frun%2Fpostgresql", "postgresql:///accord?host=%2Frun%2Fpostgresql"),
        ("postgresql://ann@[::1]:5432/accord", "postgresql://ann@[::1]:5432/accord"),
    ],
)  # fmt: skip
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    address = store_address(url)
    assert (str(address), masked(url)) == (shown, shown)
    assert SECRET not in repr(address)
    assert address.url == url
    assert address.has_password == (url != shown)


@pytest.mark.parametrize(
    "url",
    ["", "db", "sqlite:///x", f"mysql://ann:{SECRET}@db/x", "postgresql://db", f"postgresql://ann:{SECRET}@db:five/x"],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="ACC580") as refused:
        store_address(url)
    assert SECRET not in str(refused.value)


def test_the_store_is_a_setting(tmp_path: Path) -> None:
    assert read_settings({}, home=tmp_path).store is None
    (tmp_path / "settings.toml").write_text('store = "postgresql://ann@file/accord"\n')
    assert read_settings({}, home=tmp_path).store == StoreAddress("postgresql://ann@file/accord")
    environment = {"ACCORD_STORE": "postgresql://ann@variable/accord"}
    assert read_settings(environment, home=tmp_path).store == StoreAddress(environment["ACCORD_STORE"])
    flag = StoreAddress("postgresql://ann@flag/accord")
    assert read_settings(environment, home=tmp_path, store=flag).store == flag


def test_a_store_that_is_none_is_told_with_its_place_and_the_rest(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(f'max_runs = 0\nstore = "mysql://ann:{SECRET}@db/x"\n')
    with pytest.raises(BadInput) as refused:
        read_settings({}, home=tmp_path)
    found = [(problem.code, problem.place.line) for problem in refused.value.problems]
    assert found == [("ACC902", 1), ("ACC580", 2)]
    assert SECRET not in str(refused.value)
    with pytest.raises(BadInput, match="ACC902"):
        read_settings({"ACCORD_HOME": str(tmp_path / "other"), "ACCORD_MAX_RUNS": "0"})


def test_a_password_on_the_command_line_is_refused(tmp_path: Path) -> None:
    shared = Shared(tmp_path, store=f"postgresql://ann:{SECRET}@db/accord")
    with pytest.raises(BadInput, match="ACC585") as refused:
        shared.settings()
    assert SECRET not in str(refused.value)
    assert Shared(tmp_path, store="postgresql://ann@db/accord").settings().store is not None


def test_the_password_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a/b:c@d %\n")
    environment = {
        "ACCORD_STORE": "postgresql://ann@db/accord",
        "ACCORD_STORE_PASSWORD_FILE": str(tmp_path / "password"),
    }
    address = database_of(read_settings(environment, home=tmp_path))
    assert address.url == "postgresql://ann:a%2Fb%3Ac%40d%20%25@db/accord"
    assert str(address) == "postgresql://ann:***@db/accord"
    for wrong in ("postgresql://ann:x@db/accord", "postgresql://db/accord"):
        with pytest.raises(BadInput, match="ACC583"):
            database_of(read_settings({**environment, "ACCORD_STORE": wrong}, home=tmp_path))
    (tmp_path / "password").unlink()
    with pytest.raises(BadInput, match="ACC584"):
        database_of(read_settings(environment, home=tmp_path))
    with pytest.raises(BadInput, match="ACC584"):
        database_of(read_settings({}, home=tmp_path))
