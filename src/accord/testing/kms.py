"""AWS KMS in this process, for tests: moto, and what it has not, the keys for Ed25519 that the service has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from botocore.loaders import create_loader
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto import mock_aws
from moto.core.exceptions import JsonRESTError
from moto.kms import models
from moto.kms.utils import KeySpec, generate_private_key

from accord.custody import Custody, keys_address

URL: Final = "awskms:///?region=eu-central-1"

_ED25519: Final = "ECC_NIST_EDWARDS25519"
_SIGNS: Final = "ED25519_SHA_512"
_loader = cache(create_loader)  # what AWS's API is like is the same each time, and long

_CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_SESSION_TOKEN": "none"}


class _Ed25519Key:
    """A key as moto has them, of a kind that it has not."""

    def __init__(self) -> None:
        self._secret = Ed25519PrivateKey.generate()

    def sign(self, message: bytes, signing_algorithm: str) -> bytes:
        assert signing_algorithm == _SIGNS  # noqa: S101 - AWS refuses another one
        return self._secret.sign(message)

    def public_key(self) -> bytes:
        return self._secret.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@contextmanager
def kms(folder: Path, *, has_ed25519: bool = True) -> Iterator[Custody]:
    """Where keys are that a KMS of this process holds, empty at the beginning; not every region's has Ed25519."""
    made = _ed25519() if has_ed25519 else nullcontext()
    with (
        mock_aws(),
        patch.dict(os.environ, _CREDENTIALS),
        patch("botocore.session.create_loader", _loader),
        patch.object(models.KmsBackend, "decrypt", _decrypt),
        made,
    ):
        yield Custody(files=folder / "keys", passphrase=folder / "none", address=keys_address(URL))


_moto_decrypts: Final = models.KmsBackend.decrypt


def _decrypt(
    backend: models.KmsBackend, ciphertext_blob: bytes, encryption_context: dict[str, str], key_id: str | None = None
) -> tuple[bytes, str]:
    """As moto does, but that another key than the one that is named is told as AWS tells it."""
    plain, arn = _moto_decrypts(backend, ciphertext_blob, encryption_context)
    if key_id is not None and backend.any_id_to_key_id(key_id) != arn.rpartition("/")[2]:
        raise JsonRESTError("IncorrectKeyException", "It does not identify a CMK that can do it.")
    return plain, arn


@contextmanager
def _ed25519() -> Iterator[None]:
    """Have moto make such keys, and let them sign as AWS does."""
    specs, algorithms = KeySpec.key_specs(), vars(models.Key)["signing_algorithms"]

    def generate(spec: str) -> Any:
        return _Ed25519Key() if spec == _ED25519 else generate_private_key(spec)

    def signing_algorithms(key: models.Key) -> Any:
        return [_SIGNS] if key.key_spec == _ED25519 else algorithms.fget(key)

    with (
        patch.object(models, "generate_private_key", generate),
        patch.object(KeySpec, "key_specs", lambda: [*specs, _ED25519]),
        patch.object(models.Key, "signing_algorithms", property(signing_algorithms)),
    ):
        yield
