"""`/v1/cluster`: who works on the store, and what waits for them."""

from __future__ import annotations

from fastapi import APIRouter

from accord.domain.cluster import Cluster
from accord.gateway.asking import TheNode, Viewer
from accord.gateway.documents import Document, answers

router = APIRouter(prefix="/v1", tags=["cluster"])


@router.get("/cluster", responses=answers(Cluster), response_class=Document)
async def show_cluster(node: TheNode, _principal: Viewer) -> Document:
    """All processes that share the store, the partitions that each owns, and the messages that wait for them."""
    return Document(await node.cluster())
