"""`accord keys`: the keys of this home."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from accord.cli.errors import DONE
from accord.cli.options import Shared
from accord.cli.output import Screen, moment
from accord.cli.session import carry_out
from accord.domain.signature import Algorithm
from accord.keys.file import FileKeyStore, load_passphrase
from accord.ports import StoredKey


def list_keys(shared: Shared) -> None:
    """Carry out `accord keys list`."""

    async def work(screen: Screen) -> int:
        settings = shared.settings()
        stored: list[StoredKey] = []
        if settings.keys.is_dir():
            async with FileKeyStore.open(settings.keys, load_passphrase(settings.passphrase)) as keys:
                stored = await keys.stored()
        if screen.as_json:
            screen.document([_document(key) for key in stored])
        elif stored:
            screen.table(("name", "algorithm", "made", "key id"), [_row(key) for key in stored])
        else:
            screen.note("There are no keys yet; the first run makes some, or: accord keys new NAME")
        return DONE

    carry_out(shared, work)


def _row(key: StoredKey) -> tuple[str | Text, ...]:
    return key.name, key.public.algorithm, moment(key.created_at), Text(key.public.kid, "quiet")


def _document(key: StoredKey) -> dict[str, Any]:
    return {"name": key.name, "created_at": key.created_at, "jwk": key.public.to_jwk()}


def new_key(shared: Shared, name: str, algorithm: Algorithm) -> None:
    """Carry out `accord keys new`."""

    async def work(screen: Screen) -> int:
        settings = shared.settings()
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with FileKeyStore.open(settings.keys, load_passphrase(settings.passphrase)) as keys:
            public = await keys.create(name, algorithm)
        if screen.as_json:
            screen.document({"name": name, "jwk": public.to_jwk()})
        else:
            screen.line(f"{name}  {public.algorithm}  {public.kid}")
            screen.note(f"The private half is in {settings.keys / name}.pem, encrypted; it never leaves it.")
        return DONE

    carry_out(shared, work)
