"""TLS: whose certificates are believed, which one is shown, and what it means where a connection fails over it.

ACC860  a file with certificates or a key cannot be used
ACC861  without TLS, where `require_tls` wants it
"""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from accord.errors import BadInput, Place, Problem


class TlsFiles(msgspec.Struct, frozen=True):
    """What a client of TLS believes and shows: PEM files."""

    ca: Path | None = None
    """Certificates that are believed, in place of the system's."""
    cert: Path | None = None
    """Our own certificate, with those that issued it, for a server that wants one."""
    key: Path | None = None
    """Its key, without a passphrase; None where it is in the same file."""

    def context(self) -> ssl.SSLContext:
        """How connections are made. A server's certificate has to be its name's. Raises BadInput ACC860."""
        try:
            made = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise BadInput(unusable(error, self.ca, hint=AUTHORITIES)) from error
        if self.key is not None and self.cert is None:
            raise BadInput.of(
                "ACC860", "there is a key without its certificate", hint=_PEM, place=Place(file=str(self.key))
            )
        if self.cert is not None:
            show(made, self.cert, self.key)
        return made


SYSTEM: Final = TlsFiles()
"""What the system believes, and nothing to show."""

CAUSES_MAX: Final = 10

_PEM: Final = "PEM files: the certificate first, then those that issued it; the key without a passphrase"
AUTHORITIES: Final = "a PEM file with the certificates of those who are believed"
_UNLOCKED: Final = "keep it without one, in a file that nobody else may read: openssl pkey -in KEY -out NEW"


def show(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """Show this certificate in handshakes from now on. Raises BadInput ACC860."""
    try:
        # A passphrase would be asked for at the terminal, by OpenSSL itself.
        context.load_cert_chain(cert, key, password=lambda: b"")
    except OSError as error:
        raise BadInput(unusable(error, cert, key)) from error


def unusable(error: OSError, *files: Path | None, hint: str = _PEM) -> Problem:
    """The problem that certificates or a key cannot be used; the hint says what is in such files."""
    there = [file for file in files if file is not None]
    for file in there:
        found = _unreadable(file)
        if found is not None:
            return found
    named, said = ", ".join(map(str, there)), error.strerror or str(error)
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        said, hint = "the key is another certificate's", "name the key that this certificate was issued for"
    return Problem("ACC860", f"the certificates or the key cannot be used: {said}", Place(file=named or None), hint)


def _unreadable(file: Path) -> Problem | None:
    """The problem of a file that cannot be read, or whose key has a passphrase."""
    try:
        data = file.read_bytes()
    except OSError as error:
        hint = "name a file that is there, and that the user of this process may read"
        return Problem("ACC860", f"it cannot be read: {error.strerror}", Place(file=str(file)), hint)
    if b"ENCRYPTED" in data:
        return Problem("ACC860", "the key has a passphrase", Place(file=str(file)), _UNLOCKED)
    return None


NO_TLS: Final = "it does not speak TLS"
"""Of whom nothing was said but that: its URL is the one without TLS."""

_MEANINGS: Final = (
    ("hostname mismatch", "its certificate is for another name"),
    ("ip address mismatch", "its certificate is for another address"),
    ("certificate has expired", "its certificate has expired"),
    ("unable to get", "its certificate is of nobody whom we believe: name its authority's as `ca`"),
    ("self-signed", "its certificate is of nobody whom we believe: name its authority's as `ca`"),
    ("self signed", "its certificate is of nobody whom we believe: name its authority's as `ca`"),
    ("certificate required", "it wants a certificate of ours: name one as `cert`"),
    ("certificate_required", "it wants a certificate of ours: name one as `cert`"),
    ("unknown ca", "it does not believe who issued our certificate"),
    ("unknown_ca", "it does not believe who issued our certificate"),
    ("bad certificate", "it does not take our certificate"),
    ("wrong version number", NO_TLS),
    ("record layer failure", NO_TLS),
)
"""By what OpenSSL says, in lower case."""


def meaning(error: BaseException) -> str:
    """What it means that a connection has failed with this error, where it failed over TLS; else the error's words.

    In TLS 1.3 a server looks at our certificate when the handshake is over for us: what it says then stands behind the
    error of whoever reads or writes next.
    """
    said = str(_of_tls(error)) or str(error) or type(error).__name__
    found = next((told for words, told in _MEANINGS if words in said.lower()), None)
    return f"{found} ({said})" if found else said


def is_unbelieved(error: BaseException | None) -> bool:
    """Whether a connection has failed because the other side's certificate is not believed: that lasts."""
    return error is not None and isinstance(_of_tls(error), ssl.SSLCertVerificationError)


def _of_tls(error: BaseException) -> BaseException:
    """The error of TLS that has caused this one, else this one."""
    cause: BaseException | None = error
    for _ in range(CAUSES_MAX):
        if cause is None or isinstance(cause, ssl.SSLError):
            return cause or error
        cause = cause.__cause__ or cause.__context__
    return error


def is_this_machine(host: str | None) -> bool:
    """Whether a host can be no other machine: a loopback address, a socket in a folder, or none at all."""
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_encrypted_or_here(url: str) -> bool:
    """Whether what goes to this URL can be read by nobody on the way."""
    parts = urlsplit(url)
    return parts.scheme in ("https", "wss") or is_this_machine(parts.hostname)


def wanted(what: str, hint: str) -> Problem:
    """The problem that something is without TLS, and has to be with it."""
    return Problem("ACC861", f"{what} is without TLS, and the setting require_tls is on", hint=hint)
