"""Every port of the engine, a module for each. The docstring of a port is its contract; `accord.testing` has the suites
that prove an adapter.

A port knows bytes and values of `accord.domain`; it never decides anything. Adapters are opened with `async with` and
are usable from then on. Time comes in as an argument: no adapter reads a clock to decide what is due, so a simulated
clock works everywhere.
"""

from __future__ import annotations

from accord.ports.blobs import BlobStore, Payloads, StoredBlob
from accord.ports.bus import (
    DELIVERIES_MAX,
    ORCHESTRATORS_SUBJECT,
    REGISTRY_SUBJECT,
    Bare,
    Bus,
    Carrier,
    DeadLetter,
    DeadLetters,
    Delivery,
    Inbox,
    Parcel,
    agent_subject,
    is_notice,
    notice_subject,
    partition_subject,
)
from accord.ports.clock import Clock, Ids
from accord.ports.journal import (
    GENESIS,
    OPEN,
    SEQUENCE_MAX,
    USE_PENDING,
    Answer,
    Append,
    DataKeys,
    DataKeyUse,
    Fence,
    Head,
    Journal,
    Letter,
    Owner,
    Record,
    Replicas,
    RunQuery,
    RunState,
    RunSummary,
    Sighting,
    Sightings,
    Snapshot,
)
from accord.ports.keys import DataKey, KeyStore, KeyWrapper, StoredKey
from accord.ports.policy import Policy, PolicyText
from accord.ports.telemetry import Span, Spans, Telemetry, Tracing, Work, Working

__all__ = [
    "DELIVERIES_MAX",
    "GENESIS",
    "OPEN",
    "ORCHESTRATORS_SUBJECT",
    "REGISTRY_SUBJECT",
    "SEQUENCE_MAX",
    "USE_PENDING",
    "Answer",
    "Append",
    "Bare",
    "BlobStore",
    "Bus",
    "Carrier",
    "Clock",
    "DataKey",
    "DataKeyUse",
    "DataKeys",
    "DeadLetter",
    "DeadLetters",
    "Delivery",
    "Fence",
    "Head",
    "Ids",
    "Inbox",
    "Journal",
    "KeyStore",
    "KeyWrapper",
    "Letter",
    "Owner",
    "Parcel",
    "Payloads",
    "Policy",
    "PolicyText",
    "Record",
    "Replicas",
    "RunQuery",
    "RunState",
    "RunSummary",
    "Sighting",
    "Sightings",
    "Snapshot",
    "Span",
    "Spans",
    "StoredBlob",
    "StoredKey",
    "Telemetry",
    "Tracing",
    "Work",
    "Working",
    "agent_subject",
    "is_notice",
    "notice_subject",
    "partition_subject",
]
