"""Where the services are that Accord uses, and how that is told without secrets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import msgspec

from accord.errors import BadInput, Place
from accord.tls import TlsFiles, is_this_machine

MASK: Final = "***"

_SECRETS: Final = frozenset(("password", "sslpassword"))

BusKind = Literal["nats", "redis"]
"""Which service carries the messages."""

BUS_SCHEMES: Final[dict[str, BusKind]] = {"nats": "nats", "tls": "nats", "redis": "redis", "rediss": "redis"}
"""The schemes of bus URLs, and the service that each is for."""

_NAMESPACE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

ENCRYPTED_SCHEMES: Final = frozenset(("tls", "rediss"))

BUS_OPTIONS: Final[dict[BusKind, tuple[str, ...]]] = {
    "nats": ("ca", "cert", "key", "replicas"),
    "redis": ("ca", "cert", "key", "namespace"),
}
"""What may be behind the `?` of a bus URL."""


def parts_of(url: str) -> SplitResult:
    """The parts of a URL; none where it has none, for want of a bracket or for letters that stand for others."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def masked(url: str) -> str:
    """The URL with every password in it hidden; all of it where nobody can tell what is one."""
    parts = parts_of(url)
    if url and not any(parts):
        return MASK
    user, at, where = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    hidden = f"{name}:{MASK}" if colon else name
    query = [(key, MASK if key in _SECRETS else value) for key, value in parse_qsl(parts.query)]
    if hidden == user and all(value != MASK for _, value in query):
        return url
    return urlunsplit(parts._replace(netloc=f"{hidden}{at}{where}", query=urlencode(query, safe="*/")))


def ports_are_numbers(url: str) -> bool:
    """Whether the port, where there is one, is a number; several hosts with commas between are taken as they are."""
    where = parts_of(url).netloc.rpartition("@")[2]
    return all(re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(:\d{1,5})?", host) for host in where.split(","))


class BusAddress(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """The URL of a bus, and what opens it. As text it is what may be shown: without secrets."""

    url: str
    kept: str | None = None
    """What the password file holds."""

    def __str__(self) -> str:
        return masked(self.url)

    def __repr__(self) -> str:
        return f"BusAddress({str(self)!r})"

    @property
    def kind(self) -> BusKind:
        """The service."""
        return BUS_SCHEMES[urlsplit(self.url).scheme]

    @property
    def encrypted(self) -> bool:
        """Whether there is to be no connection without TLS."""
        return urlsplit(self.url).scheme in ENCRYPTED_SCHEMES

    @property
    def local(self) -> bool:
        """Whether every server of it is on this machine."""
        return all(is_this_machine(urlsplit(f"//{host}").hostname) for host in self.hosts)

    @property
    def tls(self) -> TlsFiles:
        """What is believed and shown where the connection is encrypted."""
        ca, cert, key = (Path(file) if file else None for file in map(self.option, ("ca", "cert", "key")))
        return TlsFiles(ca, cert, key)

    @property
    def hosts(self) -> list[str]:
        """`host:port` of each server, as they were written."""
        return urlsplit(self.url).netloc.rpartition("@")[2].split(",")

    @property
    def user(self) -> str | None:
        """The user's name."""
        return unquote(self._login.partition(":")[0]) or None

    @property
    def secret(self) -> str | None:
        """The password, or whatever else proves the user: of the file, else of the URL."""
        return self.kept or unquote(self._login.partition(":")[2]) or None

    @property
    def path(self) -> str:
        """What is behind the host, without the stroke."""
        return unquote(urlsplit(self.url).path.strip("/"))

    @property
    def has_password(self) -> bool:
        """Whether the URL itself holds a password."""
        return self.url != masked(self.url)

    @property
    def _login(self) -> str:
        return urlsplit(self.url).netloc.rpartition("@")[0]

    def option(self, name: str) -> str | None:
        """The last value of an option behind the `?`."""
        return parse_qs(urlsplit(self.url).query).get(name, [None])[-1]

    def opened_by(self, file: Path | None) -> BusAddress:
        """The address with what its password file holds, where there is one. Raises BadInput ACC757."""
        return self if file is None else self.with_secret(kept_in(file, "ACC757"))

    def with_secret(self, kept: str) -> BusAddress:
        """The address with what its password file holds. Raises BadInput ACC757 where the URL has a password."""
        if self.has_password:
            hint = "leave the password out of the URL: it is in the file"
            raise BadInput.of("ACC757", f"{self} has a password itself, and there is a password file", hint=hint)
        return BusAddress(self.url, kept)


def kept_in(file: Path, code: str, what: str = "password") -> str:
    """The secret that a file holds. Raises BadInput with this code."""
    try:
        return file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        hint = f"it holds the {what} and nothing else; who runs Accord must be able to read it"
        raise BadInput.of(code, f"the {what} file {file} cannot be read: {error}", hint=hint) from error


def bus_address(text: str, *, place: Place | None = None) -> BusAddress:
    """The address that a URL names. Raises BadInput ACC756 where it is that of no bus."""
    parts = parts_of(text)
    hint = f"such as nats://accord@bus.example.org:4222; schemes are {', '.join(BUS_SCHEMES)}"
    if parts.scheme not in BUS_SCHEMES or not ports_are_numbers(text) or not parts.netloc.rpartition("@")[2]:
        raise BadInput.of("ACC756", f"{masked(text)} is not the URL of a bus", hint=hint, place=place)
    allowed = BUS_OPTIONS[BUS_SCHEMES[parts.scheme]]
    unknown = [name for name in parse_qs(parts.query, keep_blank_values=True) if name not in allowed]
    if unknown:
        told = f"{masked(text)} has an option that this bus does not know: {unknown[0]}"
        raise BadInput.of("ACC756", told, hint=f"known are {', '.join(allowed)}", place=place)
    found = BusAddress(text)
    if found.kind == "redis":
        _check_redis(found, place)
    return found


def _check_redis(address: BusAddress, place: Place | None) -> None:
    """A server has numbered databases, and patterns of names in its rules."""
    if len(address.hosts) > 1:
        raise BadInput.of("ACC756", f"{address}: Redis has one server", hint="name the primary", place=place)
    if address.path and not address.path.isdecimal():
        hint = "such as redis://bus.example.org/0; namespaces are told apart by ?namespace=NAME"
        raise BadInput.of("ACC756", f"{address}: a database of Redis is a number", hint=hint, place=place)
    if not _NAMESPACE.fullmatch(address.option("namespace") or "accord"):
        hint = "lower-case letters, digits, dots, hyphens and underscores"
        raise BadInput.of("ACC756", f"{address}: this is no namespace", hint=hint, place=place)
