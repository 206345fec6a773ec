"""`/v1/health`: whether the process lives, and whether it can serve. Asked without a credential."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from accord.gateway.asking import TheGateway

router = APIRouter(prefix="/v1/health", tags=["health"])


class Health(BaseModel):
    """All is well."""

    status: str = "ok"


@router.get("/live")
async def live() -> Health:
    """Whether the process answers at all: an orchestrator that does not should be started anew."""
    return Health()


@router.get("/ready")
async def ready(gateway: TheGateway) -> Health:
    """Whether requests will be served: 503 with all that is missing, while store or bus do not answer, or the
    server starts or drains.
    """
    await gateway.readiness.check()
    return Health()
