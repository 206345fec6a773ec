"""A PKCS#11 token in software, for tests: SoftHSM 2, where it is on the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import msgspec

from accord.custody import Custody, keys_address
from accord.keys.pkcs11 import connect

LIBRARIES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
"""Where it is on Debian, Fedora, what was built here, and macOS."""

PIN: Final = "open sesame"
TOKEN: Final = "accord"  # noqa: S105 - its label

_CONFIGURATION: Final = """
directories.tokendir = {folder}/tokens
objectstore.backend = file
log.level = ERROR
"""


class SoftHsm(msgspec.Struct, frozen=True):
    """A token of this process, and the file with its PIN. A library is loaded once, so there is one for all tests."""

    folder: Path
    library: str

    @property
    def custody(self) -> Custody:
        """Where keys are that this token holds."""
        address = keys_address(f"pkcs11:token={TOKEN}?module-path={self.library}")
        pin = self.folder / "pin"
        return Custody(files=self.folder / "keys", passphrase=self.folder / "none", address=address, secret=pin)

    @property
    def environment(self) -> dict[str, str]:
        """What another process has to be told to find the token."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def empty(self) -> None:
        """Destroy all keys."""
        token = connect(self.custody)
        for one in token._with_session(lambda session: list(session.driver.get_objects())):
            one.destroy()
        token.close()


def library() -> str | None:
    """The library of this machine, where it has one together with the tool that makes tokens."""
    return next((path for path in LIBRARIES if Path(path).exists() and shutil.which("softhsm2-util")), None)


def softhsm(folder: Path) -> SoftHsm:
    """A new token in this folder, which this process finds for as long as it lives."""
    found = library()
    assert found is not None, "there is no SoftHSM here"  # noqa: S101 - asked for before
    (folder / "tokens").mkdir(parents=True)
    configuration, pin = folder / "softhsm2.conf", folder / "pin"
    configuration.write_text(_CONFIGURATION.format(folder=folder))
    pin.write_text(f"{PIN}\n")
    pin.chmod(0o600)
    made = SoftHsm(folder, found)
    os.environ.update(made.environment)
    command = ["softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", PIN]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
    return made
