"""Accord: the orchestrator that lets agents which do not trust each other work together.

These names are public, and those of `accord.errors`, `accord.ports` and `accord.testing`; everything else may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accord.app import host, open_node
    from accord.client.client import Client
    from accord.engine.node import Node
    from accord.errors import AccordError
    from accord.sdk import Agent, CallFailed, Context, Failure, Result, Stream
    from accord.settings import Settings
    from accord.tls import TlsFiles

__all__ = [
    "AccordError",
    "Agent",
    "CallFailed",
    "Client",
    "Context",
    "Failure",
    "Node",
    "Result",
    "Settings",
    "Stream",
    "TlsFiles",
    "host",
    "open_node",
]

_HOMES = {
    "AccordError": "accord.errors",
    "Agent": "accord.sdk",
    "Client": "accord.client.client",
    "Context": "accord.sdk",
    "CallFailed": "accord.sdk",
    "Failure": "accord.sdk",
    "Node": "accord.engine.node",
    "Result": "accord.sdk",
    "Settings": "accord.settings",
    "Stream": "accord.sdk",
    "TlsFiles": "accord.tls",
    "host": "accord.app",
    "open_node": "accord.app",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is asked for: an agent's process needs no orchestrator."""
    if name not in _HOMES:
        raise AttributeError(f"module 'accord' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
