"""`/metrics`: for Prometheus."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from accord.gateway.asking import Shown, TheGateway

router = APIRouter(tags=["metrics"])


_METRICS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "All metrics, in the format that is asked for",
        "content": {kind: {"schema": {"type": "string"}} for kind in ("text/plain", "application/openmetrics-text")},
    }
}


@router.get("/metrics", response_class=Response, responses=_METRICS)
async def metrics(
    request: Request, gateway: TheGateway, shown: Shown, accept: Annotated[str, Header()] = ""
) -> Response:
    """What the orchestrator does, in numbers. Takes the right to look, or, where the setting open_metrics says so, a
    caller on the same machine.
    """
    if not (gateway.options.open_metrics and _is_local(request)):
        await gateway.guard.permitted(shown, "look")
    content, media_type = await gateway.metrics.exposed(accept)
    return Response(content, media_type=media_type)


def _is_local(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False  # a proxy may say anything
