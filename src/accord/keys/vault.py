"""Keys in the engine `transit` of Vault, or of OpenBao, which speaks the same.

There is one key of Vault for a name and an algorithm, `<prefix><name>_<algorithm>`, and each of its versions is a key
of ours: of all versions of a name, the newest counts. To replace a key is to rotate it.
"""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from accord.custody import Custody, KeysAddress
from accord.domain.ids import KeyId
from accord.domain.signature import Algorithm, PublicKey
from accord.errors import KeysUnavailable, KeyUnusable
from accord.keys.private import NAME, fault, secret_in
from accord.keys.service import HeldKey, not_unwrapped, wrapped_elsewhere, wraps_nothing
from accord.ports import StoredKey

try:
    import hvac
    import requests
    from hvac import exceptions as refusals
except ModuleNotFoundError as error:
    hint = "pip install 'accord-orchestrator[vault]'"
    raise KeyUnusable(fault("ACC629", "Vault", detail="it is hvac", hint=hint)) from error

T = TypeVar("T")

CALLS_MAX: Final = 8
"""So many calls are under way at once at most."""

BATCH_MAX: Final = 64
"""So many inputs are signed in one call."""

_CONNECTED_WITHIN_S: Final = 3.0
_ANSWERED_WITHIN_S: Final = 8.0

_TYPES: Final[Mapping[Algorithm, str]] = {"ES256": "ecdsa-p256", "Ed25519": "ed25519"}
_WRAPPING: Final = "wrapping_aes256"
_WRAPS: Final = "aes256-gcm96"
_SUFFIXES: Final[Mapping[str, Algorithm]] = {"es256": "ES256", "ed25519": "Ed25519"}

_AWAY: Final = (
    refusals.BadGateway,
    refusals.InternalServerError,
    refusals.RateLimitExceeded,
    refusals.VaultDown,
    refusals.VaultNotInitialized,
    requests.RequestException,
)

_LOGIN_HINT: Final = "keys_secret_file holds its token, which takes create, read, list and update below the mount"


class Version(msgspec.Struct, frozen=True):
    """By what Vault finds a key: its own key's name, and the version."""

    key: str
    number: int


def connect(custody: Custody) -> VaultKeys:
    """The keys of the server that the address names, opened with the token of the secret file.

    Raises:
        BadInput: ACC628 the file cannot be read.
        KeyUnusable: no file is named, or everybody may read it.
    """
    address = custody.address
    assert address is not None  # noqa: S101 - else keys are files
    if custody.secret is None:
        raise KeyUnusable(fault("ACC638", str(address)))
    return VaultKeys(address, custody.secret)


class VaultKeys:
    """The keys whose names begin with a prefix: `KeyService`. A token that was put into the file anew is taken from
    there.
    """

    at_once = CALLS_MAX
    in_one_call = BATCH_MAX

    def __init__(self, address: KeysAddress, token_file: Path) -> None:
        self.place = str(address)
        self._token_file = token_file
        self._prefix = address.options.get("prefix", "accord-")
        self._mount = address.mount
        self._has_wrapping_key = False
        self._session = requests.Session()
        self._session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=CALLS_MAX))
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=CALLS_MAX))
        # Without TLS nothing goes further than this machine, whatever proxy the environment names.
        self._session.trust_env = address.base.startswith("https:")
        self._session.verify = address.options.get("ca", True)  # hvac's own `verify` is for sessions of its own
        self._lock = threading.Lock()
        self._client = hvac.Client(
            url=address.base,
            token=secret_in(token_file),
            namespace=address.options.get("namespace"),
            verify=self._session.verify,
            timeout=(_CONNECTED_WITHIN_S, _ANSWERED_WITHIN_S),
            session=self._session,
        )

    def held(self, name: str | None = None) -> list[HeldKey]:
        """The keys of all versions."""
        if name is not None:
            return self._versions(name)
        return [key for one, algorithms in self._listed().items() for key in self._versions(one, algorithms)]

    def replaced(self) -> list[KeyId]:
        """The kids of all that are not the last of their name."""
        return [key.stored.public.kid for key in self.held() if not key.current]

    def make(self, name: str, algorithm: Algorithm) -> HeldKey:
        """Make a key. Who comes second is told by Vault."""
        if self._versions(name):
            raise KeyUnusable(fault("ACC611", name))
        answer = self._created(name, algorithm)
        warnings = (answer.get("warnings") or []) if isinstance(answer, dict) else []
        if any("already existed" in warning for warning in warnings):
            raise KeyUnusable(fault("ACC611", name))
        return self._last(name)

    def succeed(self, old: HeldKey, algorithm: Algorithm) -> HeldKey:
        """Make a new version, or the key of the other algorithm."""
        name = old.stored.name
        transit = self._transit
        key = self._key(name, algorithm)
        if any(one.handle.key == key for one in self._versions(name)):
            self._asked(lambda: transit.rotate_key(name=key, mount_point=self._mount))
        else:
            self._created(name, algorithm)
        return self._last(name)

    def sign(self, key: HeldKey, inputs: Sequence[bytes]) -> list[bytes]:
        """The raw signatures, of one call."""
        version: Version = key.handle
        transit = self._transit
        is_ecdsa = key.stored.public.algorithm == "ES256"
        answer = self._asked(
            lambda: transit.sign_data(
                name=version.key,
                batch_input=[{"input": base64.b64encode(data).decode()} for data in inputs],
                key_version=version.number,
                hash_algorithm="sha2-256" if is_ecdsa else None,
                marshaling_algorithm="jws" if is_ecdsa else None,  # r and s, as in IEEE P1363
                mount_point=self._mount,
            )
        )
        return [self._signature(result, version) for result in answer["data"]["batch_results"]]

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """Vault's own form, which says what version of the key it is of."""
        key, transit = self._wrapping(makes=True), self._transit
        encoded, bound = base64.b64encode(plain).decode(), _bound(context)
        answer = self._asked(
            lambda: transit.encrypt_data(name=key, plaintext=encoded, context=bound, mount_point=self._mount)
        )
        return str(answer["data"]["ciphertext"]).encode()

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key."""
        return self._decoded(self._of_wrapped(self._transit.decrypt_data, wrapped, context)["plaintext"])

    def new_wrapping_key(self) -> None:
        """Make a new version: Vault wraps with the last one."""
        key, transit = self._wrapping(makes=False, missing=wraps_nothing), self._transit
        self._asked(lambda: transit.rotate_key(name=key, mount_point=self._mount))

    def rewrap(self, wrapped: bytes, context: bytes) -> bytes | None:
        """Vault wraps it anew by itself: the data key does not leave it. None where that is of the same version."""
        anew = str(self._of_wrapped(self._transit.rewrap_data, wrapped, context)["ciphertext"]).encode()
        return anew if _version_of(anew) != _version_of(wrapped) else None

    def _of_wrapped(self, call: Callable[..., Any], wrapped: bytes, context: bytes) -> Mapping[str, Any]:
        """What Vault makes of a wrapped data key. Raises as `unwrap`."""
        if not wrapped.startswith(b"vault:v"):
            raise wrapped_elsewhere(self.place)
        key, text = self._wrapping(makes=False), wrapped.decode("ascii", "replace")
        try:
            answer = self._asked(
                lambda: call(name=key, ciphertext=text, context=_bound(context), mount_point=self._mount),
                passes=(refusals.InvalidRequest,),
            )
        except refusals.InvalidRequest as error:
            raise not_unwrapped(self.place, str(error)) from error
        made: Mapping[str, Any] = answer["data"]
        return made

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    @property
    def _transit(self) -> Any:
        return self._client.secrets.transit

    def _wrapping(self, *, makes: bool, missing: Callable[[str], KeyUnusable] = wrapped_elsewhere) -> str:
        """Vault's name for the key that wraps; `missing` is the error where there is none. It derives a key for each
        context, so that none can be left out.
        """
        key, transit = f"{self._prefix}{_WRAPPING}", self._transit
        if self._has_wrapping_key:
            return key
        found = self._found(lambda: transit.read_key(name=key, mount_point=self._mount))
        if found is None and makes:
            self._asked(lambda: transit.create_key(name=key, key_type=_WRAPS, derived=True, mount_point=self._mount))
            found = self._found(lambda: transit.read_key(name=key, mount_point=self._mount))
        if found is None:
            raise missing(self.place)
        kind = found["data"]
        if kind["type"] != _WRAPS or not kind.get("derived") or kind.get("exportable"):
            detail = f"{key} has to be {_WRAPS}, derived, and not exportable"
            raise KeyUnusable(fault("ACC880", self.place, detail=detail))
        self._has_wrapping_key = True
        return key

    def _signature(self, result: Mapping[str, Any], version: Version) -> bytes:
        if result.get("error"):
            raise KeyUnusable(fault("ACC636", self.place, detail=str(result["error"])))
        head, _, encoded = str(result.get("signature", "")).rpartition(":")
        if head != f"vault:v{version.number}":
            raise KeyUnusable(fault("ACC635", self.place, detail=f"asked for version {version.number}, got {head}"))
        return self._decoded(encoded.replace("-", "+").replace("_", "/"))

    def _decoded(self, encoded: str) -> bytes:
        try:
            return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except ValueError as error:
            raise KeyUnusable(fault("ACC635", self.place, detail=str(error))) from error

    def _created(self, name: str, algorithm: Algorithm) -> Any:
        key, transit = self._key(name, algorithm), self._transit
        try:
            return self._asked(
                lambda: transit.create_key(name=key, key_type=_TYPES[algorithm], mount_point=self._mount),
                passes=(refusals.InvalidRequest,),
            )
        except refusals.InvalidRequest as error:
            raise KeyUnusable(fault("ACC634", self.place, detail=f"{algorithm}, {error}")) from error

    def _listed(self) -> dict[str, list[Algorithm]]:
        """The names of keys that have been made here, each with its algorithms."""
        transit = self._transit
        answer = self._found(lambda: transit.list_keys(mount_point=self._mount))
        listed: dict[str, list[Algorithm]] = {}
        for key in answer["data"]["keys"] if answer is not None else ():
            name, _, suffix = key.removeprefix(self._prefix).rpartition("_")
            if key.startswith(self._prefix) and suffix in _SUFFIXES and NAME.fullmatch(name):
                listed.setdefault(name, []).append(_SUFFIXES[suffix])
        return listed

    def _key(self, name: str, algorithm: Algorithm) -> str:
        return f"{self._prefix}{name}_{algorithm.lower()}"

    def _last(self, name: str) -> HeldKey:
        return next(key for key in self._versions(name) if key.current)

    def _versions(self, name: str, algorithms: Iterable[Algorithm] = tuple(_TYPES)) -> list[HeldKey]:
        """All versions of this name, of all algorithms, the newest one last."""
        found = [version for algorithm in algorithms for version in self._read(name, algorithm)]
        found.sort(key=lambda key: (key.stored.created_at, key.handle.number))
        return [msgspec.structs.replace(key, current=key is found[-1]) for key in found]

    def _read(self, name: str, algorithm: Algorithm) -> Iterator[HeldKey]:
        key, transit = self._key(name, algorithm), self._transit
        answer = self._found(lambda: transit.read_key(name=key, mount_point=self._mount))
        if answer is None:
            return
        for number, version in answer["data"]["keys"].items():
            created_at = datetime.fromisoformat(version["creation_time"]).astimezone(UTC)
            public = self._public(algorithm, version["public_key"])
            yield HeldKey(StoredKey(name, public, created_at), Version(key, int(number)))

    def _public(self, algorithm: Algorithm, text: str) -> PublicKey:
        """The public key: a PEM, or Ed25519's 32 bytes in base64."""
        try:
            if algorithm == "Ed25519":
                return PublicKey.of(Ed25519PublicKey.from_public_bytes(self._decoded(text)))
            public = load_pem_public_key(text.encode())
        except ValueError as error:
            raise KeyUnusable(fault("ACC635", self.place, detail=str(error))) from error
        if not isinstance(public, EllipticCurvePublicKey):
            raise KeyUnusable(fault("ACC635", self.place, detail=type(public).__name__))
        return PublicKey.of(public)

    # -- calls ---------------------------------------------------------------------------------------------------

    def _found(self, call: Callable[[], T]) -> T | None:
        """The answer; None where Vault has nothing there. Raises KeyUnusable ACC633 where the engine is not there."""
        try:
            return self._asked(call, passes=(refusals.InvalidPath,))
        except refusals.InvalidPath as error:
            if error.errors:  # there is no list of reasons where a key is missing, and one where the engine is
                raise KeyUnusable(fault("ACC633", self.place, detail=str(error))) from error
            return None

    def _asked(self, call: Callable[[], T], passes: tuple[type[Exception], ...] = ()) -> T:
        """The answer, asked again with the token that is in the file now where ours is not taken any more. `passes` are
        told as they are.
        """
        with self._told(passes):
            token = self._client.token
            try:
                return call()
            except refusals.Forbidden:
                if not self._has_new_token(token):
                    raise
            return call()

    def _has_new_token(self, refused: str) -> bool:
        with self._lock:
            kept = secret_in(self._token_file)
            self._client.token = kept
            return kept != refused

    @contextlib.contextmanager
    def _told(self, passes: tuple[type[Exception], ...]) -> Iterator[None]:
        """Tell what Vault says as ours."""
        try:
            yield
        except passes:
            raise
        except (refusals.Forbidden, refusals.Unauthorized) as error:
            raise KeyUnusable(fault("ACC632", self.place, detail=str(error), hint=_LOGIN_HINT)) from error
        except _AWAY as error:
            raise KeysUnavailable(fault("ACC630", self.place, detail=str(error))) from error
        except OSError as error:  # requests says so of a file with certificates that is not there
            raise KeyUnusable(fault("ACC633", self.place, detail=str(error))) from error
        except refusals.VaultError as error:
            raise KeyUnusable(fault("ACC636", self.place, detail=str(error))) from error


def _version_of(wrapped: bytes) -> bytes:
    """Of `vault:v2:…`."""
    return wrapped.split(b":", 2)[1]


def _bound(context: bytes) -> str:
    """The context as Vault takes it, which is never empty."""
    return base64.b64encode(b"run/" + context).decode()
