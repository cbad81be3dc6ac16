"""clipcli serve: the answers of classify over HTTP, within limits, for slow and wrong clients."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipcli import Classifier
from clipcli.cli.app import run
from clipcli.labels.label_set import load_label_set
from clipcli.pipeline.embed import DecodeOptions
from clipcli.workflows.serve.app import Limits, make_app
from clipcli.workflows.serve.engine import AnswerEngine
from clipcli.workflows.serve.openapi import openapi
from tests.images.test_origin import screen, stored

uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
pytestmark = pytest.mark.usefixtures("use_tiny_model")
TOKEN = "secret of the tests"


class Client:
    """Sends requests to a server of the tests."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            is_json = "json" in (answer.headers["content-type"] or "")
            return answer.status, json.loads(data) if is_json else data.decode()
        finally:
            connection.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Client]]:
    """Return what starts a server with some limits; it ends with the test."""
    running: list[tuple[Any, threading.Thread, AnswerEngine]] = []

    def start(**limits: Any) -> Client:
        first = Classifier(labels=["cat", "dog", "cow"])

        def make(spec: str) -> Classifier:
            return Classifier(load_label_set(spec), encoder=first.encoder, top_k=100)

        engine = AnswerEngine(first.encoder, DecodeOptions(), make, "cat, dog, cow")
        engine.start()
        app = make_app(engine, Limits(**limits))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            thread.join(0.01)
        running.append((server, thread, engine))
        return Client(server.servers[0].sockets[0].getsockname()[1])

    yield start
    for server, thread, engine in running:
        server.should_exit = True
        thread.join(10)
        engine.stop()


def test_answers_are_those_of_classify(serve: Callable[..., Client], pictures: Path) -> None:
    client = serve()
    paths = sorted(pictures.iterdir())

    answers = [client.send("POST", "/classify?top_k=2", path.read_bytes()) for path in paths]

    expected = list(Classifier(labels=["cat", "dog", "cow"], top_k=2).classify(paths))
    assert [status for status, _ in answers] == [200] * len(paths)
    for (_, body), result in zip(answers, expected, strict=True):
        assert body["label"] == result.label  # type: ignore[union-attr]
        shown = [(one["label"], one["probability"]) for one in body["top"]]
        wanted = [(s.label, s.probability) for s in result.top]  # type: ignore[union-attr]
        assert [name for name, _ in shown] == [name for name, _ in wanted]
        np.testing.assert_allclose([p for _, p in shown], [p for _, p in wanted], rtol=1e-4)


def test_what_a_file_tells_decides_here_too(serve: Callable[..., Client]) -> None:
    client = serve()
    shot = stored(screen()).getvalue()

    status, body = client.send("POST", "/classify?labels=camera-roll", shot)

    assert status == 200
    assert (body["label"], body["probability"]) == ("screenshot", 0.99)
    assert body["rule"] == "screenshot"


def test_a_request_may_bring_labels_of_its_own(
    serve: Callable[..., Client], pictures: Path
) -> None:
    client = serve()

    status, body = client.send(
        "POST", "/classify?labels=sun,moon", (pictures / "red.png").read_bytes()
    )

    assert status == 200
    assert {one["label"] for one in body["top"]} == {"sun", "moon"}


def test_embeddings_are_unit_vectors(serve: Callable[..., Client], pictures: Path) -> None:
    status, body = serve().send("POST", "/embed", (pictures / "red.png").read_bytes())

    assert status == 200
    assert np.linalg.norm(body["embedding"]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/classify", b"", 400, "there is no body"),
        ("/classify", b"no picture", 422, "the body: "),
        ("/classify", b"\xff\xd8\xff\xe0", 422, "the body: "),
        ("/classify?labels=nothing", None, 400, "neither a label file nor a built-in"),
        ("/classify?labels=cat,cat", None, 400, "cat"),
        ("/classify?top_k=0", None, 400, "top_k"),
        ("/classify?top_k=many", None, 400, "top_k"),
        ("/classify?lables=sun,moon", None, 400, "'lables' is no parameter here"),
        ("/classify?labels=sun,moon&labels=a,b", None, 400, "labels: is given twice"),
        ("/embed?top_k=2", None, 400, "'top_k' is no parameter here"),
        ("/embed", b"GIF89a", 422, "the body: "),
        ("/clasify", None, 404, "not found: POST /clasify"),
        ("/health", None, 405, "method not allowed: POST /health"),
    ],
)
def test_mistakes_get_a_status_and_one_line(
    path: str,
    body: bytes | None,
    status: int,
    message: str,
    serve: Callable[..., Client],
    pictures: Path,
) -> None:
    data = (pictures / "red.png").read_bytes() if body is None else body

    got, answer = serve().send("POST", path, data)

    assert got == status
    assert answer["status"] == "error"
    assert message in answer["error"]
    assert "\n" not in answer["error"]


def test_a_large_body_is_refused_before_and_while_it_comes(serve: Callable[..., Client]) -> None:
    client = serve(max_bytes=1000)

    declared = client.send("POST", "/classify", b"x" * 2000)
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as stream:
        stream.sendall(b"POST /embed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        stream.sendall(b"7d0\r\n" + b"x" * 2000 + b"\r\n")
        chunked = stream.recv(100)

    assert declared[0] == 413
    assert chunked.startswith(b"HTTP/1.1 413")


def test_a_token_is_asked_for_but_not_for_health(
    serve: Callable[..., Client], pictures: Path
) -> None:
    client = serve(token=TOKEN)
    data = (pictures / "red.png").read_bytes()

    without = client.send("POST", "/classify", data)
    wrong = client.send("POST", "/classify", data, Authorization="Bearer other")
    right = client.send("POST", "/classify", data, Authorization=f"Bearer {TOKEN}")

    assert (without[0], wrong[0], right[0]) == (401, 401, 200)
    assert client.send("GET", "/metrics")[0] == 401
    assert client.send("GET", "/openapi.json")[0] == 401
    assert client.send("GET", "/health")[0] == 200


def test_many_clients_at_once_get_the_answers_of_one(
    serve: Callable[..., Client], pictures: Path
) -> None:
    client = serve(max_waiting=100)
    bodies = [path.read_bytes() for path in sorted(pictures.iterdir())]
    alone = [client.send("POST", "/classify", body) for body in bodies]

    with ThreadPoolExecutor(16) as pool:
        together = list(
            pool.map(lambda i: client.send("POST", "/classify", bodies[i % 3]), range(96))
        )

    assert {status for status, _ in together} == {200}
    for i, (_, body) in enumerate(together):
        assert body["label"] == alone[i % 3][1]["label"]
    assert 'requests_total{route="classify",status="200"} 99' in client.send("GET", "/metrics")[1]


def test_more_than_may_wait_are_sent_away(serve: Callable[..., Client], pictures: Path) -> None:
    client = serve(max_waiting=1)
    head = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"

    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as slow:
        slow.sendall(head + b"x")  # its body never comes
        for _ in range(200):
            if "waiting 1" in client.send("GET", "/metrics")[1]:
                break
        status, _ = client.send("POST", "/classify", (pictures / "red.png").read_bytes())

    assert status == 503


def test_a_client_that_goes_away_is_an_answer_like_any(serve: Callable[..., Client]) -> None:
    client = serve()
    head = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"

    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as gone:
        gone.sendall(head + b"x")

    counted = 'requests_total{route="classify",status="400"} 1'
    for _ in range(200):
        if counted in client.send("GET", "/metrics")[1]:
            break
    assert counted in client.send("GET", "/metrics")[1]


def test_the_description_names_every_route(serve: Callable[..., Client]) -> None:
    status, described = serve().send("GET", "/openapi.json")

    assert status == 200
    assert described == json.loads(json.dumps(openapi()))
    assert set(described["paths"]) == {"/classify", "/embed", "/health", "/metrics"}


def test_another_address_needs_a_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CLIPCLI_TOKEN", raising=False)

    code = run(["serve", "--labels", "cat, dog", "--host", "0.0.0.0"])

    assert code == 2
    assert "there is no token" in capsys.readouterr().err


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code = run(["serve", "--labels", "cat, dog", "--port", str(port)])

    assert code == 3
    assert f"127.0.0.1:{port}: cannot listen there" in capsys.readouterr().err
