"""A small Vault for tests: the engine `transit` over HTTP, as far as keys go that sign or encrypt. It answers as Vault
does: with the same paths, statuses, reasons and forms; it keeps nothing, and seals itself when it is told to.
"""

from __future__ import annotations

import base64
import os
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from accord.custody import Custody, keys_address
from accord.tls import TlsFiles

TOKEN: Final = "hvs.of-nothing"  # noqa: S105 - of nothing
MOUNT: Final = "team/transit"
KINDS: Final = ("ecdsa-p256", "ed25519")
ENCRYPTS: Final = "aes256-gcm96"

_NAME: Final = re.compile(r"\w(([\w.-]+)?\w)?")
_PATH: Final = re.compile(rf"/v1/{MOUNT}/(keys|sign|encrypt|decrypt|rewrap)/?([^/]*)/?([^/]*)")


class Refusal(Exception):
    """An answer that is none: a status, and Vault's reasons."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(*errors)
        self.status = status
        self.errors = errors


class Version(msgspec.Struct, frozen=True):
    """A version of a key."""

    secret: EllipticCurvePrivateKey | Ed25519PrivateKey
    created_at: datetime

    @classmethod
    def new(cls, kind: str) -> Version:
        """A fresh one."""
        if kind not in KINDS:
            raise Refusal(400, f"unknown key type {kind}")
        if kind == "ecdsa-p256":
            return cls(generate_private_key(SECP256R1()), datetime.now(UTC))
        return cls(Ed25519PrivateKey.generate(), datetime.now(UTC))

    def shown(self) -> dict[str, str]:
        """As reading a key shows it."""
        public = self.secret.public_key()
        at = self.created_at.isoformat().replace("+00:00", "123Z")  # Go tells nanoseconds
        if isinstance(public, Ed25519PublicKey):
            text = base64.b64encode(public.public_bytes_raw()).decode()
            return {"creation_time": at, "name": "ed25519", "public_key": text}
        text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        return {"creation_time": at, "name": "P-256", "public_key": text}

    def signed(self, data: bytes, marshaling: str) -> str:
        """The signature, in the encoding that goes with the marshaling."""
        if isinstance(self.secret, Ed25519PrivateKey):
            signature = self.secret.sign(data)
        else:
            signature = self.secret.sign(data, ECDSA(SHA256()))
            if marshaling == "jws":
                signature = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))
        if marshaling == "jws":
            return base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
        return base64.b64encode(signature).decode()


class Cipher(msgspec.Struct, frozen=True):
    """A key that encrypts; where it is derived, with another key for each context."""

    secrets: tuple[bytes, ...]
    """Its versions."""
    derived: bool
    oldest: int = 1
    """The first version that decrypts."""

    def shown(self) -> dict[str, Any]:
        """As reading it shows it."""
        derivation = {"kdf": "hkdf_sha256"} if self.derived else {}
        last = len(self.secrets)
        versions = {str(number): 1792000000 for number in range(self.oldest, last + 1)}
        told = {"latest_version": last, "min_decryption_version": self.oldest, "exportable": False}
        return {"type": ENCRYPTS, "derived": self.derived, **derivation, **told, "keys": versions}

    def rotated(self) -> Cipher:
        """With one more version."""
        return msgspec.structs.replace(self, secrets=(*self.secrets, os.urandom(32)))

    def encrypted(self, body: dict[str, Any]) -> dict[str, Any]:
        """What is answered."""
        nonce, last = os.urandom(12), len(self.secrets)
        text = nonce + self._aead(last, body).encrypt(nonce, base64.b64decode(body["plaintext"], validate=True), None)
        return {"data": {"ciphertext": f"vault:v{last}:{base64.b64encode(text).decode()}", "key_version": last}}

    def decrypted(self, body: dict[str, Any]) -> dict[str, Any]:
        """What is answered. Raises Refusal."""
        head, version, encoded = (*body["ciphertext"].split(":", 2), "", "")[:3]
        if head != "vault" or not version.startswith("v"):
            raise Refusal(400, "invalid ciphertext: no prefix")
        try:
            data, number = base64.b64decode(encoded, validate=True), int(version[1:])
        except ValueError:
            raise Refusal(400, "invalid ciphertext: could not decode base64") from None
        if number > len(self.secrets):
            raise Refusal(400, "invalid ciphertext: version is too new")
        if number < self.oldest:
            raise Refusal(400, "ciphertext or signature version is disallowed by policy (too old)")
        if len(data) < 12 + 16:
            raise Refusal(400, "invalid ciphertext length")
        try:
            plain = self._aead(number, body).decrypt(data[:12], data[12:], None)
        except InvalidTag:
            raise Refusal(400, "cipher: message authentication failed") from None
        return {"data": {"plaintext": base64.b64encode(plain).decode()}}

    def rewrapped(self, body: dict[str, Any]) -> dict[str, Any]:
        """What is answered. Raises Refusal."""
        return self.encrypted({**body, **self.decrypted(body)["data"]})

    def _aead(self, version: int, body: dict[str, Any]) -> AESGCM:
        secret = self.secrets[version - 1]
        if not self.derived:  # then Vault looks at no context
            return AESGCM(secret)
        if not body.get("context"):
            raise Refusal(400, "missing 'context' for key derivation; the key was created using a derived key")
        context = base64.b64decode(body["context"], validate=True)
        return AESGCM(HKDF(SHA256(), 32, None, context).derive(secret))


class Transit:
    """The engine: keys, by name, each with its versions."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[str, list[Version]]] = {}
        self._ciphers: dict[str, Cipher] = {}
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """What Vault answers, None for nothing. Raises Refusal."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise Refusal(404, f'no handler for route "{path.removeprefix("/v1/")}". route entry not found.')
        what, name, more = found.groups()
        if name and not _NAME.fullmatch(name):
            raise Refusal(404, "unsupported path")
        with self._lock:
            if (method, what, more) == ("POST", "keys", "") and body.get("type", ENCRYPTS) == ENCRYPTS:
                self._ciphers.setdefault(name, Cipher((os.urandom(32),), bool(body.get("derived"))))
            if name in self._ciphers or what in ("encrypt", "decrypt", "rewrap"):
                return self._ciphered(method, f"{what}/{more}" if more else what, name, body)
            if (method, what, name, more) == ("LIST", "keys", "", ""):
                return self._list()
            if (method, what, more) == ("GET", "keys", ""):
                return self._read(name)
            if (method, what, more) == ("POST", "keys", ""):
                return self._create(name, body["type"])
            if (method, what, more) == ("POST", "keys", "rotate"):
                return self._rotate(name)
            if (method, what) == ("POST", "sign"):
                return self._sign(name, body)
        raise Refusal(405, "unsupported operation")

    def _ciphered(self, method: str, what: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        if name not in self._ciphers:
            raise Refusal(400, "encryption key not found")
        cipher = self._ciphers[name]
        if what == "keys/rotate":
            cipher = self._ciphers[name] = cipher.rotated()
        elif what == "keys/config":
            cipher = self._ciphers[name] = msgspec.structs.replace(cipher, oldest=body["min_decryption_version"])
        if what.startswith("keys"):
            return {"data": {"name": name, **cipher.shown()}}
        if what == "sign":
            raise Refusal(400, f"key type {ENCRYPTS} does not support signing")
        if method != "POST":
            raise Refusal(405, "unsupported operation")
        work = {"encrypt": cipher.encrypted, "decrypt": cipher.decrypted, "rewrap": cipher.rewrapped}
        return work[what](body)

    def _list(self) -> dict[str, Any]:
        if not self._keys and not self._ciphers:
            raise Refusal(404)
        return {"data": {"keys": sorted({*self._keys, *self._ciphers})}}

    def _versions(self, name: str) -> list[Version]:
        if name not in self._keys:
            raise Refusal(404)
        return self._keys[name][1]

    def _read(self, name: str) -> dict[str, Any]:
        shown = {str(number): version.shown() for number, version in enumerate(self._versions(name), 1)}
        kind = self._keys[name][0]
        return {"data": {"name": name, "type": kind, "exportable": False, "latest_version": len(shown), "keys": shown}}

    def _create(self, name: str, kind: str) -> dict[str, Any]:
        if name in self._keys:
            return {**self._read(name), "warnings": [f"key {name} already existed"]}
        self._keys[name] = kind, [Version.new(kind)]
        return {**self._read(name), "warnings": None}

    def _rotate(self, name: str) -> dict[str, Any]:
        if name not in self._keys:
            raise Refusal(400, "key not found")
        self._versions(name).append(Version.new(self._keys[name][0]))
        return self._read(name)

    def _sign(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        if name not in self._keys:
            raise Refusal(400, "signing key not found")
        versions = self._versions(name)
        number = body.get("key_version") or len(versions)
        if number > len(versions):
            raise Refusal(400, "cannot sign with a version that is higher than the latest key version")
        version, marshaling = versions[number - 1], body.get("marshaling_algorithm", "asn1")
        results = []
        for item in body["batch_input"]:
            signature = version.signed(base64.b64decode(item["input"], validate=True), marshaling)
            results.append({"signature": f"vault:v{number}:{signature}", "key_version": number})
        return {"data": {"batch_results": results}}


class VaultServer:
    """A server with one engine and one token, at an address of its own on this machine."""

    def __init__(self, folder: Path, tls: TlsFiles | None = None) -> None:
        """With a certificate it speaks TLS alone."""
        self.token = TOKEN
        self.is_sealed = False
        self.before: Callable[[str], None] = lambda path: None
        """Called with the path of each request before it is answered, in a thread of its own."""
        self.transit = Transit()
        self.secret = folder / "token"
        self._folder = folder
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._http.daemon_threads = True
        self._scheme = "vault+http" if tls is None else "vault"
        if tls is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*map(str, (tls.cert, tls.key)))
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)

    @property
    def custody(self) -> Custody:
        """Where keys are that this server holds."""
        address = keys_address(f"{self._scheme}://127.0.0.1:{self._http.server_port}/{MOUNT}")
        files, passphrase = self._folder / "keys", self._folder / "none"
        return Custody(files=files, passphrase=passphrase, address=address, secret=self.secret)

    def serve(self) -> None:
        """Answer until it is stopped."""
        self._http.serve_forever(poll_interval=0.02)

    def stop(self) -> None:
        """Answer no more, and close the port."""
        self._http.shutdown()
        self._http.server_close()

    def answer(self, method: str, path: str, token: str | None, body: bytes) -> dict[str, Any] | None:
        """What is answered to a request. Raises Refusal."""
        self.before(path)
        if self.is_sealed:
            raise Refusal(503, "Vault is sealed")
        if token != self.token:
            raise Refusal(403, "permission denied")
        return self.transit.answer(method, path, msgspec.json.decode(body or b"{}"))


def _handler_for(server: VaultServer) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer is one packet, so that nobody waits for the second one

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            try:
                answer = server.answer(self.command, self.path, self.headers.get("X-Vault-Token"), body)
                status = 204 if answer is None else 200
            except Refusal as refusal:
                answer, status = {"errors": list(refusal.errors)}, refusal.status
            data = b"" if answer is None else msgspec.json.encode(answer)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_LIST = _answer  # noqa: N815 - as http.server names them

        def log_message(self, *_: object) -> None:
            """Nothing: the tests say what went wrong."""

    return Requests


@contextmanager
def vault_server(folder: Path, tls: TlsFiles | None = None) -> Iterator[VaultServer]:
    """A running server without keys; its token is in a file of this folder."""
    server = VaultServer(folder, tls)
    server.secret.write_text(f"{TOKEN}\n")
    server.secret.chmod(0o600)
    thread = threading.Thread(target=server.serve, name="vault")
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
