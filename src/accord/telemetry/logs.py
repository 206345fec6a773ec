"""The log events: each has a name that stays, whatever becomes of its words, and names for what stands in them.

A call of a logger is known by its logger and its text, so that code says in plain words what has happened, and whoever
reads JSON lines finds the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Level = Literal["debug", "info", "warning", "error"]


class LogEvent(NamedTuple):
    """One log event."""

    name: str
    logger: str
    level: Level
    """The highest one, where it is told the first time and then more quietly."""
    text: str
    """With `%`, as loggers take it."""
    fields: tuple[str, ...] = ()
    """What stands in the text, in its order."""


_BUS, _CONNECTION, _GATEWAY, _WORKER = "accord.bus", "accord.connection", "accord.gateway", "accord.worker"
_LOGBOOK = "accord.logbook"
_NEIGHBOURS, _SIGNER = "accord.neighbourhood", "accord.signer"

LOG_EVENTS: Final = (
    # the orchestrator
    LogEvent("batch.given_up", "accord.committer", "warning", "a batch of %d was given up: %s", ("runs", "error")),
    LogEvent("batch.fault", "accord.orchestrator", "error", "a batch was given up because of a fault of Accord's"),
    LogEvent("turn.fault", "accord.orchestrator", "error", "a turn ended in a fault of Accord's"),
    LogEvent(
        "command.fault",
        "accord.orchestrator",
        "error",
        "a command for %s was set aside because of a fault of Accord's",
        ("run",),
    ),
    LogEvent("message.fault", "accord.receiver", "error", "a message was set aside because of a fault of Accord's"),
    LogEvent(
        "messages.kept",
        "accord.committer",
        "error",
        "%d messages could not be given back: they come when they are missed",
        ("messages",),
    ),
    LogEvent("assignment.fault", "accord.assigner", "error", "%s of %s cannot be assigned", ("task", "run")),
    LogEvent(
        "assignment.lost",
        "accord.executor",
        "error",
        "the assignment of %s/%s cannot be made again: its lease has to run out",
        ("run", "task"),
    ),
    LogEvent("input.lost", "accord.executor", "error", "the input of %s/%s is lost: %s", ("run", "task", "error")),
    LogEvent(
        "messages.unsigned", "accord.executor", "warning", "%d messages are signed later: %s", ("messages", "error")
    ),
    LogEvent("approval.unread", "accord.approvals", "error", "what %s asks cannot be told: %s", ("run", "error")),
    LogEvent("keys.silent", "accord.keys", "warning", "%s does not answer: it is left as it is", ("store",)),
    LogEvent("messages.unsent", "accord.executor", "warning", "%d messages are sent later: %s", ("messages", "error")),
    LogEvent("message.dropped", "accord.executor", "warning", "not sent, the lease has to run out: %s", ("error",)),
    LogEvent("task.barred", "accord.router", "warning", "nobody who is present may be given a task of %s", ("why",)),
    LogEvent(
        "large.unread",
        "accord.large",
        "warning",
        "the document %s cannot be looked at now: %s",
        ("document", "error"),
    ),
    LogEvent(
        "classifier.trained",
        "accord.learning",
        "info",
        "version %d of the classifier was trained and %s",
        ("version", "used"),
    ),
    LogEvent("classifier.untrained", "accord.learning", "warning", "no new version of the classifier: %s", ("error",)),
    LogEvent("example.lost", "accord.learning", "warning", "the planner could not keep an example: %s", ("error",)),
    LogEvent("snapshot.failed", "accord.ledger", "warning", "no snapshot of %s: %s", ("run", "error")),
    LogEvent("snapshot.fault", "accord.ledger", "error", "no snapshot of %s because of a fault of Accord's", ("run",)),
    LogEvent("inbox.failed", "accord.listener", "error", "%s cannot be read, trying again", ("subject",)),
    LogEvent(
        "messages.unread",
        "accord.listener",
        "error",
        "messages of %s could not be looked at; they come again",
        ("subject",),
    ),
    LogEvent("round.failed", "accord.rounds", "warning", "%s: %s", ("round", "error")),
    LogEvent("round.fault", "accord.rounds", "error", "%s failed because of a fault of Accord's", ("round",)),
    LogEvent(
        "policies.changed", "accord.policy", "warning", "other policies are in force from now on: %s", ("digest",)
    ),
    LogEvent(
        "policies.refused",
        "accord.policy",
        "error",
        "the policies have changed and have faults, so those before stay in force (%s): %s",
        ("digest", "error"),
    ),
    LogEvent(
        "quarantine.failed",
        "accord.quarantine",
        "warning",
        "whether an agent is to be quarantined is looked at again: %s",
        ("error",),
    ),
    LogEvent("quarantine.fault", "accord.quarantine", "error", "quarantine failed because of a fault of Accord's"),
    LogEvent(
        "succession.refused",
        "accord.successions",
        "error",
        "a succession in the journal is not believed: %s",
        ("error",),
    ),
    LogEvent(
        "partitions.held",
        "accord.node",
        "warning",
        "others have to wait until this process's ownership runs out: %s",
        ("error",),
    ),
    LogEvent(
        "checkpoint.failed",
        "accord.node",
        "warning",
        "no checkpoint of what has happened here last: %s",
        ("error",),
    ),
    LogEvent("neighbours.late", _NEIGHBOURS, "warning", "the other processes find out a little later: %s", ("error",)),
    LogEvent(
        "neighbours.unread", _NEIGHBOURS, "warning", "what another process has said is read later: %s", ("error",)
    ),
    LogEvent("neighbours.untold", _NEIGHBOURS, "error", "the other processes could not be told what this one holds"),
    LogEvent("neighbours.unheard", _NEIGHBOURS, "error", "the other processes cannot be heard, trying again"),
    LogEvent(
        "agent.left_out",
        "accord.hosting",
        "warning",
        "%s is left out: its key is %s. A new one: accord keys rotate %s",
        ("agent", "state", "key"),
    ),
    # the bus
    LogEvent(
        "message.dead",
        _BUS,
        "warning",
        "a message of %s was delivered %d times: it is a dead letter",
        ("subject", "times"),
    ),
    LogEvent(
        "messages.dead",
        _BUS,
        "warning",
        "%d messages of %s were delivered %d times: dead letters",
        ("messages", "subject", "times"),
    ),
    LogEvent(
        "messages.missed", _BUS, "warning", "messages of %s come again when they are missed: %s", ("subject", "error")
    ),
    LogEvent("messages.unheld", _BUS, "warning", "what is held could not be kept: %s", ("error",)),
    LogEvent(
        "messages.unacknowledged", _BUS, "warning", "%d messages are acknowledged later: %s", ("messages", "error")
    ),
    LogEvent("queue.unread", _BUS, "warning", "%s cannot be read, trying again: %s", ("subject", "error")),
    LogEvent("bus.away", _BUS, "warning", "the bus is away, trying again until it is there: %s", ("error",)),
    LogEvent("bus.retry", _BUS, "warning", "trying again: %s", ("error",)),
    LogEvent("bus.back", _BUS, "info", "connected to %s again", ("bus",)),
    LogEvent("bus.said", _BUS, "debug", "%s: %r", ("bus", "error")),
    # the gateway
    LogEvent("request.fault", _GATEWAY, "error", "request %s: a fault of Accord's", ("request",)),
    LogEvent("request.failed", _GATEWAY, "warning", "request %s: %s", ("request", "error")),
    LogEvent("layout.late", _GATEWAY, "info", "a layout took more than %g s; a map is drawn", ("after_s",)),
    LogEvent("layout.failed", _GATEWAY, "warning", "the layout engine failed, a map is drawn: %s", ("error",)),
    LogEvent(
        "connection.plain",
        _GATEWAY,
        "warning",
        "somebody has sent plain HTTP here, and this is TLS: the URL begins with https",
    ),
    LogEvent("drain.fault", _GATEWAY, "error", "while draining: a fault of Accord's"),
    LogEvent("agent.refused", _GATEWAY, "info", "an agent was not let in: %s", ("error",)),
    LogEvent("connection.fault", _GATEWAY, "error", "%s of %s ended in a fault of Accord's", ("part", "instance")),
    LogEvent("certificate.changed", _GATEWAY, "info", "the certificate in %s has changed and is shown", ("file",)),
    LogEvent(
        "certificate.refused",
        _GATEWAY,
        "warning",
        "the certificate has changed, the old one is shown on: %s",
        ("error",),
    ),
    LogEvent(
        "credential.unknown",
        _GATEWAY,
        "warning",
        "whether a credential still holds cannot be told: %s",
        ("error",),
    ),
    LogEvent("issuer.unread", _GATEWAY, "warning", "the issuer's keys are those of before: %s", ("error",)),
    LogEvent("feed.agents_late", _GATEWAY, "warning", "the feed of agents cannot ask the store: %s", ("error",)),
    LogEvent("feed.runs_late", _GATEWAY, "warning", "the feed of runs cannot ask the store: %s", ("error",)),
    LogEvent("feed.cut", _GATEWAY, "info", "a feed of %s was cut off: %s", ("feed", "error")),
    LogEvent("feed.fault", _GATEWAY, "error", "a feed ends: a fault of Accord's"),
    LogEvent("stream.ended", _GATEWAY, "info", "a stream ends: %s", ("error",)),
    LogEvent(
        "stream.stalled", _GATEWAY, "info", "a stream was cut off: nothing of it was taken for %g s", ("after_s",)
    ),
    LogEvent(
        "webhook.untaken",
        _GATEWAY,
        "info",
        "the webhook %s has not taken event %d of %s: %s",
        ("webhook", "sequence", "run", "error"),
    ),
    LogEvent("webhook.gone", _GATEWAY, "warning", "the webhook %s is gone, and removed", ("webhook",)),
    LogEvent(
        "webhook.late",
        _GATEWAY,
        "warning",
        "the webhook %s is told more of %s later: %s",
        ("webhook", "run", "error"),
    ),
    LogEvent("webhook.fault", _GATEWAY, "error", "a delivery to %s ended in a fault of Accord's", ("webhook",)),
    LogEvent("webhook.unkept", _GATEWAY, "warning", "what a webhook was told last is told again: %s", ("error",)),
    LogEvent("webhooks.waiting", _GATEWAY, "warning", "webhooks wait for the store: %s", ("error",)),
    # agents
    LogEvent(
        "attempt.raised",
        "accord.agent",
        "error",
        "%s raised in attempt %d of task %s of %s",
        ("capability", "attempt", "task", "run"),
    ),
    LogEvent(
        "call.again", "accord.calls", "info", "a call of %s/%s has to be asked for again: %s", ("run", "task", "error")
    ),
    LogEvent("call.fault", "accord.calls", "error", "a call of %s/%s met a fault of Accord's", ("run", "task")),
    LogEvent("lists.unread", "accord.lists", "error", "lists cannot tell more of %s: %s", ("run", "error")),
    LogEvent("reply.unread", "accord.agent", "warning", "a reply that cannot be read: %s", ("error",)),
    LogEvent("program.ended", "accord.agent", "warning", "%s was ended: %s", ("program", "error")),
    LogEvent("connection.lost", _CONNECTION, "warning", "no connection to %s, trying again: %s", ("url", "error")),
    LogEvent("connection.refused", _CONNECTION, "error", "the server refused a message: %s", ("error",)),
    LogEvent(
        "fetch.broken", _CONNECTION, "warning", "fetching broke off after %d bytes, going on: %r", ("bytes", "error")
    ),
    LogEvent("worker.retry", _WORKER, "warning", "cannot %s, trying again: %s", ("what", "error")),
    LogEvent("worker.unread", _WORKER, "warning", "cannot take messages, trying again: %s", ("error",)),
    LogEvent("worker.kept", _WORKER, "warning", "cannot give back an assignment: %s", ("error",)),
    LogEvent(
        "worker.unsigned",
        _WORKER,
        "error",
        "an assignment is given back, no answer to it would be signed: %s",
        ("error",),
    ),
    LogEvent("answer.unsigned", _WORKER, "error", "%s of %s is not signed: %s", ("kind", "statement", "error")),
    LogEvent("answer.unsent", _WORKER, "error", "%s of %s cannot be sent: %s", ("kind", "statement", "error")),
    LogEvent("answer.rejected", _WORKER, "warning", "rejected, task %s: %s", ("task", "error")),
    LogEvent("worker.dropped", _WORKER, "warning", "dropped a message: %s", ("error",)),
    LogEvent(
        "log.away", _WORKER, "warning", "what the agent logs cannot be sent, and its work goes on: %s", ("error",)
    ),
    LogEvent("log.fault", "accord.agent", "error", "a line cannot be logged"),
    LogEvent("log.refused", _GATEWAY, "info", "what %s has logged is not taken: %s", ("instance", "error")),
    LogEvent("log.unheard", _LOGBOOK, "error", "what agents log cannot be heard, trying again"),
    LogEvent("log.unkept", _LOGBOOK, "warning", "what %s has logged is not kept: %s", ("agent", "error")),
    LogEvent("log.later", _LOGBOOK, "warning", "what agents log is kept later: %s", ("error",)),
    LogEvent("log.lost", _LOGBOOK, "error", "what agents have logged is lost because of a fault of Accord's"),
    LogEvent("log.ended", _LOGBOOK, "warning", "the last lines that agents have logged are lost: %s", ("error",)),
    # the signer
    LogEvent(
        "signer.barred",
        _SIGNER,
        "warning",
        "refused to uid %d, gid %d, pid %d: it may not ask",
        ("uid", "gid", "pid"),
    ),
    LogEvent("signer.refused", _SIGNER, "warning", "refused to uid %d, pid %d: %s", ("uid", "pid", "error")),
    LogEvent("signer.ended", _SIGNER, "warning", "the connection of uid %d, pid %d ended: %s", ("uid", "pid", "error")),
    # the planner
    LogEvent(
        "sentences.refused",
        "accord.planner",
        "warning",
        "what sentences mean is not known: %s of the package %s has another digest than the file that we know: %s",
        ("file", "package", "digest"),
    ),
    # telemetry itself
    LogEvent(
        "telemetry.away",
        "accord.telemetry",
        "warning",
        "the collector does not take %s (%s): they are dropped until it does",
        ("signal", "url"),
    ),
    LogEvent("telemetry.back", "accord.telemetry", "warning", "the collector takes %s again (%s)", ("signal", "url")),
    LogEvent("telemetry.fault", "accord.tracer", "error", "spans are missing because of a fault of Accord's"),
    LogEvent("metrics.fault", "accord.telemetry", "error", "metrics are missing because of a fault of Accord's"),
    LogEvent(
        "telemetry.missing",
        "accord.telemetry",
        "warning",
        "variables name a collector, and nothing is sent: the extra is not installed (%s)",
        ("hint",),
    ),
)

BY_TEXT: Final[Mapping[tuple[str, str], LogEvent]] = {(one.logger, one.text): one for one in LOG_EVENTS}
"""By logger and text."""
