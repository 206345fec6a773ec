"""The HTTP client, without its command line: that would load parsers, colours and tables."""

from __future__ import annotations

from accord.loading.spared import spared

with spared("httpx._main"):
    import httpx
    import httpx_sse

__all__ = ["httpx", "httpx_sse"]
