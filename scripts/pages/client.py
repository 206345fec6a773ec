"""The page of the client: `accord.Client`, and the values that it gives."""

from __future__ import annotations

from accord.client.client import Client, Progress, RunEvent
from accord.client.patience import Patience
from accord.views.agents import AgentDocument
from accord.views.result import Result
from accord.views.runs import ListedRun, RunState
from accord.views.tasks import AttemptDocument, DocumentLink, ListedItem, ListedTask, TaskDocument
from accord.views.templates import TemplateDiff, TemplateDocument
from pages.markdown import GENERATED
from pages.sdk import parts

_HEAD = f"""\
# The client

{GENERATED}

`from accord import Client`. How it is used is told in [use a server](../how-to/use-a-server.md).
"""
_SHOWN = (
    Client,
    Patience,
    ListedRun,
    RunState,
    RunEvent,
    Progress,
    Result,
    ListedTask,
    TaskDocument,
    ListedItem,
    AttemptDocument,
    DocumentLink,
    TemplateDocument,
    TemplateDiff,
    AgentDocument,
)


def client_page() -> str:
    """The page, as Markdown."""
    return "\n".join([_HEAD, *("\n\n".join(parts(kind)) + "\n" for kind in _SHOWN)])
