"""Where private keys are kept: files of the home, or a service that signs with them and never gives them away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec

from accord.addresses import masked, parts_of, ports_are_numbers
from accord.errors import BadInput, Place, Problem

KeysKind = Literal["pkcs11", "awskms", "vault"]
"""What holds the keys."""

KEYS_EXAMPLES: Final[dict[KeysKind, str]] = {
    "pkcs11": "pkcs11:token=accord?module-path=/usr/lib/softhsm/libsofthsm2.so",
    "awskms": "awskms:///?region=eu-central-1&prefix=accord/",
    "vault": "vault://vault.example.org:8200/transit",
}
"""Of each kind, such an address."""

_LOOPBACK: Final = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?")
_SECRET_HINT: Final = "an address is shown in many places: put it into a file, and name that with keys_secret_file"  # noqa: S105


class KeysAddress(msgspec.Struct, frozen=True, gc=False):
    """The address of a key store. There is never a secret in it."""

    url: str
    kind: KeysKind
    options: Mapping[str, str] = {}
    """What the address says by name, decoded."""
    base: str = ""
    """Of Vault: the URL of the server."""
    mount: str = ""
    """Of Vault: where its engine `transit` is mounted."""

    def __str__(self) -> str:
        return self.url


class Custody(msgspec.Struct, frozen=True, kw_only=True):
    """Where keys are, and what opens that."""

    files: Path
    """The folder with key files, where no key store is named."""
    passphrase: Path
    """The file with their passphrase."""
    makes_passphrase: bool = True
    """Whether a passphrase is made where there are neither keys nor that file."""
    address: KeysAddress | None = None
    """The key store; None where keys are files."""
    secret: Path | None = None
    """The file with what opens the key store: PIN or token."""

    def __str__(self) -> str:
        return str(self.files if self.address is None else self.address)

    @property
    def may_hold_keys(self) -> bool:
        """Whether it is worth a look: a folder that was never made has none."""
        return self.address is not None or self.files.is_dir()


class _Parts(NamedTuple):
    """A URL taken apart: what is before the `?`, and what the options are called and say."""

    host: str
    path: str
    options: list[tuple[str, str]]


def keys_address(text: str, *, place: Place | None = None) -> KeysAddress:
    """The address of a key store that a URL names: `pkcs11:` as in RFC 7512, `awskms:` or `vault:`. Raises BadInput
    ACC627 with everything that is wrong with it.
    """
    scheme, _, rest = text.partition(":")
    kind = _SCHEMES.get(scheme)
    if kind is None:
        hint = "one of " + ", ".join(KEYS_EXAMPLES.values())
        raise BadInput.of("ACC627", f"{masked(text)} is not the address of a key store", hint=hint, place=place)
    parts = _pkcs11_parts(rest) if kind == "pkcs11" else _url_parts(text)
    wrong = [*_unknown(kind, parts.options), *_FLAWS[kind](scheme, parts)]
    hint = f"such as {KEYS_EXAMPLES[kind]}"
    BadInput.raise_if(
        Problem("ACC627", f"the address of the key store: {flaw}", place or Place(), way_out or hint)
        for flaw, way_out in wrong
    )
    base = f"{'http' if scheme == 'vault+http' else 'https'}://{parts.host}" if kind == "vault" else ""
    mount = parts.path.strip("/") if kind == "vault" else ""
    return KeysAddress(text, kind, dict(parts.options), base, mount)


_SCHEMES: Final[Mapping[str, KeysKind]] = {
    "pkcs11": "pkcs11",
    "awskms": "awskms",
    "vault": "vault",
    "vault+http": "vault",
}

_OPTIONS: Final[Mapping[KeysKind, tuple[str, ...]]] = {
    "pkcs11": ("token", "serial", "slot-id", "module-path"),
    "awskms": ("region", "prefix"),
    "vault": ("prefix", "namespace", "ca"),
}

_Flaws = Iterator[tuple[str, str]]
"""What is wrong, and the way out where that is another one than an example."""


def _pkcs11_parts(rest: str) -> _Parts:
    path, _, query = rest.partition("?")
    said = [*path.split(";"), *query.split("&")]
    options = [(name, unquote(value)) for name, _, value in (one.partition("=") for one in said if one)]
    return _Parts("", "", options)


def _url_parts(text: str) -> _Parts:
    parts = parts_of(text)
    return _Parts(parts.netloc, unquote(parts.path), parse_qsl(parts.query, keep_blank_values=True))


def _unknown(kind: KeysKind, options: list[tuple[str, str]]) -> _Flaws:
    names = [name for name, _ in options]
    for name in dict.fromkeys(names):
        if name in ("pin-value", "pin-source", "token_file", "password"):
            yield f"{name} is not allowed in it", _SECRET_HINT
        elif name not in _OPTIONS[kind]:
            yield f"{name} is not known", f"known are {', '.join(_OPTIONS[kind])}"
        elif names.count(name) > 1:
            yield f"{name} is said twice", ""
    for name, value in options:
        if not value and name in _OPTIONS[kind]:
            yield f"{name} says nothing", ""


def _pkcs11_flaws(_scheme: str, parts: _Parts) -> _Flaws:
    options = dict(parts.options)
    if not options.get("module-path", "").startswith("/"):
        yield "module-path must name the library of the token, from the root on", ""
    if not any(name in options for name in ("token", "serial", "slot-id")):
        yield "it names no token", ""
    if not options.get("slot-id", "0").isdecimal():
        yield "slot-id is a number", ""


def _awskms_flaws(_scheme: str, parts: _Parts) -> _Flaws:
    if parts.host or parts.path.strip("/"):
        yield "it has neither a host nor a path: region and credentials are AWS's own affair", ""
    if not re.fullmatch(r"(?!aws/)[a-zA-Z0-9/_-]{1,100}", dict(parts.options).get("prefix", "accord/")):
        yield "prefix is 1 to 100 of letters, digits, `/`, `_` and `-`, and does not begin with `aws/`", ""


def _vault_flaws(scheme: str, parts: _Parts) -> _Flaws:
    if "@" in parts.host:
        yield "nobody's name and no password belong into it", _SECRET_HINT
    elif not parts.host or not ports_are_numbers(f"//{parts.host}"):
        yield "it names no server", ""
    elif scheme == "vault+http" and not _LOOPBACK.fullmatch(parts.host):
        yield "without TLS only a server of this machine is asked", "write vault:// for one that has a certificate"
    if not re.fullmatch(r"/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?", parts.path):
        yield "it does not say where the engine transit is mounted", ""
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}", dict(parts.options).get("prefix", "accord")):
        yield "prefix is 1 to 100 of letters, digits, `.`, `_` and `-`", ""


_FLAWS: Final = {"pkcs11": _pkcs11_flaws, "awskms": _awskms_flaws, "vault": _vault_flaws}
