"""Documents under the data key of a run: whole, or in segments where they pass in pieces."""

from accord.encryption.cipher import Cipher, text_in
from accord.encryption.segments import SEGMENT_BYTES, Decrypting, Encrypting

__all__ = ["SEGMENT_BYTES", "Cipher", "Decrypting", "Encrypting", "text_in"]
