"""Key stores: adapters of the port `KeyStore`. Private keys stay inside of them."""

from accord.keys.file import FileKeyStore, load_passphrase

__all__ = ["FileKeyStore", "load_passphrase"]
