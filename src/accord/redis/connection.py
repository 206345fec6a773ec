"""How a connection to the server of an address is made."""

from __future__ import annotations

from typing import Any, Final

from accord.addresses import BusAddress
from accord.redis.driver import Connection, SSLConnection

CONNECT_WITHIN_S: Final = 5.0
ANSWER_WITHIN_S: Final = 10.0
"""For a server that says nothing any more: no question of ours takes so long."""

PORT: Final = 6379

_FILES: Final = {"ssl_ca_certs": "ca", "ssl_certfile": "cert", "ssl_keyfile": "key"}
"""The driver's names of the files with certificates and keys, each with the option that names one."""


def host_of(address: BusAddress) -> tuple[str, int]:
    """The server's host and port."""
    host = address.hosts[0]
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        return host.strip("[]"), PORT
    return name.strip("[]"), int(port)


def new_connection(address: BusAddress) -> Connection:
    """A connection that is not yet open. Nothing is tried twice: whoever asks knows what may be repeated."""
    host, port = host_of(address)
    how: dict[str, Any] = {
        "host": host,
        "port": port,
        "db": int(address.path or 0),
        "username": address.user,
        "password": address.secret,
        "socket_connect_timeout": CONNECT_WITHIN_S,
        "socket_timeout": ANSWER_WITHIN_S,
        "socket_keepalive": True,
        "protocol": 2,
        "driver_info": None,
    }
    if not address.encrypted:
        return Connection(**how)
    files: dict[str, Any] = {name: address.option(option) for name, option in _FILES.items()}
    return SSLConnection(**how, **files, ssl_check_hostname=True)
