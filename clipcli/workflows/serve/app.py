"""The HTTP interface: routes, limits, health, metrics and their description."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clipcli.errors import ClipcliError, ImageError
from clipcli.version import __version__

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from clipcli.workflows.serve.engine import AnswerEngine

READ_S = 30.0  # for a whole body
BUSY_AFTER_S = 1  # what Retry-After says
PARAMETERS = {"classify": ("labels", "top_k"), "embed": ()}  # by route


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask for, and all of them together."""

    max_bytes: int = 32 * 2**20  # of a body
    max_waiting: int = 64  # requests at once; more are sent away
    token: str | None = None  # asked for in every request but /health


@dataclass
class Metrics:
    """Counts for Prometheus."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)  # by route and status
    seconds: dict[str, float] = field(default_factory=dict)  # by route
    waiting: int = 0

    def text(self) -> str:
        """Return them in Prometheus' text format (version 0.0.4)."""
        lines = ["# TYPE clipcli_requests_total counter"]
        for (route, status), n in sorted(self.answers.items()):
            lines.append(f'clipcli_requests_total{{route="{route}",status="{status}"}} {n}')
        lines.append("# TYPE clipcli_request_seconds_total counter")
        for route, seconds in sorted(self.seconds.items()):
            lines.append(f'clipcli_request_seconds_total{{route="{route}"}} {seconds:.6f}')
        lines += [
            "# TYPE clipcli_requests_waiting gauge",
            f"clipcli_requests_waiting {self.waiting}",
        ]
        return "\n".join(lines) + "\n"


class _Refused(Exception):  # noqa: N818 - it is an answer
    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.hint = status, message, hint


class Api:
    """The routes over one engine."""

    def __init__(self, engine: AnswerEngine, limits: Limits) -> None:
        self._engine, self._limits, self.metrics = engine, limits, Metrics()

    async def classify(self, request: Request) -> Response:
        """``POST /classify?labels=cat,dog&top_k=5`` with a picture as the body."""
        return await self._answer(request, "classify", self._classify)

    async def embed(self, request: Request) -> Response:
        """``POST /embed`` with a picture as the body."""
        return await self._answer(request, "embed", self._embed)

    def _classify(self, request: Request, data: bytes) -> dict[str, Any]:
        text = request.query_params.get("top_k", "5")
        if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 3 and int(text)):
            raise _Refused(400, f"top_k: {text[:20]!r} is no whole number from 1")
        return self._engine.classify(data, request.query_params.get("labels"), int(text))

    def _embed(self, request: Request, data: bytes) -> dict[str, Any]:
        return {"status": "ok", "embedding": [float(x) for x in self._engine.embed(data)]}

    async def _answer(self, request: Request, route: str, work: Any) -> Response:
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import JSONResponse

        started, status, headers = time.perf_counter(), 200, {}
        body: dict[str, Any]
        self.metrics.waiting += 1
        try:
            self._check(request)
            _check_parameters(request, PARAMETERS[route])
            async with asyncio.timeout(READ_S):
                data = await self._read(request)
            body = await run_in_threadpool(work, request, data)
        except _Refused as refusal:
            status, body = refusal.status, _error(refusal.message, refusal.hint)
        except TimeoutError:
            status, body = 408, _error(f"the body did not arrive within {READ_S:.0f} seconds")
        except ImageError as error:
            status, body = 422, _error(f"the body: {error.message}")
        except ClipcliError as error:
            status, body = 400, _error(error.message, error.hint or "")
        finally:
            self.metrics.waiting -= 1
        if status == 503:
            headers["Retry-After"] = str(BUSY_AFTER_S)
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        self.metrics.answers[route, status] += 1
        elapsed_s = time.perf_counter() - started
        self.metrics.seconds[route] = self.metrics.seconds.get(route, 0.0) + elapsed_s
        return JSONResponse(body, status, headers)

    def _check(self, request: Request) -> None:
        if self._limits.token is not None:
            given = request.headers.get("authorization", "")
            wanted = f"Bearer {self._limits.token}"
            if not hmac.compare_digest(given.encode(), wanted.encode()):
                raise _Refused(401, "a token is missing or wrong", "Authorization: Bearer TOKEN")
        if self.metrics.waiting > self._limits.max_waiting:
            raise _Refused(503, "too many requests wait already", "try again in a second")

    async def _read(self, request: Request) -> bytes:
        """Return the body; a larger one than allowed is not read to its end."""
        from starlette.requests import ClientDisconnect

        limit = self._limits.max_bytes
        too_large = _Refused(413, f"the body is larger than {limit:,} bytes")
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            raise too_large
        parts, n = [], 0
        try:
            async for part in request.stream():
                n += len(part)
                if n > limit:
                    raise too_large
                parts.append(part)
        except ClientDisconnect:  # nobody reads the answer, but it is counted
            raise _Refused(400, "the client went away within the body") from None
        if not n:
            raise _Refused(400, "there is no body", "send a picture: curl --data-binary @cat.jpg")
        return b"".join(parts)

    async def health(self, request: Request) -> Response:
        """``GET /health``: whether it answers."""
        from starlette.responses import JSONResponse

        return JSONResponse({"status": "ok", "version": __version__})

    async def metrics_page(self, request: Request) -> Response:
        """``GET /metrics``: counts, for Prometheus."""
        from starlette.responses import PlainTextResponse

        try:
            self._check(request)
        except _Refused as refusal:
            return PlainTextResponse(f"{refusal.message}\n", refusal.status)
        return PlainTextResponse(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def description(self, request: Request) -> Response:
        """``GET /openapi.json``: this interface as OpenAPI 3.1."""
        from starlette.responses import JSONResponse

        from clipcli.workflows.serve.openapi import openapi

        try:
            self._check(request)
        except _Refused as refusal:
            return JSONResponse(_error(refusal.message, refusal.hint), refusal.status)
        return JSONResponse(openapi())


def _check_parameters(request: Request, known: tuple[str, ...]) -> None:
    """Refuse what would be ignored, such as a misspelt parameter."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            hint = f"there is {' and '.join(known)}" if known else "there are none"
            raise _Refused(400, f"{name[:20]!r} is no parameter here", hint)
        if names.count(name) > 1:
            raise _Refused(400, f"{name}: is given twice", "give it once")


async def _no_route(request: Request, error: Exception) -> Response:
    """Answer what has no route, or not by this method, as other errors are answered."""
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse

    assert isinstance(error, HTTPException)
    known = "POST /classify, POST /embed, GET /health, GET /metrics, GET /openapi.json"
    body = _error(f"{error.detail.lower()}: {request.method} {request.url.path[:50]}", known)
    return JSONResponse(body, error.status_code, error.headers)


def _error(message: str, hint: str = "") -> dict[str, Any]:
    return {"status": "error", "error": message} | ({"hint": hint} if hint else {})


def make_app(engine: AnswerEngine, limits: Limits) -> Starlette:
    """Return the ASGI application over an engine that was started."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    api = Api(engine, limits)
    return Starlette(
        routes=[
            Route("/classify", api.classify, methods=["POST"]),
            Route("/embed", api.embed, methods=["POST"]),
            Route("/health", api.health),
            Route("/metrics", api.metrics_page),
            Route("/openapi.json", api.description),
        ],
        exception_handlers={404: _no_route, 405: _no_route},
    )
