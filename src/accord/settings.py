"""Settings: one validated value; defaults < environment < flags. Nothing else reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import platformdirs

from accord.errors import BadInput, Problem

PREFIX = "ACCORD_"
KNOWN = ("HOME", "ORGANISATION", "PASSPHRASE_FILE")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are, and who we are."""

    home: Path
    """Journal, blobs, keys and reports of the embedded default."""
    organisation: str = "local"
    passphrase_file: Path | None = None
    """Holds the passphrase of the key files; one inside of `home` is made where None."""

    @property
    def journal(self) -> Path:
        """The SQLite database."""
        return self.home / "journal.db"

    @property
    def blobs(self) -> Path:
        """The blob store."""
        return self.home / "blobs"

    @property
    def keys(self) -> Path:
        """The key files."""
        return self.home / "keys"

    @property
    def passphrase(self) -> Path:
        """The file with the passphrase of the key files."""
        return self.passphrase_file or self.home / "passphrase"


def read_settings(environment: Mapping[str, str] | None = None, *, home: Path | None = None) -> Settings:
    """The settings of this process. `home` is the flag that beats the environment.

    Raises:
        BadInput: an `ACCORD_` variable that nobody knows, or a value that cannot be; all of them at once.
    """
    given = os.environ if environment is None else environment
    names = {name.removeprefix(PREFIX) for name in given if name.startswith(PREFIX)}
    unknown = sorted(names - set(KNOWN) - {"VECTORS"})
    BadInput.raise_if(
        Problem("ACC901", f"the setting {PREFIX}{name} is unknown", hint="known are: " + ", ".join(KNOWN))
        for name in unknown
        if not name.startswith("COMPLETE") and not name.startswith("TEST_")
    )
    from_environment = given.get(f"{PREFIX}HOME")
    passphrase = given.get(f"{PREFIX}PASSPHRASE_FILE")
    return Settings(
        home=home or (Path(from_environment) if from_environment else platformdirs.user_data_path("accord")),
        organisation=given.get(f"{PREFIX}ORGANISATION", "local"),
        passphrase_file=Path(passphrase) if passphrase else None,
    )
