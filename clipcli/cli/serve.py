"""``clipcli serve``."""

from __future__ import annotations

import ipaddress
import os
from typing import Annotated, Any

import typer

from clipcli.cli.groups import LabelOptions, ModelOptions, NoteOptions
from clipcli.errors import ExitCode, MissingExtraError, OutputError, UsageError

TOKEN = "CLIPCLI_TOKEN"  # noqa: S105 - the name of a variable


def serve(
    labels: LabelOptions,
    model: ModelOptions,
    notes: NoteOptions,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Where to listen. Another address than this machine's own needs a token in "
            "$CLIPCLI_TOKEN.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Which port.")] = 8080,
    max_mb: Annotated[
        float,
        typer.Option(min=0.001, metavar="MB", help="The largest body that is accepted."),
    ] = 32.0,
    max_waiting: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="So many requests at once; more are answered with 503."
        ),
    ] = 64,
) -> ExitCode:
    """Answer other programs over HTTP.

    clipcli serve --labels animals
    curl --data-binary @cat.jpg 'localhost:8080/classify?top_k=3'

    POST /classify and /embed take a picture as the body; GET /health, /metrics and /openapi.json.
    """
    from clipcli.cli.open_classifier import open_classifier
    from clipcli.pipeline.decisions import Decisions
    from clipcli.pipeline.inputs import Inputs
    from clipcli.workflows.serve.app import Limits, make_app
    from clipcli.workflows.serve.engine import MOST_TOP, AnswerEngine

    uvicorn = _uvicorn()
    token = _token(host)
    session = model.session(Inputs(()), notes)

    def make(spec: str) -> Any:
        chosen = LabelOptions(spec, labels.templates, labels.no_rules)
        return open_classifier(session, chosen, Decisions(), top_k=MOST_TOP)

    engine = AnswerEngine(session.encoder, session.model.decoding(), make, labels.labels)
    engine.start()
    limits = Limits(round(max_mb * 1e6), max_waiting, token)
    config = uvicorn.Config(
        make_app(engine, limits),
        host=host,
        port=port,
        log_level="warning",
        lifespan="off",  # there is nothing in it, and a second Ctrl-C would break it off loudly
        limit_concurrency=4 * max_waiting,
        timeout_keep_alive=5,
        server_header=False,
    )
    _check_free(host, port)
    session.notes.say(f"listening on http://{host}:{port}; stop with Ctrl-C")
    try:
        uvicorn.Server(config).run()
    finally:
        engine.stop()
    return ExitCode.DONE


def _uvicorn() -> Any:
    try:
        import starlette  # noqa: F401 - the application needs it
        import uvicorn
    except ImportError as error:
        raise MissingExtraError(
            "serve needs starlette and uvicorn, which are not installed",
            hint='pip install "clipcli[serve]"',
        ) from error
    return uvicorn


def _token(host: str) -> str | None:
    """Return the token that requests have to bring; others than this machine need one."""
    token = os.environ.get(TOKEN) or None
    if token is None and not _is_own(host):
        raise UsageError(
            f"--host {host}: others could reach it, and there is no token",
            hint=f"set {TOKEN}, or listen on 127.0.0.1",
        )
    return token


def _is_own(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_free(host: str, port: int) -> None:
    """Refuse a port that is in use, which uvicorn would log and leave with a code of its own."""
    import socket

    if port == 0:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise OutputError(
            f"{host}:{port}: cannot listen there ({error.strerror or error})",
            hint="choose another --port",
        ) from error
