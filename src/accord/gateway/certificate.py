"""The certificate of the server: shown from the files that it came from, and taken anew when they change."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final, Protocol

from accord.errors import BadInput
from accord.tls import AUTHORITIES, show, unusable

logger = logging.getLogger("accord.gateway")

LOOK_EVERY_S: Final = 5.0


class Files(Protocol):
    """Which files."""

    @property
    def tls_cert(self) -> Path | None: ...
    @property
    def tls_key(self) -> Path | None: ...
    @property
    def tls_clients(self) -> Path | None: ...


class _Handshake(ssl.SSLObject):
    """A handshake that says so where it was given plain HTTP: the other side is only cut off, and cannot tell why."""

    def do_handshake(self) -> None:
        """See `ssl`."""
        try:
            super().do_handshake()
        except ssl.SSLError as error:
            if error.reason == "HTTP_REQUEST":
                logger.warning("somebody has sent plain HTTP here, and this is TLS: the URL begins with https")
            raise


class Certificate:
    """The certificate that handshakes show."""

    def __init__(self, files: Files) -> None:
        """Raises BadInput ACC860 where the files cannot be used."""
        assert files.tls_cert is not None  # noqa: S101 - else nothing is shown
        self._cert, self._key = files.tls_cert, files.tls_key
        self._seen = self._signature()
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.sslobject_class = _Handshake
        show(self.context, self._cert, self._key)
        if files.tls_clients is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            try:
                self.context.load_verify_locations(files.tls_clients)
            except OSError as error:
                raise BadInput(unusable(error, files.tls_clients, hint=AUTHORITIES)) from error

    async def watch(self) -> None:
        """Take what has changed, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.refresh()

    def refresh(self) -> bool:
        """Show from now on what the files hold, where they have changed; whether that is so. What cannot be used, as a
        new certificate whose key has yet to come, changes nothing.
        """
        found = self._signature()
        if found == self._seen:
            return False
        self._seen = found
        try:
            show(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._cert, self._key)
        except BadInput as error:
            logger.warning("the certificate has changed, the old one is shown on: %s", error)
            return False
        show(self.context, self._cert, self._key)
        logger.info("the certificate in %s has changed and is shown", self._cert)
        return True

    def _signature(self) -> tuple[tuple[int, int, int], ...]:
        """What tells that the files have changed."""
        return tuple(map(_signature_of, filter(None, (self._cert, self._key))))


def _signature_of(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return found.st_ino, found.st_mtime_ns, found.st_size
