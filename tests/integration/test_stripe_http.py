"""The client beneath Stripe's SDK: one try, over kept connections, to whoever can prove that it is Stripe."""

import functools
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import stripe

from billing_project.dev.services.kafka_security import Security
from payments.answers import Answer, Seen, Unknown
from payments.gateway import Gateway, start
from payments.gateway.http import PooledClient

Retrieve = Callable[..., list[Answer]]

INTENT = (
    b'{"id":"pi_1","status":"succeeded","amount":100,"currency":"kzt","livemode":false,"created":1,'
    b'"metadata":{"payment_id":"p_1"},"latest_charge":"ch_1"}'
)


class Server(ThreadingHTTPServer):
    """Answers as it is told; counts connections and questions."""

    daemon_threads = True

    def __init__(
        self, *, status: int = 200, body: bytes = INTENT, headers: dict[str, str] | None = None, breaks_after: int = 99,
        adds: bytes = b"", together: int = 1,
    ) -> None:  # fmt: skip
        self.status, self.body, self.headers, self.adds = status, body, headers or {}, adds
        self.breaks_after, self.together = breaks_after, threading.Barrier(together)
        self.connections, self.asked, self.asked_from = 0, list[str](), list[int]()
        super().__init__(("127.0.0.1", 0), Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """A new connection."""
        self.connections += 1
        super().finish_request(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Whatever is asked for."""
        self.server.asked.append(self.path)
        self.server.asked_from.append(self.client_address[1])
        if len(self.server.asked) <= self.server.together.parties:
            self.server.together.wait(30)
        if len(self.server.asked) > self.server.breaks_after:
            self.close_connection = True
            return
        self.send_response(self.server.status)
        for name, value in {"Content-Length": str(len(self.server.body)), **self.server.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body + self.server.adds)

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@contextmanager
def serving(server: Server, certificate: Path | None = None) -> Iterator[str]:
    """Its address, while it serves."""
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(params=["in a thread", "on the event loop"])
def retrieve(request: pytest.FixtureRequest) -> Callable[..., list[Answer]]:
    """Both ways of asking: whoever asks in one is told what he would be told in the other."""
    return functools.partial(_retrieve, on_loop=request.param == "on the event loop")


def _retrieve(url: str, *, on_loop: bool, times: int = 1) -> list[Answer]:
    """What becomes of a look at a PaymentIntent, so many times with one client."""
    http = PooledClient(timeout=(2, 2), connections=2)
    client = stripe.StripeClient("sk_test_1", base_addresses={"api": url}, http_client=http, max_network_retries=0)
    try:
        question = Gateway(client).retrieving(intent="pi_1")
        return [start(question.later()).result(30) if on_loop else question() for _ in range(times)]
    finally:
        http.close()


def test_a_connection_is_kept_for_the_next_call(retrieve: Retrieve) -> None:
    """A new one costs more than the call itself."""
    server = Server(headers={"Request-Id": "req_1"})
    with serving(server) as url:
        answers = retrieve(url, times=3)
    assert [type(one) for one in answers] == [Seen] * 3
    assert isinstance(answers[0], Seen)
    assert (answers[0].intent.id, answers[0].intent.payment, answers[0].request) == ("pi_1", "p_1", "req_1")
    assert (server.connections, len(server.asked)) == (1, 3)


def test_what_a_busy_moment_has_opened_is_not_used_in_turn_for_ever() -> None:
    """Idle connections end by themselves; used now and then, hundreds would be kept for as long as there are calls."""
    server = Server(together=2)
    with serving(server) as url:
        http = PooledClient(timeout=(2, 2), connections=2)
        client = stripe.StripeClient("sk_test_1", base_addresses={"api": url}, http_client=http, max_network_retries=0)
        question = Gateway(client).retrieving(intent="pi_1")
        for busy in [start(question.later()) for _ in range(2)]:
            assert isinstance(busy.result(30), Seen)
        for _ in range(4):
            assert isinstance(start(question.later()).result(30), Seen)
        http.close()
    assert server.connections == 2
    assert len(set(server.asked_from[2:])) == 1


def test_nothing_is_followed(retrieve: Retrieve) -> None:
    """P3: Stripe sends nobody elsewhere; whoever does isn't Stripe."""
    elsewhere = Server()
    with serving(elsewhere) as other, serving(Server(status=302, body=b"{}", headers={"Location": other})) as url:
        [answer] = retrieve(url)
    assert isinstance(answer, Unknown)
    assert elsewhere.asked == []


def test_nothing_is_tried_again(retrieve: Retrieve) -> None:
    """The steps of a payment decide that, not the client."""
    server = Server(status=503, body=b"{}", headers={"Retry-After": "0"})
    with serving(server) as url:
        [answer] = retrieve(url)
    assert isinstance(answer, Unknown)
    assert len(server.asked) == 1


def test_a_kept_connection_that_breaks_is_told_and_not_tried_again(retrieve: Retrieve) -> None:
    """Each look that saw nothing counts as one: whoever counts must know how often Stripe was asked."""
    server = Server(breaks_after=1)
    with serving(server) as url:
        answers = retrieve(url, times=2)
    assert [type(one) for one in answers] == [Seen, Unknown]
    assert len(server.asked) == 2


def test_what_nobody_asked_for_is_not_the_answer_to_the_next_call(retrieve: Retrieve) -> None:
    """P3: a proxy that says something by itself would settle somebody's payment with it."""
    server = Server(adds=b"HTTP/1.1 402 Payment Required\r\nContent-Length: 2\r\n\r\n{}")
    with serving(server) as url:
        answers = retrieve(url, times=3)
    assert [type(one) for one in answers] == [Seen] * 3
    assert len(server.asked) == 3


def test_who_can_not_prove_to_be_stripe_is_told_nothing(
    retrieve: Retrieve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key never leaves. With the authority that has signed the certificate among those of the SDK, all is well."""
    security = Security(folder=tmp_path, users={})
    security.make_certificates()
    server = Server()
    with serving(server, certificate=tmp_path / "broker.pem") as url:
        assert retrieve(url) == [Unknown(why="no_answer")]
        assert server.asked == []
        monkeypatch.setattr(stripe, "ca_bundle_path", str(security.authority))
        assert isinstance(retrieve(url)[0], Seen)
