"""The credential of a home: the API key with which commands of the same home reach the server that runs on it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from accord.errors import BadInput, KeyUnusable


def keep_credential(path: Path, key: str) -> None:
    """Keep the key, readable by its owner alone; the file is there whole or not at all. Raises BadInput."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{key}\n")
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise BadInput.of("ACC964", f"the credential cannot be kept in {path}: {error.strerror}") from error


def read_credential(path: Path) -> str | None:
    """The key that is kept there, None where none is.

    Raises:
        KeyUnusable: others may read the file, or it cannot be read.
    """
    try:
        if path.stat().st_mode & 0o077:
            hint = f"chmod 600 {path}, and revoke the key where somebody may have seen it: accord access keys list"
            raise KeyUnusable.of("ACC965", f"others may read the credential in {path}", hint=hint)
        return path.read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyUnusable.of("ACC966", f"the credential in {path} cannot be read: {error}") from error
