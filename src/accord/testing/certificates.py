"""Certificates for tests: an authority in a folder, which issues what is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from accord.tls import TlsFiles

VALID_FOR = timedelta(hours=1)


class Authority:
    """Issues certificates that its own one, `ca`, vouches for."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _subject(name)
        self.ca = folder / f"{name}.pem"
        made = self._builder(self._subject, self._key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.ca.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *hosts: str) -> TlsFiles:
        """A new certificate for these hosts, and its key, in files of this name."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder(_subject(name), key.public_key())
        if hosts:
            made = made.add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), False)
        files = TlsFiles(self.ca, self._folder / f"{name}.crt", self._folder / f"{name}.key")
        assert files.cert is not None  # noqa: S101 - for the type checker
        assert files.key is not None  # noqa: S101 - as above
        files.cert.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        files.key.chmod(0o600)
        return files

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        named = x509.CertificateBuilder().subject_name(subject).issuer_name(self._subject).public_key(key)
        valid = named.not_valid_before(now - VALID_FOR).not_valid_after(now + VALID_FOR)
        return valid.serial_number(x509.random_serial_number())


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
