"""Keys in AWS KMS. A key's alias is its name: an alias exists once, and to replace a key is to point it elsewhere.

Region and credentials come from where AWS's own tools have them: environment, files, the machine's role.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any, Final
from urllib.parse import quote_from_bytes

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from accord.custody import Custody
from accord.domain.ids import KeyId
from accord.domain.signature import Algorithm, PublicKey
from accord.errors import KeysUnavailable, KeyUnusable, Problem
from accord.keys.private import NAME, fault
from accord.keys.service import HeldKey, not_unwrapped, wrapped_elsewhere, wraps_nothing
from accord.ports import StoredKey

try:
    import boto3
    from botocore import exceptions as aws
    from botocore.config import Config
except ModuleNotFoundError as error:
    hint = "pip install 'accord-orchestrator[aws]'"
    raise KeyUnusable(fault("ACC629", "AWS KMS", detail="it is boto3", hint=hint)) from error

CALLS_MAX: Final = 8
"""So many calls are under way at once at most."""

_REPLACED: Final = "Replaced/"  # no name has a capital letter
_WRAPPING: Final = "Wrapping"
_WRAPPED: Final = "Wrapped/"
_WRAPS: Final = ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
_WAITING_DAYS: Final = 7  # a key that nobody has ever used is deleted as soon as AWS allows it

_KINDS: Final[dict[Algorithm, tuple[str, str]]] = {
    "ES256": ("ECC_NIST_P256", "ECDSA_SHA_256"),
    "Ed25519": ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
}
"""By algorithm: AWS's kind of key, and its way to sign."""

_AWAY: Final = ("DependencyTimeoutException", "KMSInternalException", "KeyUnavailableException", "ThrottlingException")
_NOT_LET_IN: Final = (
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "NotAuthorized",
    "OptInRequired",
    "UnrecognizedClientException",
)
_LOGIN_HINT: Final = (
    "it takes CreateAlias, CreateKey, Decrypt, DescribeKey, Encrypt, GetPublicKey, ListAliases, ScheduleKeyDeletion, "
    "Sign and UpdateAlias"
)


def connect(custody: Custody) -> KmsKeys:
    """The keys of the account and region that boto3 finds. Raises KeyUnusable."""
    address = custody.address
    assert address is not None  # noqa: S101 - else keys are files
    config = Config(
        connect_timeout=3,
        read_timeout=4,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=CALLS_MAX,
    )
    with _told(str(address)):
        client = boto3.session.Session().client("kms", region_name=address.options.get("region"), config=config)
    return KmsKeys(str(address), client, address.options.get("prefix", "accord/"))


class KmsKeys:
    """The keys whose aliases begin with a prefix: `KeyService`."""

    at_once = CALLS_MAX
    in_one_call = 1

    def __init__(self, place: str, client: Any, prefix: str) -> None:
        self.place = place
        self._client = client
        self._prefix = f"alias/{prefix}"
        self._known: dict[str, tuple[PublicKey, Any]] = {}
        """Public key and time of creation by AWS's id: these never change."""
        self._has_wrapping_key = False

    def held(self, name: str | None = None) -> list[HeldKey]:
        """The keys with an alias of ours; of all, only those that are neither disabled nor about to be deleted."""
        with _told(self.place):
            if name is not None:
                return self._named(name)
            current, _ = self._aliases()
            return [key for found, target in current.items() for key in self._listed(found, target)]

    def replaced(self) -> list[KeyId]:
        """The kids that aliases tell; the keys themselves may be deleted, or are about to be."""
        with _told(self.place):
            current, replaced = self._aliases()
            return [kid for kid, target in replaced.items() if target not in current.values()]

    def make(self, name: str, algorithm: Algorithm) -> HeldKey:
        """Make a key, and give it the alias; where somebody else has it, the key is deleted."""
        with _told(self.place):
            if self._named(name):
                raise KeyUnusable(fault("ACC611", name))
            made = self._new(name, algorithm)
            try:
                with self._taken_back(made["KeyId"]):
                    self._client.create_alias(AliasName=self._alias(name), TargetKeyId=made["KeyId"])
            except self._client.exceptions.AlreadyExistsException:
                raise KeyUnusable(fault("ACC611", name)) from None
            return self._held(name, made["KeyId"], made)

    def succeed(self, old: HeldKey, algorithm: Algorithm) -> HeldKey:
        """Make a key, and point the alias to it; the old one gets an alias that says so."""
        name = old.stored.name
        with _told(self.place):
            made = self._new(name, algorithm)
            aside = f"{self._prefix}{_REPLACED}{old.stored.public.kid}"
            with self._taken_back(made["KeyId"]):
                with contextlib.suppress(
                    self._client.exceptions.AlreadyExistsException
                ):  # a crash came after this step
                    self._client.create_alias(AliasName=aside, TargetKeyId=old.handle)
                self._client.update_alias(AliasName=self._alias(name), TargetKeyId=made["KeyId"])
            return self._held(name, made["KeyId"], made)

    def sign(self, key: HeldKey, inputs: Sequence[bytes]) -> list[bytes]:
        """The raw signatures. The whole message is sent: of Ed25519, AWS signs nothing else."""
        algorithm = key.stored.public.algorithm
        with _told(self.place):
            return [self._signed(key.handle, algorithm, data) for data in inputs]

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """AWS's own form, which says what key it is of. The alias says which one wraps: another process may have
        pointed it elsewhere.
        """
        with _told(self.place):
            if not self._has_wrapping_key and self._wraps() is None:
                self._make_to_wrap()
            answer = self._client.encrypt(
                KeyId=self._prefix + _WRAPPING, Plaintext=plain, EncryptionContext=_context(context)
            )
        wrapped: bytes = answer["CiphertextBlob"]
        return wrapped

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key. What is none of AWS's cannot be told from what was changed."""
        with _told(self.place):
            return self._unwrapped(wrapped, context)[0]

    def new_wrapping_key(self) -> None:
        """Make a key, and point the alias to it; the old one gets an alias that says so, and no other may unwrap."""
        with _told(self.place):
            old = self._wraps()
            if old is None:
                raise wraps_nothing(self.place)
            key_id = self._new_to_wrap()
            with self._taken_back(key_id):
                with contextlib.suppress(self._client.exceptions.AlreadyExistsException):
                    self._client.create_alias(AliasName=self._prefix + _WRAPPED + old, TargetKeyId=old)
                self._client.update_alias(AliasName=self._prefix + _WRAPPING, TargetKeyId=key_id)

    def rewrap(self, wrapped: bytes, context: bytes) -> bytes | None:
        """The same data key under the key that has the alias now."""
        with _told(self.place):
            plain, key_id = self._unwrapped(wrapped, context)
            if key_id == self._wraps():
                return None
        return self.wrap(plain, context)

    def _unwrapped(self, wrapped: bytes, context: bytes) -> tuple[bytes, str]:
        """The data key, and AWS's id of the key that unwraps it: the one that wraps, or one before it. Nothing else
        is asked to, as a key of somebody else's would do it as well.
        """
        refused = self._client.exceptions
        for key in self._wrapping_keys():
            try:
                answer = self._client.decrypt(KeyId=key, CiphertextBlob=wrapped, EncryptionContext=_context(context))
            except refused.IncorrectKeyException:
                continue
            except refused.InvalidCiphertextException as error:
                raise not_unwrapped(self.place, str(error)) from error
            return answer["Plaintext"], answer["KeyId"].rpartition("/")[2]
        raise wrapped_elsewhere(self.place)

    def _wrapping_keys(self) -> Iterator[str]:
        """By what AWS finds the key that wraps, and, looked for only where that is another one, those before it that
        are not about to be deleted.
        """
        if not self._has_wrapping_key and self._wraps() is None:
            return
        yield self._prefix + _WRAPPING
        for alias, target in self._targets():
            if alias.startswith(_WRAPPED):
                state = self._client.describe_key(KeyId=target)["KeyMetadata"]["KeyState"]
                if state == "Enabled":
                    yield target

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _wraps(self) -> str | None:
        """AWS's id of the key that wraps; None where there is none."""
        try:
            found = self._client.describe_key(KeyId=self._prefix + _WRAPPING)["KeyMetadata"]
        except self._client.exceptions.NotFoundException:
            return None
        if (found["KeySpec"], found["KeyUsage"]) != _WRAPS:
            raise KeyUnusable(fault("ACC880", self.place, detail=f"{self._prefix}{_WRAPPING} is {found['KeySpec']}"))
        self._has_wrapping_key = True
        return str(found["KeyId"])

    def _make_to_wrap(self) -> None:
        """Give a new key the alias, unless somebody else has it meanwhile."""
        key_id = self._new_to_wrap()
        with contextlib.suppress(self._client.exceptions.AlreadyExistsException), self._taken_back(key_id):
            self._client.create_alias(AliasName=self._prefix + _WRAPPING, TargetKeyId=key_id)
        self._wraps()

    def _new_to_wrap(self) -> str:
        spec, usage = _WRAPS
        made = self._client.create_key(KeySpec=spec, KeyUsage=usage, Description="Accord: wraps data keys")
        return str(made["KeyMetadata"]["KeyId"])

    @contextlib.contextmanager
    def _taken_back(self, key_id: str) -> Iterator[None]:
        """Delete a new key where AWS refuses its alias, as nobody would find it; not where it may have it."""
        try:
            yield
        except aws.ClientError as error:
            if not _is_away(error):
                with contextlib.suppress(aws.ClientError):
                    self._client.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=_WAITING_DAYS)
            raise

    def _signed(self, key_id: str, algorithm: Algorithm, data: bytes) -> bytes:
        answer = self._client.sign(KeyId=key_id, Message=data, MessageType="RAW", SigningAlgorithm=_KINDS[algorithm][1])
        signature: bytes = answer["Signature"]
        if algorithm == "Ed25519":
            return signature
        try:
            r, s = decode_dss_signature(signature)
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        except (ValueError, OverflowError) as error:
            raise KeyUnusable(fault("ACC635", self.place, detail=str(error))) from error

    def _aliases(self) -> tuple[dict[str, str], dict[KeyId, str]]:
        """AWS's ids of the keys by name, and by the kid of those that were replaced."""
        current: dict[str, str] = {}
        replaced: dict[KeyId, str] = {}
        for alias, target in self._targets():
            if alias.startswith(_REPLACED):
                replaced[KeyId(alias.removeprefix(_REPLACED))] = target
            elif (name := _name_of(alias)) is not None:
                current[name] = target
        return current, replaced

    def _targets(self) -> Iterator[tuple[str, str]]:
        """The aliases of ours behind the prefix, and AWS's ids of their keys."""
        for page in self._client.get_paginator("list_aliases").paginate():
            for one in page["Aliases"]:
                alias, target = one["AliasName"], one.get("TargetKeyId")
                if target is not None and alias.startswith(self._prefix):
                    yield alias.removeprefix(self._prefix), target

    def _named(self, name: str) -> list[HeldKey]:
        try:
            found = self._client.describe_key(KeyId=self._alias(name))["KeyMetadata"]
        except self._client.exceptions.NotFoundException:
            return []
        return [self._held(name, found["KeyId"], found)]

    def _new(self, name: str, algorithm: Algorithm) -> Mapping[str, Any]:
        """What AWS says of the new key."""
        try:
            made = self._client.create_key(
                KeySpec=_KINDS[algorithm][0], KeyUsage="SIGN_VERIFY", Description=f"Accord: {name}"
            )
        except (aws.ClientError, aws.ParamValidationError) as error:
            if isinstance(error, aws.ParamValidationError) or _code(error) in _NO_SUCH_KIND:
                raise KeyUnusable(fault("ACC634", self.place, detail=algorithm)) from error
            raise
        described: Mapping[str, Any] = made["KeyMetadata"]
        return described

    def _listed(self, name: str, key_id: str) -> Iterator[HeldKey]:
        """The key, unless nothing can be done with it."""
        refused = self._client.exceptions
        with contextlib.suppress(refused.DisabledException, refused.KMSInvalidStateException):
            yield self._held(name, key_id)

    def _held(self, name: str, key_id: str, described: Mapping[str, Any] | None = None) -> HeldKey:
        if key_id not in self._known:
            described = described or self._client.describe_key(KeyId=key_id)["KeyMetadata"]
            der = self._client.get_public_key(KeyId=key_id)["PublicKey"]
            self._known[key_id] = self._public(der), described["CreationDate"].astimezone(UTC)
        public, created_at = self._known[key_id]
        return HeldKey(StoredKey(name, public, created_at), key_id)

    def _public(self, der: bytes) -> PublicKey:
        try:
            public = load_der_public_key(der)
        except ValueError as error:
            raise KeyUnusable(fault("ACC635", self.place, detail=str(error))) from error
        if not isinstance(public, EllipticCurvePublicKey | Ed25519PublicKey):
            raise KeyUnusable(fault("ACC635", self.place, detail=type(public).__name__))
        return PublicKey.of(public)

    def _alias(self, name: str) -> str:
        """An alias has no dots; names have no strokes."""
        return self._prefix + name.replace(".", "/")


_NO_SUCH_KIND: Final = ("ValidationException", "UnsupportedOperationException", "InvalidKeyUsageException")


def _name_of(rest: str) -> str | None:
    """The name that is behind the prefix of an alias; None where it is none of ours."""
    name = rest.replace("/", ".")
    return name if NAME.fullmatch(name) else None


def _context(context: bytes) -> dict[str, str]:
    """The context as AWS logs it, and as policies may ask for it."""
    return {"accord": f"run/{quote_from_bytes(context)}"}


def _code(error: aws.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _is_away(error: aws.ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _code(error) in _AWAY or bool(status >= 500)


@contextlib.contextmanager
def _told(place: str) -> Iterator[None]:
    """Tell what AWS says as ours."""
    try:
        yield
    except aws.ClientError as error:
        raise _refused(place, error) from error
    except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError) as error:
        hint = "give AWS's credentials as to its own tools: environment, ~/.aws, or the machine's role"
        raise KeyUnusable(fault("ACC632", place, detail=str(error), hint=hint)) from error
    except (aws.NoRegionError, aws.InvalidRegionError) as error:
        raise KeyUnusable(fault("ACC633", place, detail=str(error), hint="name one in it: region=")) from error
    except (aws.HTTPClientError, aws.ConnectionError) as error:
        raise KeysUnavailable(fault("ACC630", place, detail=str(error))) from error
    except aws.BotoCoreError as error:
        raise KeyUnusable(fault("ACC636", place, detail=str(error))) from error


def _refused(place: str, error: aws.ClientError) -> KeyUnusable:
    code = _code(error)
    if _is_away(error):
        return KeysUnavailable(fault("ACC630", place, detail=str(error)))
    if code in _NOT_LET_IN:
        return KeyUnusable(fault("ACC632", place, detail=str(error), hint=_LOGIN_HINT))
    found: Problem = fault("ACC633" if code == "NotFoundException" else "ACC636", place, detail=str(error))
    return KeyUnusable(found)
