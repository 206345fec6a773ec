"""Keys in an HSM, or whatever else speaks PKCS#11: private halves are sensitive, and cannot be extracted.

A key's label is its name. Its CKA_ID is a mark of ours, the time in microseconds, and chance: of several keys of one
name the last one counts, so that a key is replaced by making one, in one step. ES256 is signed as plain CKM_ECDSA,
which every token has, over a digest that is made here; Ed25519 is CKM_EDDSA.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from accord.custody import Custody, KeysAddress
from accord.domain.ids import KeyId
from accord.domain.signature import Algorithm, PublicKey
from accord.errors import KeysUnavailable, KeyUnusable
from accord.keys.private import NAME, fault, secret_in
from accord.keys.service import HeldKey, not_unwrapped, wrapped_elsewhere, wraps_nothing
from accord.ports import StoredKey

try:
    import pkcs11
    from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

    from accord.keys import pkcs11_library as library
    from accord.keys import pkcs11_wrapping as wrapping
except ModuleNotFoundError as error:
    hint = "pip install 'accord-orchestrator[pkcs11]'"
    raise KeyUnusable(fault("ACC629", "PKCS#11", detail="it is python-pkcs11", hint=hint)) from error

T = TypeVar("T")

SESSIONS_MAX: Final = 8
"""So many signatures are made at once at most."""

_MARK: Final = b"accord"
_TRIES: Final = 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_KINDS: Final[dict[Algorithm, tuple[KeyType, bytes, int]]] = {
    "ES256": (KeyType.EC, bytes.fromhex("06082a8648ce3d030107"), 65),  # the OID of P-256
    "Ed25519": (KeyType.EC_EDWARDS, b"\x13\x0cedwards25519", 32),  # a PrintableString, PKCS#11 v3.0, 2.3.5
}
"""By algorithm: the type of key, CKA_EC_PARAMS, and how long an encoded point is."""

_PRIVATE: Final = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}

_PIN_HINT: Final = "keys_secret_file holds its PIN; mind that a token locks itself after some wrong ones"

_LOST: Final = (
    pkcs11.DeviceRemoved,
    pkcs11.KeyHandleInvalid,
    pkcs11.ObjectHandleInvalid,
    pkcs11.SessionClosed,
    pkcs11.SessionHandleInvalid,
    pkcs11.TokenNotPresent,
    pkcs11.UserNotLoggedIn,
)
"""What is over with the session; another one may be had."""

_AWAY: Final = (pkcs11.DeviceError, pkcs11.DeviceMemory, pkcs11.HostMemory, pkcs11.SessionCount, *_LOST)

_NOT_LET_IN: Final = (
    pkcs11.PinExpired,
    pkcs11.PinIncorrect,
    pkcs11.PinInvalid,
    pkcs11.PinLenRange,
    pkcs11.PinLocked,
    pkcs11.UserPinNotInitialized,
)

_NO_SUCH_KIND: Final = (
    pkcs11.AttributeTypeInvalid,
    pkcs11.AttributeValueInvalid,
    pkcs11.DomainParamsInvalid,
    pkcs11.KeySizeRange,
    pkcs11.MechanismInvalid,
    pkcs11.MechanismParamInvalid,
    pkcs11.TemplateInconsistent,
)


def connect(custody: Custody) -> TokenKeys:
    """The keys of the token that the address names, opened with the PIN of the secret file.

    Raises:
        BadInput: ACC628 the file cannot be read.
        KeyUnusable: everybody may read the file, there is no such library or token, or it does not let us in.
    """
    address = custody.address
    assert address is not None  # noqa: S101 - else keys are files
    if custody.secret is None:
        raise KeyUnusable(fault("ACC638", str(address)))
    token = TokenKeys(address, secret_in(custody.secret))
    token.log_in()
    return token


class Session(msgspec.Struct):
    """A session of the pool, and the private keys that were found in it, by CKA_ID."""

    driver: Any
    login: int
    """The number of the login that it belongs to."""
    keys: dict[bytes, Any] = {}


class TokenKeys:
    """The keys of a token: `KeyService`. Every call takes a session out of a pool; one that is lost is opened anew."""

    in_one_call = 4

    def __init__(self, address: KeysAddress, pin: str) -> None:
        self.place = str(address)
        self._address = address
        self._pin = pin
        self._library: library.Library | None = None
        self.at_once = SESSIONS_MAX
        self._lock = threading.Lock()
        self._login: Any = None  # the session that has logged in, for all others
        self._login_number = 0
        self._is_refused = False
        self._free: list[Session] = []

    def log_in(self) -> None:
        """Open the token. Raises KeyUnusable."""
        with self._told():
            self._library = library.loaded(self._address.options["module-path"])
            self.at_once = SESSIONS_MAX if self._library.takes_many else 1
            with self._library.turns.alone():  # SoftHSM notes each login in its files
                self._log_in()

    def held(self, name: str | None = None) -> list[HeldKey]:
        """The keys that are ours, by name and age."""
        found = self._with_session(lambda session: _named(session, name))
        found.sort(key=lambda key: (key.stored.name, key.handle))
        latest = {key.stored.name: key.handle for key in found}
        return [msgspec.structs.replace(key, current=latest[key.stored.name] == key.handle) for key in found]

    def replaced(self) -> list[KeyId]:
        """The kids of all that are not the last of their name."""
        return [key.stored.public.kid for key in self.held() if not key.current]

    def make(self, name: str, algorithm: Algorithm) -> HeldKey:
        """Make a new key; of several that are made of one name at once, wherever, none or one stays."""
        for _ in range(_TRIES):
            made = self._generated(name, algorithm, _new_id(), is_first=True)
            if made is None:
                break
            if [key.handle for key in self.held(name)] == [made.handle]:
                return made
            # Nobody can say who was first, so each gives way, and tries again some time later.
            self._destroy(made.handle)
            time.sleep(secrets.randbelow(100) / 1000)
        raise KeyUnusable(fault("ACC611", name))

    def succeed(self, old: HeldKey, algorithm: Algorithm) -> HeldKey:
        """Make a new key that is the last one of its name."""
        last = self.held(old.stored.name)[-1]
        made = self._generated(old.stored.name, algorithm, _new_id(after=last.handle))
        assert made is not None  # noqa: S101 - it need not be the first
        return made

    def sign(self, key: HeldKey, inputs: Sequence[bytes]) -> list[bytes]:
        """The raw signatures."""
        if key.stored.public.algorithm == "ES256":
            digests = [sha256(data).digest() for data in inputs]
            return self._with_session(lambda session: _signed(session, key.handle, digests, Mechanism.ECDSA))
        return self._with_session(lambda session: _signed(session, key.handle, inputs, Mechanism.EDDSA))

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """The wrapped data key, which says what key of the token unwraps it."""

        def wrap(session: Session) -> bytes | None:
            return wrapping.wrapped(session.driver, plain, context, self.place)

        found = self._with_session(wrap)
        if found is None:
            new_id = _new_id()
            self._alone(lambda session: wrapping.begin(session.driver, new_id, self.place))
            found = self._with_session(wrap)
        if found is None:
            raise wraps_nothing(self.place)
        return found

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key."""
        return self._of_wrapped(wrapping.unwrapped, wrapped, context)

    def new_wrapping_key(self) -> None:
        """Make a key with the label behind the last one."""
        new_id = _new_id()
        if not self._alone(lambda session: wrapping.replace(session.driver, new_id, self.place)):
            raise wraps_nothing(self.place)

    def rewrap(self, wrapped: bytes, context: bytes) -> bytes | None:
        """The same data key under the key with the last label."""
        return self._of_wrapped(wrapping.rewrapped, wrapped, context)

    def _of_wrapped(self, work: Callable[[Any, bytes, bytes, str], T], wrapped: bytes, context: bytes) -> T:
        """What comes of a wrapped data key. Raises as `unwrap`."""
        if not wrapped.startswith(_MARK):
            raise wrapped_elsewhere(self.place)
        try:
            return self._with_session(
                lambda session: work(session.driver, wrapped, context, self.place),
                passes=(*wrapping.CHANGED, pkcs11.NoSuchKey),
            )
        except pkcs11.NoSuchKey as error:
            raise wrapped_elsewhere(self.place) from error
        except wrapping.CHANGED as error:
            raise not_unwrapped(self.place, _words(error)) from error

    def close(self) -> None:
        """Close all sessions that are not in use, and log out."""
        with self._lock, contextlib.suppress(pkcs11.PKCS11Error):
            while self._free:
                self._free.pop().driver.close()
            if self._login is not None:
                self._login.close()
        self._login = None

    def _generated(self, name: str, algorithm: Algorithm, key_id: bytes, *, is_first: bool = False) -> HeldKey | None:
        """A new key; None where it is to be the first of its name, and is not."""
        kind, parameters, _ = _KINDS[algorithm]

        def generate(session: Session) -> HeldKey | None:
            # SoftHSM takes what it makes for all that is new: who has not looked before never sees what others made.
            if _named(session, name) and is_first:
                return None
            domain = session.driver.create_domain_parameters(kind, {Attribute.EC_PARAMS: parameters}, local=True)
            public, private = domain.generate_keypair(
                id=key_id,
                label=name,
                store=True,
                capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
                private_template=_PRIVATE,
            )
            if not private[Attribute.SENSITIVE] or private[Attribute.EXTRACTABLE]:
                public.destroy()
                private.destroy()
                raise KeyUnusable(fault("ACC634", self.place, detail="a private key that cannot be taken out of it"))
            return next(_ours([public]))

        try:
            return self._alone(generate, passes=_NO_SUCH_KIND)
        except _NO_SUCH_KIND as error:
            raise KeyUnusable(fault("ACC634", self.place, detail=f"{algorithm}, {_words(error)}")) from error

    def _destroy(self, key_id: bytes) -> None:
        def destroy(session: Session) -> None:
            for one in list(session.driver.get_objects({Attribute.ID: key_id})):
                one.destroy()

        self._alone(destroy)

    # -- sessions ------------------------------------------------------------------------------------------------

    def _with_session(self, work: Callable[[Session], T], passes: tuple[type[Exception], ...] = ()) -> T:
        """What comes of the work in a session, and in a new one where that is lost. `passes` are told as they are."""
        return self._in_turn(self._loaded.turns.shared(), work, passes)

    def _alone(self, work: Callable[[Session], T], passes: tuple[type[Exception], ...] = ()) -> T:
        """The same for work that makes or destroys objects."""
        return self._in_turn(self._loaded.turns.alone(), work, passes)

    def _in_turn(
        self, turn: AbstractContextManager[None], work: Callable[[Session], T], passes: tuple[type[Exception], ...]
    ) -> T:
        with self._told(passes), turn:
            session = self._borrow()
            try:
                return self._worked(session, work)
            except (*_LOST, pkcs11.NoSuchKey):  # to one who is logged out, a token shows no private keys
                self._renew(session.login)
            return self._worked(self._borrow(), work)

    def _worked(self, session: Session, work: Callable[[Session], T]) -> T:
        """What comes of the work; where that goes wrong, nobody else gets the session: who knows what it is in."""
        try:
            found = work(session)
        except BaseException:
            with contextlib.suppress(pkcs11.PKCS11Error):
                session.driver.close()
            raise
        with self._lock, contextlib.suppress(pkcs11.PKCS11Error):
            if session.login == self._login_number:
                self._free.append(session)
            else:
                session.driver.close()
        return found

    def _borrow(self) -> Session:
        with self._lock:
            if self._free:
                return self._free.pop()
            if self._login is None:
                self._log_in()
            return Session(self._token().open(rw=True), self._login_number, {})

    def _renew(self, login: int) -> None:
        """Leave all sessions of this login, and log in again, unless somebody has done so."""
        with self._lock:
            if login != self._login_number:
                return
            old = [session.driver for session in self._free] + [self._login]
            self._free.clear()
            self._login = None
            for one in old:
                with contextlib.suppress(pkcs11.PKCS11Error):
                    one.close()
            self._log_in()

    @property
    def _loaded(self) -> library.Library:
        assert self._library is not None  # noqa: S101 - whoever connects loads it
        return self._library

    def _log_in(self) -> None:
        if self._is_refused:
            raise KeyUnusable(fault("ACC632", self.place, detail="the PIN was refused before", hint=_PIN_HINT))
        try:
            self._login = self._token().open(rw=True, user_pin=self._pin)
        except _NOT_LET_IN:
            self._is_refused = True  # to try it again and again would lock the token
            raise
        except pkcs11.UserAlreadyLoggedIn:  # another store of this process has: a login is good for all its sessions
            self._login = self._token().open(rw=True)
        self._login_number += 1

    def _token(self) -> Any:
        """The only token that is as the address says. Raises KeyUnusable."""
        said = self._address.options
        serial = said["serial"].encode() if "serial" in said else None
        found = [
            token
            for token in self._loaded.driver.get_tokens(token_label=said.get("token"), token_serial=serial)
            if str(token.slot.slot_id) == said.get("slot-id", str(token.slot.slot_id))
        ]
        if len(found) != 1:
            raise KeyUnusable(fault("ACC633", self.place, detail="more than one token" if found else "no such token"))
        return found[0]

    @contextlib.contextmanager
    def _told(self, passes: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Tell what PKCS#11 says as ours."""
        try:
            yield
        except passes:
            raise
        except _NOT_LET_IN as error:
            raise KeyUnusable(fault("ACC632", self.place, detail=_words(error), hint=_PIN_HINT)) from error
        except (*_AWAY, TimeoutError) as error:
            raise KeysUnavailable(fault("ACC630", self.place, detail=_words(error))) from error
        except pkcs11.PKCS11Error as error:
            is_there = self._library is not None and not isinstance(error, pkcs11.TokenNotRecognised)
            code = "ACC636" if is_there else "ACC633"
            raise KeyUnusable(fault(code, self.place, detail=_words(error))) from error


def _words(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()


def _new_id(after: bytes = b"") -> bytes:
    """A CKA_ID that is later than another one."""
    earliest = _made_at_us(after) + 1 if after else 0
    return _MARK + max(time.time_ns() // 1000, earliest).to_bytes(8, "big") + secrets.token_bytes(4)


def _made_at_us(key_id: bytes) -> int:
    return int.from_bytes(key_id[len(_MARK) : len(_MARK) + 8], "big")


def _named(session: Session, name: str | None) -> list[HeldKey]:
    """The keys of this name, or of all names, in any order."""
    wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY} | ({} if name is None else {Attribute.LABEL: name})
    return list(_ours(list(session.driver.get_objects(wanted))))


def _ours(objects: Iterator[Any] | Sequence[Any]) -> Iterator[HeldKey]:
    """Of these public keys, those that we have made."""
    for one in objects:
        key_id, name = one[Attribute.ID], one[Attribute.LABEL]
        algorithm = next((named for named, kind in _KINDS.items() if one.key_type == kind[0]), None)
        if algorithm is not None and key_id.startswith(_MARK) and NAME.fullmatch(name):
            created_at = _EPOCH + timedelta(microseconds=_made_at_us(key_id))
            yield HeldKey(StoredKey(name, _public(algorithm, one[Attribute.EC_POINT]), created_at), key_id)


def _public(algorithm: Algorithm, encoded: bytes) -> PublicKey:
    """The public key of CKA_EC_POINT: an OCTET STRING, or what is in it. Raises KeyUnusable."""
    point = encoded[-_KINDS[algorithm][2] :]
    try:
        if algorithm == "ES256":
            return PublicKey.of(EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point))
        return PublicKey.of(Ed25519PublicKey.from_public_bytes(point))
    except ValueError as error:
        raise KeyUnusable(fault("ACC635", "CKA_EC_POINT", detail=str(error))) from error


def _signed(session: Session, key_id: bytes, inputs: Sequence[bytes], mechanism: Mechanism) -> list[bytes]:
    key = session.keys.get(key_id)
    if key is None:
        wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: key_id}
        found = list(session.driver.get_objects(wanted))
        if len(found) != 1:
            raise pkcs11.NoSuchKey(f"{len(found)} with the CKA_ID {key_id.hex()}")
        key = session.keys[key_id] = found[0]
    return [key.sign(data, mechanism=mechanism) for data in inputs]
