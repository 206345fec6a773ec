"""Where a PostgreSQL database is, and how that is told without its password."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import msgspec

from accord.addresses import masked, parts_of, ports_are_numbers
from accord.errors import BadInput, Place
from accord.tls import is_this_machine

SCHEMES = ("postgresql", "postgres")


class StoreAddress(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """The URL of a PostgreSQL database. As text it is what may be shown: without its password."""

    url: str

    def __str__(self) -> str:
        return masked(self.url)

    def __repr__(self) -> str:
        return f"StoreAddress({str(self)!r})"

    def with_password(self, password: str) -> StoreAddress:
        """The address with this password. Raises BadInput ACC583 where it has one, or names no user."""
        parts = urlsplit(self.url)
        user, at, where = parts.netloc.rpartition("@")
        if self.has_password or not at:
            hint = "write postgresql://USER@HOST/DATABASE: the password is in the file"
            raise BadInput.of("ACC583", f"{self} has a password itself, or names no user", hint=hint)
        return StoreAddress(urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{where}")))

    @property
    def local(self) -> bool:
        """Whether every server of it is on this machine."""
        parts = urlsplit(self.url)
        named = parts.netloc.rpartition("@")[2] or ",".join(parse_qs(parts.query).get("host", []))
        return all(
            is_this_machine(host if host[:1] in "/@" else urlsplit(f"//{host}").hostname) for host in named.split(",")
        )

    @property
    def verifies(self) -> bool:
        """Whether a connection is made to a server alone whose certificate is its name's."""
        return parse_qs(urlsplit(self.url).query).get("sslmode", [""])[-1] == "verify-full"

    @property
    def has_password(self) -> bool:
        """Whether the URL itself holds a password."""
        return self.url != masked(self.url)


def store_address(text: str, *, place: Place | None = None) -> StoreAddress:
    """The address that a URL names. Raises BadInput ACC580 where it is no PostgreSQL URL."""
    parts = parts_of(text)
    if parts.scheme not in SCHEMES or not ports_are_numbers(text) or not parts.path.strip("/"):
        hint = "such as postgresql://accord@db.example.org:5432/accord; without a store, journal and blobs are files"
        raise BadInput.of("ACC580", f"{masked(text)} is not the URL of a PostgreSQL database", hint=hint, place=place)
    return StoreAddress(text)
