"""`/v1/webhooks`: endpoints that are told of events. Admins alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from accord.domain.webhook import IssuedWebhook, Subscription, Webhook
from accord.engine.webhooks import problems_of
from accord.errors import BadInput
from accord.gateway.asking import Administrator, TheGateway, TheNode
from accord.gateway.bodies import body
from accord.gateway.documents import Document, Page, answers
from accord.gateway.paging import After, Limit, paged
from accord.views.webhooks import WebhookPage

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

Id = Annotated[str, Path(description="The webhook's id.", max_length=64)]
Kind = Annotated[str, Field(pattern=r"^[a-z_.]{1,64}\*?$")]
Template = Annotated[str, Field(min_length=1, max_length=200)]


class NewWebhook(BaseModel):
    """An endpoint to be told."""

    model_config = body({"url": "https://hooks.example.com/accord", "types": ["run.failed"]})

    url: str = Field(min_length=1, max_length=2000, description="Where events are posted to.")
    types: list[Kind] = Field([], max_length=100, description="`run.completed`, or `run.*`; all where empty.")
    templates: list[Template] = Field([], max_length=100, description="`name`, or `name@version`; all where empty.")


@router.get("", responses=answers(WebhookPage), response_class=Page)
async def list_webhooks(node: TheNode, principal: Administrator, after: After = None, limit: Limit = 100) -> Page:
    """A page of the webhooks, the oldest first."""
    return Page(WebhookPage(*paged(await node.webhooks(), lambda webhook: webhook.id, after, limit)))


@router.post("", status_code=201, responses=answers(IssuedWebhook, status=201, located=True), response_class=Document)
async def add_webhook(asked: NewWebhook, node: TheNode, gateway: TheGateway, principal: Administrator) -> Document:
    """Tell an endpoint of what happens from now on; the secret that signs it is in this answer and nowhere else."""
    wanted = Subscription(url=asked.url, types=tuple(asked.types), templates=tuple(asked.templates))
    BadInput.raise_if(problems_of(wanted, gateway.options.reach))
    added = await node.add_webhook(wanted, by=principal.name)
    return Document(added, 201, {"Location": f"{router.prefix}/{added.webhook.id}"})


@router.get("/{webhook}", responses=answers(Webhook), response_class=Document)
async def show_webhook(webhook: Id, node: TheNode, principal: Administrator) -> Document:
    """A webhook, with how much of what it was to be told was given up."""
    return Document(await node.webhook(webhook))


@router.delete("/{webhook}", responses=answers(Webhook), response_class=Document)
async def remove_webhook(webhook: Id, node: TheNode, principal: Administrator) -> Document:
    """Tell an endpoint nothing any more; other processes follow within seconds."""
    return Document(await node.remove_webhook(webhook, by=principal.name))
