"""The HTTP interface described as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from clipcli.version import __version__

_PICTURE = {
    "required": True,
    "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
}
_NUMBER, _TEXT = {"type": "number"}, {"type": "string"}
_ERRORS = {
    "400": "labels, parameters or an empty body that cannot be used",
    "401": "a token is missing or wrong",
    "408": "the body did not arrive in time",
    "413": "the body is too large",
    "422": "the body is no picture that is read",
    "503": "too many requests wait already",
}


def openapi() -> dict[str, Any]:
    """Return the description as JSON data."""
    label_score = _object(label=_TEXT, probability=_NUMBER, similarity=_NUMBER)
    result = _object(
        status={"const": "ok"},
        label={"type": ["string", "null"]},
        probability=_NUMBER,
        top={"type": "array", "items": label_score},
        rule=_TEXT,
    )
    embedding = _object(status={"const": "ok"}, embedding={"type": "array", "items": _NUMBER})
    health = _object(status={"const": "ok"}, version=_TEXT)
    return {
        "openapi": "3.1.0",
        "info": {"title": "clipcli", "version": __version__},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
        "paths": {
            "/classify": {
                "post": {
                    "summary": "Which label fits a picture",
                    "parameters": [
                        _parameter("labels", "a built-in set, or labels with commas", _TEXT),
                        _parameter("top_k", "labels to list", {"type": "integer", "minimum": 1}),
                    ],
                    "requestBody": _PICTURE,
                    "responses": _responses(result),
                }
            },
            "/embed": {
                "post": {
                    "summary": "A picture's embedding, a unit vector",
                    "requestBody": _PICTURE,
                    "responses": _responses(embedding),
                }
            },
            "/health": {"get": {"summary": "Whether it answers", "responses": _answer(health)}},
            "/metrics": {
                "get": {
                    "summary": "Counts for Prometheus",
                    "responses": {"200": {"description": "text", "content": {"text/plain": {}}}},
                }
            },
        },
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _answer(schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": "done", "content": {"application/json": {"schema": schema}}}}


def _responses(schema: dict[str, Any]) -> dict[str, Any]:
    error = _object(status={"const": "error"}, error=_TEXT, hint=_TEXT)
    content = {"application/json": {"schema": error}}
    errors = {code: {"description": text, "content": content} for code, text in _ERRORS.items()}
    return _answer(schema) | errors
