"""`/v1/templates`: which there are, and publishing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from accord.gateway.asking import Publisher, TheNode, Viewer
from accord.gateway.documents import Document, Page, answers
from accord.gateway.paging import Limit, paged
from accord.templates.reading import read_source
from accord.views.catalogue import PUBLISHED, all_entries, entry_of
from accord.views.planning import made_ready
from accord.views.templates import TemplateDiff, TemplateDocument, TemplatePage, template_diff, template_document

router = APIRouter(prefix="/v1/templates", tags=["templates"])


@router.get("", responses=answers(TemplatePage), response_class=Page)
async def list_templates(
    node: TheNode,
    principal: Viewer,
    after: Annotated[str | None, Query(max_length=200, description="`name@version`")] = None,
    limit: Limit = 100,
) -> Page:
    """The templates that can be run: those that come with Accord, and those that were published."""
    page, more = paged(list((await all_entries(node)).entries()), lambda entry: entry.name, after, limit)
    return Page(TemplatePage(tuple(template_document(entry, whole=False) for entry in page), more))


Compared = Annotated[str, Query(max_length=200, description="A digest, `name`, `name@version` or `name@range`.")]


@router.get("/diff", responses=answers(TemplateDiff), response_class=Document)
async def diff(before: Compared, after: Compared, node: TheNode, principal: Viewer) -> Document:
    """What is different between two templates: tasks, and every place of the documents, by JSON pointer."""
    catalogue = await all_entries(node)
    return Document(template_diff(catalogue.find(before), catalogue.find(after)))


@router.get("/{name}/{version}", responses=answers(TemplateDocument), response_class=Document)
async def show_template(
    name: Annotated[str, Path(max_length=100)],
    version: Annotated[str, Path(max_length=100, description="A version, or a range of versions: `^1`.")],
    node: TheNode,
    principal: Viewer,
) -> Document:
    """The newest template that a name and a range of versions admit, whole."""
    return Document(template_document((await all_entries(node)).find(f"{name}@{version}"), whole=True))


@router.post(
    "",
    status_code=201,
    responses=answers(TemplateDocument, status=201, located=True),
    response_class=Document,
    openapi_extra={"requestBody": {"required": True, "content": {"application/yaml": {}, "application/json": {}}}},
)
async def publish(request: Request, node: TheNode, principal: Publisher) -> Document:
    """Publish a template, in YAML or JSON, once it is verified; again is no error."""
    text = (await request.body()).decode("utf-8", "replace")
    entry = entry_of(read_source(text), PUBLISHED)
    node.parts.permission.require_template(principal, "publish", entry.template.name, entry.template.version)
    catalogue = (await all_entries(node)).with_entry(entry)
    await made_ready(node, entry, catalogue, by=principal.name)
    published = (await all_entries(node)).of_digest(entry.digest)
    headers = {"Location": f"{router.prefix}/{entry.template.name}/{entry.template.version}"}
    return Document(template_document(published, whole=False), 201, headers)
