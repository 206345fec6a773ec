"""`/v1/templates`: which there are, and publishing."""

from __future__ import annotations

from asyncio import to_thread
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query, Request

from accord.domain.access import Principal
from accord.domain.compile import compile_graph
from accord.domain.graph import Graph
from accord.engine.node import Node
from accord.errors import PlaceOf, TemplateInvalid
from accord.gateway.asking import Publisher, TheGateway, TheNode, Viewer
from accord.gateway.documents import Document, Page, answers
from accord.gateway.paging import Limit, paged
from accord.templates.reading import Examined, examine, read_source, source_of
from accord.verifier.known import ContractTable
from accord.verifier.report import Report
from accord.views.catalogue import PUBLISHED, all_entries, entry_of
from accord.views.drawing import TemplateGraph, template_graph
from accord.views.judging import Judged, judged
from accord.views.merging import MergedGraph, merged, merged_graph
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
    """What is different between two templates: tasks, and every place of the documents, by JSON pointer; who the new
    one is safe for, and which version it deserves.
    """
    catalogue, known = await all_entries(node), ContractTable(await node.contracts())
    old, new = catalogue.find(before), catalogue.find(after)
    return Document(await to_thread(template_diff, old, new, known, catalogue))


@router.get("/diff/graph", responses=answers(MergedGraph), response_class=Document)
async def diff_graph(
    before: Compared, after: Compared, node: TheNode, gateway: TheGateway, principal: Viewer
) -> Document:
    """Two templates in one drawing: tasks and edges in their places, each with what is different about it."""
    catalogue = await all_entries(node)
    found = await to_thread(merged, catalogue.find(before), catalogue.find(after))
    placement = await gateway.layouts.of(found.graph, {})
    return Document(await to_thread(merged_graph, found, placement))


@router.get("/{name}/{version}", responses=answers(TemplateDocument), response_class=Document)
async def show_template(
    name: Annotated[str, Path(max_length=100)],
    version: Annotated[str, Path(max_length=100, description="A version, or a range of versions: `^1`.")],
    node: TheNode,
    principal: Viewer,
) -> Document:
    """The newest template that a name and a range of versions admit, whole."""
    return Document(template_document((await all_entries(node)).find(f"{name}@{version}"), whole=True))


@router.get("/{name}/{version}/graph", responses=answers(TemplateGraph), response_class=Document)
async def show_graph(
    name: Annotated[str, Path(max_length=100)],
    version: Annotated[str, Path(max_length=100)],
    node: TheNode,
    gateway: TheGateway,
    principal: Viewer,
) -> Document:
    """The template as it is drawn: its tasks and edges in their places."""
    entry = (await all_entries(node)).find(f"{name}@{version}")
    graph = compile_graph(entry.template, entry.digest)
    return Document(template_graph(entry.name, graph, await gateway.layouts.of(graph, {})))


_TEXT = {"requestBody": {"required": True, "content": {"application/yaml": {}, "application/json": {}}}}


@router.post("/judgements", responses=answers(Judged), response_class=Document, openapi_extra=_TEXT)
async def judge(request: Request, node: TheNode, principal: Publisher) -> Document:
    """Whether a template, in YAML or JSON, would be published: all that is wrong with it, with lines. Nothing is."""
    text = (await request.body()).decode("utf-8", "replace")
    try:
        found = examine(text)
    except TemplateInvalid as error:
        return Document(Judged(ok=False, template=None, problems=error.problems, warnings=(), edges=0, proven=0))
    return Document(await _judged(found, node, principal))


async def _judged(found: Examined, node: Node, principal: Principal) -> Judged:
    if found.template is not None:
        node.parts.permission.require_template(principal, "publish", found.template.name, found.template.version)
    catalogue = await all_entries(node)

    async def verifying(graph: Graph, place_of: PlaceOf) -> Report:
        return await node.parts.verification.report(graph, by=principal.name, place_of=place_of, among=catalogue)

    said = await judged(found, verifying)
    return await _with_version(said, found, node) if said.ok else said


async def _with_version(said: Judged, found: Examined, node: Node) -> Judged:
    source = source_of(found)
    low = await node.parts.verification.version(source.template, source.data)
    placed = tuple(msgspec.structs.replace(one, place=found.place(one.place.pointer or "")) for one in low)
    return msgspec.structs.replace(said, ok=not placed, problems=placed)


@router.post(
    "",
    status_code=201,
    responses=answers(TemplateDocument, status=201, located=True),
    response_class=Document,
    openapi_extra=_TEXT,
)
async def publish(
    request: Request,
    node: TheNode,
    principal: Publisher,
    as_written: Annotated[bool, Query(description="Also where the version is too low for what has changed.")] = False,
) -> Document:
    """Publish a template, in YAML or JSON, once it is verified and its version says what has changed since the one
    before; again is no error.
    """
    text = (await request.body()).decode("utf-8", "replace")
    entry = entry_of(read_source(text), PUBLISHED)
    node.parts.permission.require_template(principal, "publish", entry.template.name, entry.template.version)
    catalogue = (await all_entries(node)).with_entry(entry)
    await made_ready(node, entry, catalogue, by=principal.name, as_written=as_written)
    published = (await all_entries(node)).of_digest(entry.digest)
    headers = {"Location": f"{router.prefix}/{entry.template.name}/{entry.template.version}"}
    return Document(template_document(published, whole=False), 201, headers)
