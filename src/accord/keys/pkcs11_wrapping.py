"""The key of a PKCS#11 token that data keys are wrapped under: AES-256, which never leaves the token.

They are encrypted with CKM_AES_GCM, and the context is its additional data. The first key has the label `wrapping`, the
one in its place `wrapping.2`, and so on: the last label wraps. Of several keys of a label, which processes can make
that begin at the same time, the oldest one does; what was wrapped says under which it was.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, MechanismFlag, ObjectClass

from accord.errors import KeyUnusable
from accord.keys.private import fault

ID_BYTES: Final = 18

CHANGED: Final = (pkcs11.EncryptedDataInvalid, pkcs11.EncryptedDataLenRange, pkcs11.GeneralError)
"""What tokens say to a text that was changed, or to another context; SoftHSM the last one."""

_LABEL: Final = "wrapping"
_NONCE_BYTES: Final = 12
_TEXT_AT: Final = ID_BYTES + _NONCE_BYTES
_LABELS: Final = re.compile(rf"{_LABEL}(?:\.([1-9]\d{{0,8}}))?")
_WANTED: Final = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
_HALF_MADE: Final = (pkcs11.ObjectHandleInvalid, pkcs11.FunctionFailed)
"""What a token says of a key that another process is about to make; SoftHSM the latter while its file is written."""
_TEMPLATE: Final = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}


def begin(driver: Any, new_id: bytes, place: str) -> None:
    """Make the first key that wraps, with this CKA_ID, where there is none. Raises KeyUnusable ACC880."""
    if not _generations(driver):
        _make(driver, new_id, _LABEL, place)


def wrapped(driver: Any, plain: bytes, context: bytes, place: str) -> bytes | None:
    """The CKA_ID of the key that wraps, a nonce, and the text with its tag; None where there is no key yet. Raises
    KeyUnusable ACC880.
    """
    key = _last(driver, place)
    return None if key is None else _under(key, plain, context)


def replace(driver: Any, new_id: bytes, place: str) -> bool:
    """Make a key in place of the one that wraps; False where there is none. Raises KeyUnusable ACC880."""
    found = _generations(driver)
    if found:
        _make(driver, new_id, f"{_LABEL}.{max(found) + 1}", place)
    return bool(found)


def rewrapped(driver: Any, data: bytes, context: bytes, place: str) -> bytes | None:
    """What was wrapped, under the key that wraps now; None where it is. Raises as `unwrapped`."""
    plain = unwrapped(driver, data, context, place)
    key = _last(driver, place)
    return _under(key, plain, context) if key and bytes(key[Attribute.ID]) != data[:ID_BYTES] else None


def _generations(driver: Any) -> dict[int, list[Any]]:
    """The keys, by the number in their labels."""
    found: dict[int, list[Any]] = {}
    for key in driver.get_objects(_WANTED):
        with contextlib.suppress(*_HALF_MADE):
            label = _LABELS.fullmatch(key[Attribute.LABEL] or "")
            if label is not None:
                found.setdefault(int(label[1] or 1), []).append(key)
    return found


def _last(driver: Any, place: str) -> Any | None:
    found = _generations(driver)
    if not found:
        return None
    return _checked(min(found[max(found)], key=lambda key: bytes(key[Attribute.ID])), place)


def _under(key: Any, plain: bytes, context: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return bytes(key[Attribute.ID] + nonce + key.encrypt(plain, **_gcm(nonce, context)))


def unwrapped(driver: Any, data: bytes, context: bytes, place: str) -> bytes:
    """What was wrapped. Raises pkcs11.NoSuchKey where the key is not there, and what is in `CHANGED`."""
    keys = driver.get_objects({**_WANTED, Attribute.ID: data[:ID_BYTES]})
    found = [key for key in keys if _LABELS.fullmatch(key[Attribute.LABEL] or "")]
    if len(found) != 1:
        raise pkcs11.NoSuchKey(f"{len(found)} with the CKA_ID {data[:ID_BYTES].hex()}")
    key = _checked(found[0], place)
    return bytes(key.decrypt(data[_TEXT_AT:], **_gcm(data[ID_BYTES:_TEXT_AT], context)))


def _make(driver: Any, new_id: bytes, label: str, place: str) -> None:
    made = driver.generate_key(
        KeyType.AES,
        256,
        id=new_id,
        label=label,
        store=True,
        capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
        template=_TEMPLATE,
    )
    try:
        _checked(made, place)
    except KeyUnusable:
        made.destroy()
        raise


def _checked(key: Any, place: str) -> Any:
    if not key[Attribute.SENSITIVE] or key[Attribute.EXTRACTABLE]:
        raise KeyUnusable(fault("ACC880", place, detail=f"`{key[Attribute.LABEL]}` can be taken out of the token"))
    return key


def _gcm(nonce: bytes, context: bytes) -> dict[str, Any]:
    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, aad=context, tag_bits=128)}
