"""Keys in a directory of files that only their owner can read: the store of the embedded default.

Every key is an encrypted PKCS#8 PEM `<name>.pem` of mode 0600 in a directory of mode 0700. A file appears
whole or not at all, and is never overwritten. Anything looser, foreign or damaged is refused, with a way out.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from accord.domain.ids import KeyId
from accord.domain.signature import Algorithm, PublicKey
from accord.errors import KeyUnusable, Problem
from accord.keys.private import NAME, PrivateKey, check_name, fault, no_such_key
from accord.ports import DataKey, StoredKey

REPLACED = "replaced"
"""The directory with keys that others have taken the place of: `<kid>.pem`, which nothing reads, and
`wrapping-<name>.key`, until nothing is wrapped under it any more."""

WRAPPING = "wrapping.key"
"""The file with the key that data keys are wrapped under."""

_FILE_MAX_BYTES = 16384
_NAME_BYTES, _NONCE_BYTES = 8, 12
_TEXT_AT = _NAME_BYTES + _NONCE_BYTES
_THREAD_FROM = 16  # signing lets other threads run; for fewer the way to a thread costs more


class FileKeyStore:
    """The keys of one directory, decrypted once and held in memory; several processes may share it."""

    def __init__(self, directory: Path, passphrase: bytes) -> None:
        self._directory = directory
        self._passphrase = passphrase
        self._keys: dict[str, tuple[StoredKey, PrivateKey]] = {}
        self._by_kid: dict[KeyId, PrivateKey] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, directory: Path, passphrase: bytes) -> AsyncIterator[Self]:
        """The store of this directory, made if it is not there, with all keys loaded.

        Raises KeyUnusable with everything that is wrong with the directory, the passphrase and all keys.
        """
        store = cls(directory, passphrase)
        await asyncio.to_thread(store._open)
        try:
            yield store
        finally:
            store._close()

    async def create(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Make a new key, durable when this returns. Raises as the port says."""
        check_name(name)
        return await asyncio.to_thread(self._create, name, algorithm)

    async def replace(self, name: str, algorithm: Algorithm = "ES256") -> PublicKey:
        """Make a new key in place of the one that has this name, which is kept in the directory `replaced`. Raises as
        `public` does.
        """
        old = await self.public(name)
        return await asyncio.to_thread(self._replace, name, old.kid, algorithm)

    async def stored(self) -> list[StoredKey]:
        """All keys by name, those included that another process has made since."""
        KeyUnusable.raise_if(await asyncio.to_thread(self._load_new))
        return [self._keys[name][0] for name in sorted(self._keys)]

    async def public(self, name: str) -> PublicKey:
        """The key's public half. Raises NotFound, and KeyUnusable where it may be in a file that is refused."""
        problems = [] if name in self._keys else await asyncio.to_thread(self._load_new)
        if name not in self._keys:
            KeyUnusable.raise_if(problems)
            raise no_such_key(name)
        return self._keys[name][0].public

    async def sign(self, kid: KeyId, inputs: Sequence[bytes]) -> list[bytes]:
        """A raw 64-byte signature for each input, in order. Raises as `public` does."""
        problems = [] if kid in self._by_kid else await asyncio.to_thread(self._load_new)
        key = self._by_kid.get(kid)
        if key is None:
            KeyUnusable.raise_if(problems)
            raise no_such_key(kid)
        if len(inputs) < _THREAD_FROM:
            return key.sign(inputs)
        return await asyncio.to_thread(key.sign, inputs)

    def _open(self) -> None:
        if not self._passphrase:
            raise KeyUnusable(fault("ACC621", str(self._directory)))
        _make_directory(self._directory)
        KeyUnusable.raise_if(self._load_new())

    def _close(self) -> None:
        self._passphrase = b""
        self._keys.clear()
        self._by_kid.clear()

    async def replaced(self) -> list[KeyId]:
        """The kids of the keys that others have taken the place of."""
        return [KeyId(path.stem) for path in sorted((self._directory / REPLACED).glob("*.pem"))]

    def _load_new(self) -> list[Problem]:
        """Load the keys whose files are new to this process; returns what is wrong with those that are refused."""
        self._check()
        problems: list[Problem] = []
        new = [
            path
            for path in sorted(self._directory.glob("*.pem"))
            if path.stem not in self._keys and not path.name.startswith(".")
        ]
        for path in new:
            try:
                self._load(path)
            except KeyUnusable as error:
                problems.extend(error.problems)
        unopened = [problem for problem in problems if problem.code == "ACC619"]
        if self._keys or len(unopened) < 2:
            return problems
        # Not the keys are wrong, the passphrase is.
        return [fault("ACC619", str(self._directory)), *(one for one in problems if one.code != "ACC619")]

    def _check(self) -> None:
        if not self._passphrase:
            raise KeyUnusable(fault("ACC622", str(self._directory)))
        KeyUnusable.raise_if(_directory_faults(self._directory))

    def _load(self, path: Path) -> None:
        if NAME.fullmatch(path.stem) is None:
            raise KeyUnusable(fault("ACC610", str(path)))
        pem, modified = _read(path)
        key = PrivateKey.from_pem(pem, self._passphrase, str(path))
        self._keep(path.stem, key, modified)

    def _keep(self, name: str, key: PrivateKey, created_at: datetime) -> None:
        self._keys[name] = StoredKey(name, key.public, created_at), key
        self._by_kid[key.public.kid] = key

    def _create(self, name: str, algorithm: Algorithm) -> PublicKey:
        self._check()
        path = self._directory / f"{name}.pem"
        key = PrivateKey.generate(algorithm)
        if not _write_new(path, key.to_pem(self._passphrase)):
            raise KeyUnusable(fault("ACC611", str(path)))
        self._keep(name, key, _read(path)[1])
        return key.public

    def _replace(self, name: str, old: KeyId, algorithm: Algorithm) -> PublicKey:
        self._check()
        path, aside = self._directory / f"{name}.pem", self._directory / REPLACED
        key = PrivateKey.generate(algorithm)
        _make_directory(aside)
        with _alone(self._directory):
            if PrivateKey.from_pem(_read(path)[0], self._passphrase, str(path)).public.kid != old:
                raise KeyUnusable(fault("ACC663", str(path)))
            self._put_in_place(key, path, aside / f"{old}.pem")
        self._keep(name, key, _read(path)[1])
        return key.public

    def _put_in_place(self, key: PrivateKey, path: Path, old: Path) -> None:
        """Have the key at the path, and the one that is there at the other one."""
        aside = old.parent
        with _reported(aside), contextlib.suppress(FileExistsError):  # a crash may have come after this step
            os.link(path, old)
            _sync_directory(aside)
        fresh = aside / f"{key.public.kid}.new"
        _write_new(fresh, key.to_pem(self._passphrase))
        with _reported(path):
            fresh.replace(path)
            _sync_directory(path.parent)


class FileKeyWrapper:
    """Wraps data keys under one key in the directory, which is made when it is first needed: 32 random bytes in
    `wrapping.key`, encrypted with AES-256-GCM under a key that scrypt makes of the passphrase. Those before it are in
    the directory `replaced`.
    """

    def __init__(self, directory: Path, passphrase: bytes) -> None:
        self._path = directory / WRAPPING
        self._passphrase = passphrase
        self._keys: dict[bytes, bytes] = {}
        """The keys that were needed so far, by their names."""
        self._wraps: tuple[tuple[int, int], bytes] | None = None
        """The key that wraps, with what tells its file from another one."""

    async def data_key(self, context: bytes) -> DataKey:
        """A new data key. Raises as the port says."""
        key = await asyncio.to_thread(self._current, makes=True)
        plain = secrets.token_bytes(32)
        return DataKey(plain, _wrapped(key, plain, context))

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key. Raises as the port says."""
        name = wrapped[:_NAME_BYTES]
        key = self._keys[name] if name in self._keys else await asyncio.to_thread(self._named, name)
        try:
            return AESGCM(key).decrypt(wrapped[_NAME_BYTES:_TEXT_AT], wrapped[_TEXT_AT:], context)
        except (InvalidTag, ValueError) as error:
            raise KeyUnusable(fault("ACC876", str(self._path))) from error

    async def new_wrapping_key(self) -> None:
        """Put a new key in place of the one that wraps. Raises as the port says."""
        await asyncio.to_thread(self._replace)

    async def rewrap(self, wrapped: bytes, context: bytes) -> bytes | None:
        """The same data key under the key that wraps now; None where it is. Raises as the port says."""
        key = await asyncio.to_thread(self._current, makes=False)
        if wrapped[:_NAME_BYTES] == _name_of(key):
            return None
        return _wrapped(key, await self.unwrap(wrapped, context), context)

    def _current(self, *, makes: bool) -> bytes:
        """The key that wraps, read again where another process has put a new one in its place."""
        if makes and not self._path.exists():
            _make_directory(self._path.parent)
            _write_new(self._path, self._locked(secrets.token_bytes(32)))
        with _reported(self._path):
            status = self._path.lstat()
        file = status.st_ino, status.st_mtime_ns
        if self._wraps is None or self._wraps[0] != file:
            self._wraps = file, self._read_key(self._path)
        return self._wraps[1]

    def _named(self, name: bytes) -> bytes:
        """The key of this name. Raises KeyUnusable ACC875 where there is none."""
        before = self._replaced_path(name)
        key = self._current(makes=False)
        if name != _name_of(key) and before.exists():
            key = self._read_key(before)
        if name != _name_of(key):
            raise KeyUnusable(fault("ACC875", str(self._path)))
        return key

    def _read_key(self, path: Path) -> bytes:
        key = self._unlocked(_read(path)[0], path)
        self._keys[_name_of(key)] = key
        return key

    def _replaced_path(self, name: bytes) -> Path:
        return self._path.parent / REPLACED / f"wrapping-{name.hex()}.key"

    def _replace(self) -> None:
        if not self._path.exists():
            raise KeyUnusable(fault("ACC884", str(self._path)))
        with _alone(self._path.parent):
            old = self._replaced_path(_name_of(self._current(makes=False)))
            _make_directory(old.parent)
            with _reported(old), contextlib.suppress(FileExistsError):  # a crash may have come after this step
                os.link(self._path, old)
                _sync_directory(old.parent)
            fresh = old.parent / f"wrapping-{secrets.token_hex(8)}.new"
            _write_new(fresh, self._locked(secrets.token_bytes(32)))
            with _reported(self._path):
                fresh.replace(self._path)
                _sync_directory(self._path.parent)

    def _locked(self, key: bytes) -> bytes:
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(_NONCE_BYTES)
        return salt + nonce + AESGCM(self._secret(salt)).encrypt(nonce, key, None)

    def _unlocked(self, data: bytes, path: Path) -> bytes:
        salt, nonce, text = data[:16], data[16 : 16 + _NONCE_BYTES], data[16 + _NONCE_BYTES :]
        try:
            return AESGCM(self._secret(salt)).decrypt(nonce, text, None)
        except (InvalidTag, ValueError) as error:
            raise KeyUnusable(fault("ACC619", str(path))) from error

    def _secret(self, salt: bytes) -> bytes:
        return Scrypt(salt, length=32, n=1 << 14, r=8, p=1).derive(self._passphrase)


def _wrapped(key: bytes, plain: bytes, context: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _name_of(key) + nonce + AESGCM(key).encrypt(nonce, plain, context)


def _name_of(key: bytes) -> bytes:
    """What tells one wrapping key from another, and says nothing of it."""
    return sha256(b"accord/1 wrapping key" + key).digest()[:_NAME_BYTES]


def load_passphrase(path: Path, keys: Path, *, makes: bool = True) -> bytes:
    """The passphrase in this file, for the keys in a directory; a fresh random one is written where there are neither,
    unless somebody has named the file (`makes` false).

    One line end at its end does not count. Raises KeyUnusable where others may read the file, where it is empty, and
    where it is gone and the keys are not.
    """
    # Whoever comes second, in whatever process, reads what the first one wrote.
    if not path.is_symlink() and not path.exists():
        if keys.is_dir() and any(keys.glob("*.pem")):
            raise KeyUnusable(fault("ACC623", str(path)))
        if not makes:
            raise KeyUnusable(fault("ACC624", str(path)))
        _make_directory(path.parent)
        _write_new(path, secrets.token_urlsafe(32).encode() + b"\n")
    passphrase = _read(path, "ACC621")[0].removesuffix(b"\n").removesuffix(b"\r")
    if not passphrase:
        raise KeyUnusable(fault("ACC621", str(path)))
    return passphrase


def _make_directory(directory: Path) -> None:
    with _reported(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def _directory_faults(directory: Path) -> Iterator[Problem]:
    with _reported(directory):
        status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        yield fault("ACC615", str(directory))
    else:
        yield from _access_faults(directory, status)


def _access_faults(path: Path, status: os.stat_result) -> Iterator[Problem]:
    """What of owner and mode lets others at it."""
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != os.geteuid():
        yield fault("ACC614", str(path))
    if mode & 0o077:
        allowed = "700" if stat.S_ISDIR(status.st_mode) else "600"
        yield fault("ACC613", str(path), detail=f"mode {mode:04o}", hint=f"chmod {allowed} {path}")


def _read(path: Path, empty: str = "ACC617") -> tuple[bytes, datetime]:
    """The contents of a private file and when it was written; what was checked is what is read. `empty` is the code for
    one without contents.
    """
    with _reported(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise KeyUnusable(fault("ACC615", str(path)))
            KeyUnusable.raise_if(_access_faults(path, status))
            data = os.read(descriptor, _FILE_MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    if not data or len(data) > _FILE_MAX_BYTES:
        raise KeyUnusable(fault("ACC617" if data else empty, str(path)))
    return data, datetime.fromtimestamp(status.st_mtime, UTC)


def _write_new(path: Path, data: bytes) -> bool:
    """Write a file whole and durably; False where the name is taken. A crash may leave a hidden `.tmp`."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    with _reported(path):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            # A link, as a rename would overwrite.
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        _sync_directory(path.parent)
    return True


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let nobody else replace a key there meanwhile."""
    with _reported(directory):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _reported(directory):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Tell operating system errors as KeyUnusable."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise KeyUnusable(fault("ACC615", str(path))) from error
        raise KeyUnusable(fault("ACC616", str(path), detail=error.strerror or str(error))) from error
