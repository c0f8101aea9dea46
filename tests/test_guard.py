"""The server's limits and refusals by hand: a clock that stands still, and no network."""

import asyncio
import functools
import itertools
import json
import re
import resource
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from fashion_cnn.errors import UsageError
from fashion_cnn.shipping.address import Address
from fashion_cnn.shipping.guard import Guard, LimitedProtocol, protocol_within_descriptors

TOKEN = "0123456789abcdef"
KNOWN = Address(allow_hosts=("Shoes.example",))


async def answering(scope, receive, send) -> None:
    """An application that reads nothing and answers."""
    headers = [(b"content-length", b"2"), (b"x-frame-options", b"ALLOWALL")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


# -- who may ask -----------------------------------------------------------------------------------


def ask(
    *headers: tuple[str, str],
    path: str = "/",
    method: str = "GET",
    address: Address = KNOWN,
    version: str = "1.1",
) -> tuple[int, str, dict[str, str]]:
    """Status, detail and headers of the answer; without headers the host is localhost."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing is read")

    named = (
        headers if any(name == "host" for name, _ in headers) else (*headers, ("host", "localhost"))
    )
    raw = [(name.encode(), value.encode("latin-1")) for name, value in named if value != "-"]
    scope = {"type": "http", "http_version": version, "method": method, "path": path}
    scope["headers"] = raw
    asyncio.run(Guard(answering, address)(scope, receive, send))
    start, *bodies = sent
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    body = b"".join(message["body"] for message in bodies)
    return (
        start["status"],
        body.decode() if start["status"] == 200 else json.loads(body)["detail"],
        found,
    )


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("127.0.0.1", True),
        ("127.0.0.1:1", True),
        ("[::1]", True),
        ("[::1]:8000", True),
        ("shoes.example", True),
        ("Shoes.Example:80", True),
        ("evil.example", False),
        ("10.0.0.1", False),
        ("[::2]", False),
        ("localhost:80:80", False),
        ("localhost:x", False),
        ("[::1].evil", False),
        ("[::1", False),
        ("127.0.0.1.evil.example", False),
        ("x@localhost", False),
        ("", False),
        ("-", False),
    ],
)
def test_the_server_goes_by_its_names_alone(host: str, known: bool) -> None:
    status, detail, _ = ask(("host", host))
    if known:
        assert (status, detail) == (200, "ok")
    else:
        assert status == 421
        assert detail == "this server does not go by that name (see: serve --allow-host)"


@pytest.mark.parametrize(
    ("version", "path", "headers", "known"),
    [
        ("1.0", "/healthz", (), True),
        ("1.0", "/readyz", (), True),
        ("1.0", "/", (), False),
        ("1.0", "/v1/model", (), False),
        ("1.0", "/metrics", (), False),
        ("1.1", "/healthz", (), False),
        ("1.0", "/healthz", (("origin", "http://localhost"),), False),
    ],
)
def test_a_proxy_may_ask_for_health_without_naming_a_host(version, path, headers, known) -> None:
    """HTTP/1.0 has no Host, and HAProxy's check sends none; browsers always do."""
    status, *_ = ask(("host", "-"), *headers, path=path, version=version)
    assert status == (200 if known else 421)
    assert ask(("host", "evil.example"), path=path, version=version)[0] == 421


def test_an_address_is_known_however_it_is_written() -> None:
    address = Address(allow_hosts=("[FD00:0::5]",))
    for host in ("[fd00::5]", "[fd00:0:0::5]:8000", "[FD00::5]"):
        assert ask(("host", host), address=address)[0] == 200
    assert ask(("host", "[fd00::6]"), address=address)[0] == 421
    assert ask(("host", "fd00::5"), address=address)[0] == 421


def test_two_hosts_are_none() -> None:
    assert ask(("host", "localhost"), ("host", "localhost"))[0] == 421


@pytest.mark.parametrize(
    ("host", "known"),
    [("10.0.0.1", True), ("[::2]:80", True), ("localhost", True), ("evil.example", False)],
)
def test_any_number_but_no_other_name_where_all_addresses_are_served(host, known: bool) -> None:
    everywhere = Address("0.0.0.0", token=TOKEN)
    assert ask(("host", host), address=everywhere)[0] == (200 if known else 421)


@pytest.mark.parametrize(
    ("headers", "path", "method", "allowed"),
    [
        ((("origin", "http://localhost"),), "/", "GET", True),
        ((("origin", "https://LocalHost"),), "/", "POST", True),
        ((("origin", "http://localhost:81"),), "/", "GET", False),
        ((("origin", "null"),), "/", "GET", False),
        ((("origin", "http://[x"),), "/", "GET", False),
        ((("origin", "http://[evil]"),), "/", "GET", False),
        ((("origin", ""),), "/", "GET", False),
        ((("sec-fetch-site", "same-origin"),), "/v1/predict", "POST", True),
        ((("sec-fetch-site", "none"),), "/v1/predict", "POST", True),
        ((("sec-fetch-site", "cross-site"),), "/", "GET", False),
        ((("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")), "/", "GET", True),
        ((("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")), "/x", "GET", False),
        ((("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")), "/", "POST", False),
        ((("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")), "/", "GET", False),
    ],
)
def test_pages_of_others_may_do_no_more_than_link_here(headers, path, method, allowed) -> None:
    status, detail, _ = ask(*headers, path=path, method=method)
    if allowed:
        assert status == 200
    else:
        assert (status, detail) == (403, "requests from other sites are refused")


def test_the_host_that_an_origin_is_of_counts_with_its_port() -> None:
    assert ask(("host", "Localhost:81"), ("origin", "http://localhost:81"))[0] == 200
    assert ask(("host", "localhost:81"), ("origin", "http://localhost"))[0] == 403


@pytest.mark.parametrize(
    ("host", "origin", "site", "allowed"),
    [
        ("127.0.0.1:8000", "https://shoes.example", "same-origin", True),
        ("127.0.0.1:8000", "https://shoes.example", None, True),
        ("127.0.0.1:8000", "https://SHOES.example:8443", None, True),
        ("127.0.0.1:8000", "https://kiosk.example", "same-origin", True),
        ("shoes.example", "http://shoes.example:8080", None, True),
        ("shoes.example:443", "https://shoes.example", None, True),
        ("localhost:443", "https://localhost", None, True),
        ("localhost:80", "http://localhost", None, True),
        ("localhost:443", "http://localhost", None, False),
        ("127.0.0.1:8000", "https://kiosk.example", None, False),
        ("127.0.0.1:8000", "http://127.0.0.1:9000", None, False),
        ("127.0.0.1:8000", "https://shoes.example.evil.example", None, False),
        ("127.0.0.1:8000", "https://shoes.example:9000", "same-site", False),
        ("shoes.example", "https://evil.example", "cross-site", False),
    ],
)
def test_a_page_behind_a_proxy_is_the_servers_own(host, origin, site, allowed: bool) -> None:
    """Whatever host the proxy passes on; what comes from elsewhere stays refused."""
    headers = [("host", host), ("origin", origin), *([("sec-fetch-site", site)] if site else [])]
    assert ask(*headers, path="/v1/predict", method="POST")[0] == (200 if allowed else 403)


@pytest.mark.parametrize(
    ("given", "path", "wanted"),
    [
        (f"Bearer {TOKEN}", "/v1/predict", 200),
        (f"bearer {TOKEN}", "/v1/predict", 200),
        (f"BEARER {TOKEN}", "/metrics", 200),
        (f"Bearer {TOKEN.upper()}x", "/v1/predict", 401),
        (f"Basic {TOKEN}", "/v1/predict", 401),
        (f"Bearer{TOKEN}", "/v1/predict", 401),
        ("Bearer", "/v1/predict", 401),
        (f"Bearer {TOKEN} ", "/v1/predict", 401),
        (TOKEN, "/v1/predict", 401),
        ("Bearer é", "/v1/predict", 401),
        (None, "/v1/predict", 401),
        (None, "/", 200),
        (None, "/healthz", 200),
    ],
)
def test_the_token_is_for_the_interface(given: str | None, path: str, wanted: int) -> None:
    headers = (("authorization", given),) if given else ()
    status, detail, found = ask(*headers, path=path, address=Address(token=TOKEN))
    assert status == wanted
    if wanted == 401:
        assert detail == "a token is needed: Authorization: Bearer TOKEN"
        assert found["www-authenticate"] == "Bearer"
    assert ask(path=path)[0] == 200, "none is needed unless one was set"


@pytest.mark.parametrize("path", ["/", "/v1/predict", "/healthz", "/readyz", "/v1"])
@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_answer_has_the_headers(path: str, host: str) -> None:
    _, _, found = ask(("host", host), path=path)
    policy = (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    wanted = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
    assert wanted.items() <= found.items()
    assert found.get("cache-control") == (None if path in ("/", "/v1") else "no-store")


def test_what_is_no_request_is_handed_on() -> None:
    seen = []

    async def app(*arguments) -> None:
        seen.append(arguments)

    arguments = ({"type": "lifespan"}, "receive", "send")
    asyncio.run(Guard(app, Address())(*arguments))
    assert seen == [arguments]


# -- how long, how many ----------------------------------------------------------------------------


class Timer:
    def __init__(self, seconds: float, call: Callable[[], None]) -> None:
        self.seconds, self.call, self.cancelled = seconds, call, False

    def cancel(self) -> None:
        self.cancelled = True


LATER = itertools.count()


class Loop:
    """A loop whose clock stands still."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(seconds, call))
        return self.timers[-1]

    def time(self) -> float:
        return float(next(LATER))  # it only tells what was before

    def create_task(self, coroutine, **how) -> asyncio.Task:
        return asyncio.get_running_loop().create_task(coroutine, **how)


class Wire(asyncio.Transport):
    """Notes what is done to a connection."""

    def __init__(self, peer: str) -> None:
        super().__init__()
        self.done: list[str] = []
        self.written = b""
        self.reads = True
        self.peer = peer, 1024

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self.peer if name == "peername" else default

    def is_closing(self) -> bool:
        return bool({"close", "abort"} & {*self.done})

    def write(self, data: bytes) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.done.append("eof")

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Line:
    """A connection to a server of which nothing but the protocol is there."""

    def __init__(
        self, state: ServerState, app=answering, peer: str = "192.0.2.1", kind=LimitedProtocol
    ) -> None:
        config = uvicorn.Config(app, http=kind, log_config=None, lifespan="off")
        self.loop, self.wire = Loop(), Wire(peer)
        self.protocol = kind(config, state, {}, self.loop)
        self.protocol.connection_made(self.wire)

    @property
    def clocks(self) -> list[float]:
        """Seconds of each of our timers that runs."""
        ours = [timer for timer in self.loop.timers if timer.call == self.protocol._give_up]
        return [timer.seconds for timer in ours if not timer.cancelled]

    def ring(self) -> None:
        (timer,) = (
            timer
            for timer in self.loop.timers
            if timer.call == self.protocol._give_up and not timer.cancelled
        )
        timer.cancelled = True
        timer.call()


def in_a_loop(test: Callable[..., Any]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(**given: Any) -> None:
        asyncio.run(test(**given))

    return run


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
MODEL = GET.replace(b"/ ", b"/v1/model ", 1)
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"


async def waiting(scope, receive, send) -> None:
    """An application that reads the body to its end, then answers."""
    while (await receive()).get("more_body"):
        pass
    await answering(scope, receive, send)


@in_a_loop
async def test_a_request_line_and_its_headers_have_five_seconds() -> None:
    line = Line(ServerState())
    assert line.clocks == [5.0]
    line.protocol.data_received(GET[:10])
    assert line.clocks == [5.0]
    assert len(line.loop.timers) == 1, "bytes that trickle in start no new clock"
    line.ring()
    assert line.wire.done == ["abort"]


@in_a_loop
async def test_an_answered_request_is_not_timed_and_the_next_one_is() -> None:
    line = Line(ServerState())
    line.protocol.data_received(GET)
    assert line.clocks == []
    await settle()
    assert line.wire.written.endswith(b"ok")
    line.protocol.data_received(GET[:10])
    assert line.clocks == [5.0]
    line.protocol.data_received(GET[10:20])
    assert line.clocks == [5.0]
    line.protocol.data_received(GET[20:])
    assert line.clocks == []
    assert line.wire.done == []


@in_a_loop
async def test_a_body_has_fifteen_seconds_and_one_of_grace() -> None:
    line = Line(ServerState(), waiting)
    line.protocol.data_received(POST[:20])
    assert line.clocks == [5.0]
    line.protocol.data_received(POST[20:] + b"1234")
    assert line.clocks == [16.0]
    count = len(line.loop.timers)
    line.protocol.data_received(b"5")
    assert line.clocks == [16.0]
    assert len(line.loop.timers) == count, "more of a body starts no new clock"
    line.protocol.data_received(b"6789")
    assert line.clocks == []
    await settle()
    assert line.wire.written.endswith(b"ok")
    line.protocol.data_received(POST)
    assert line.clocks == [16.0], "nor is the next request's body untimed"
    line.ring()
    assert line.wire.done == ["abort"]
    assert line.protocol._deadline is None
    line.protocol.connection_lost(None)
    assert line.wire.done == ["abort", "close"]
    await settle()


@in_a_loop
async def test_the_next_requests_body_has_its_time_after_its_headers() -> None:
    line = Line(ServerState(), waiting)
    line.protocol.data_received(POST + b"123456789")
    await settle()
    line.protocol.data_received(POST[:20])
    assert line.clocks == [5.0]
    line.protocol.data_received(POST[20:])
    assert line.clocks == [16.0]
    line.protocol.connection_lost(ConnectionResetError())
    assert line.clocks == []
    assert line.wire.done == [], "what is lost needs no closing"
    await settle()


FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: 34\r\n\r\n"
    b'{"detail":"too many connections"}\n'
)


@pytest.fixture
def nobody_lingers(monkeypatch) -> None:
    monkeypatch.setattr(LimitedProtocol, "_lingering", set())


@in_a_loop
async def test_the_sixty_fifth_connection_is_turned_away(nobody_lingers) -> None:
    state = ServerState()
    lines = [Line(state) for _ in range(64)]
    assert {tuple(line.clocks) for line in lines} == {(5.0,)}
    assert b"".join(line.wire.written for line in lines) == b""
    late = Line(state)
    assert late.clocks == [2.0]
    assert len(state.connections) == 64
    late.protocol.data_received(MODEL[:-1])
    assert late.wire.written == b"", "it may ask for health"
    late.protocol.data_received(MODEL[-1:])
    assert late.wire.written == FULL
    assert late.wire.done == ["eof"]
    late.protocol.data_received(GET + POST + b"x")
    await settle()
    assert late.wire.written == FULL, "what it still sends is passed over"
    assert late.clocks == [2.0]
    late.ring()
    assert late.wire.done == ["eof", "abort"]
    late.protocol.connection_lost(None)
    assert LimitedProtocol._lingering == set()
    lines[0].protocol.connection_lost(None)
    assert lines[0].clocks == []
    assert len(state.connections) == 63
    assert Line(state).clocks == [5.0]


@in_a_loop
async def test_who_comes_too_late_and_says_nothing_is_told_after_two_seconds(
    nobody_lingers,
) -> None:
    line = Line(ServerState(), kind=few(0))
    line.ring()
    assert (line.wire.written, line.wire.done, line.clocks) == (FULL, ["eof"], [2.0])
    line.ring()
    assert line.wire.done == ["eof", "abort"]


@pytest.mark.parametrize(
    ("path", "answered"),
    [
        ("/healthz", True),
        ("/readyz", True),
        ("/healthz?now", True),
        ("/", True),
        ("/app.js", True),
        ("/v1/model", False),
        ("/v1/model?/healthz", False),
        ("/metrics", False),
    ],
)
@in_a_loop
async def test_health_and_the_page_are_for_all_however_many_connections_there_are(
    nobody_lingers, path: str, answered: bool
) -> None:
    line = Line(ServerState(), kind=few(0))
    line.protocol.data_received(GET.replace(b"/ ", path.encode() + b" "))
    await settle()
    assert (b"200 OK" in line.wire.written) == answered
    assert line.wire.done == (["close"] if answered else ["eof"]), "one answer and no more"


def few(held: int) -> type[LimitedProtocol]:
    """The protocol with so many connections."""
    return type("Few", (LimitedProtocol,), {"most_held": held})


@in_a_loop
async def test_of_those_turned_away_256_may_linger(nobody_lingers) -> None:
    state = ServerState()
    lines = [Line(state, kind=few(0)) for _ in range(256)]
    assert {tuple(line.wire.done) for line in lines} == {()}
    lines[7].protocol.data_received(MODEL)  # which it is told of
    lines[0].protocol.data_received(GET[:9])
    health = Line(state, kind=few(0))
    assert (lines[7].wire.written, lines[7].wire.done) == (FULL, ["eof", "close"])
    assert health.clocks == [2.0]
    Line(state, kind=few(0))
    assert (lines[1].wire.written, lines[1].wire.done) == (FULL, ["close"]), "the idlest"
    assert lines[0].wire.done == []
    health.protocol.data_received(GET.replace(b"/ ", b"/healthz "))
    await settle()
    assert b"200 OK" in health.wire.written, "whatever half requests there are"
    assert len(LimitedProtocol._lingering) == 256


@in_a_loop
async def test_who_is_answered_makes_no_room(nobody_lingers) -> None:
    kind = type("Few", (LimitedProtocol,), {"most_held": 0, "most_lingering": 1})
    asking = Line(ServerState(), waiting, kind=kind)
    asking.protocol.data_received(POST.replace(b"/ ", b"/readyz "))
    await settle()
    late = Line(ServerState(), kind=kind)
    assert (late.wire.written, late.wire.done, late.clocks) == (FULL, ["close"], [])
    assert asking.wire.done == []


@in_a_loop
async def test_an_address_that_holds_less_gets_in(nobody_lingers) -> None:
    """Of the address with the most, the connection that was silent for longest makes room."""
    state, kind = ServerState(), few(4)
    greedy = [Line(state, peer="192.0.2.1", kind=kind) for _ in range(3)]
    modest = Line(state, peer="192.0.2.2", kind=kind)
    greedy[0].protocol.data_received(GET[:4])
    late = Line(state, peer="192.0.2.3", kind=kind)
    assert late.clocks == [5.0]
    assert [line.wire.done for line in greedy] == [[], ["abort"], []]
    for line in greedy[::2]:  # both are being answered
        line.protocol.data_received(GET)
    assert Line(state, peer="192.0.2.3", kind=kind).clocks == [2.0], "nobody is idle"
    await settle()
    assert Line(state, peer="192.0.2.1", kind=kind).clocks == [2.0], "it has its share"
    assert Line(state, peer="192.0.2.2", kind=kind).clocks == [2.0], "as much as any other"
    assert modest.wire.done == late.wire.done == []


@in_a_loop
async def test_an_answer_that_is_not_taken_is_given_up_after_fifteen_seconds(
    nobody_lingers,
) -> None:
    state = ServerState()
    line = Line(state, kind=few(1), app=waiting)
    line.protocol.data_received(GET)
    line.protocol.pause_writing()
    assert line.clocks == [15.0]
    line.protocol.pause_writing()
    assert line.clocks == [15.0]
    line.protocol.resume_writing()
    assert line.clocks == []
    line.protocol.pause_writing()
    assert Line(state, peer="192.0.2.9", kind=few(1)).clocks == [2.0], "one each"
    line.ring()
    assert line.wire.done == ["abort"]
    line.protocol.connection_lost(None)
    assert line.clocks == []


@in_a_loop
async def test_sixteen_requests_wait_parsed_and_the_rest_unread() -> None:
    line = Line(ServerState())
    for _ in range(2):
        line.protocol.data_received(GET * 5000)
        assert 16 <= len(line.protocol.pipeline) < 16 + 4096 / len(GET)
        assert line.wire.reads is False
        unread = len(line.protocol._flow.unread)
        assert unread > 4800 * len(GET)
        line.protocol.flow.resume_reading()
        assert line.wire.reads is False, "as the application does when it reads a body"
        line.protocol.data_received(GET[:9])
        assert len(line.protocol._flow.unread) == unread + 9, "what came in spite of that"
        while line.wire.written.count(b"200 OK") < 5000:
            await asyncio.sleep(0)
        await settle()
        assert line.wire.written.count(b"200 OK") == 5000
        assert line.wire.reads is True
        assert line.wire.done == []
        line.protocol.data_received(GET[9:])
        await settle()
        assert line.wire.written.count(b"200 OK") == 5001
        line.wire.written = b""


@in_a_loop
async def test_what_was_not_parsed_at_the_end_is_not_answered() -> None:
    line = Line(ServerState())
    line.protocol.data_received(GET * 5000)
    parsed = 1 + len(line.protocol.pipeline)
    line.protocol.shutdown()
    while line.wire.written.count(b"200 OK") < parsed:
        await asyncio.sleep(0)
    await settle()
    assert line.wire.written.count(b"200 OK") == parsed
    assert line.wire.done == ["close"]


@in_a_loop
async def test_at_the_end_what_has_not_arrived_or_is_not_taken_has_two_seconds() -> None:
    for sent, stuck, wanted in (
        (GET, False, []),
        (GET, True, [2.0, 15.0]),
        (POST, False, [2.0]),
        (POST + b"ninechars", False, []),
        (POST + b"ninechars" + GET[:9], False, []),
    ):
        line = Line(ServerState(), app=waiting)
        line.protocol.data_received(sent)
        if stuck:
            line.protocol.pause_writing()
        line.protocol.shutdown()
        assert sorted(line.clocks) == wanted, sent
        line.protocol.connection_lost(None)
        await settle()


def test_as_many_connections_as_files_may_be_open(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(resource, "setrlimit", lambda what, both: asked.append(both))
    monkeypatch.setattr("os.listdir", lambda path: ["."] * 20)
    for limits, wanted in (
        ((1024, 4096), (64, 256, 128)),
        ((256, 2**20), (64, 256, 128)),
        ((1024, resource.RLIM_INFINITY), (64, 256, 128)),
        ((60, 80), (20, 13, 7)),
        ((40, 44), (2, 1, 1)),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda what, found=limits: found)
        kind, backlog = protocol_within_descriptors(2)
        assert (kind.most_held, kind.most_lingering, backlog) == wanted
    assert asked == [(1024, 2**20), (80, 80), (44, 44)]
    monkeypatch.setattr(resource, "getrlimit", lambda what: (43, 43))
    with pytest.raises(UsageError, match="may open 43 files, of which 40"):
        protocol_within_descriptors(2)


@in_a_loop
async def test_headers_end_at_64_kilobytes() -> None:
    head = GET[:-2] + b"X: " + bytes([120] * (2**16 - len(GET) - 1))
    line = Line(ServerState())
    line.protocol.data_received(head)
    assert line.wire.written == b"", "65,536 bytes are waited on"
    line.protocol.data_received(b"x")
    assert line.wire.written.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert line.wire.done == ["close"]


@in_a_loop
async def test_what_is_neither_head_nor_body_has_an_end_too() -> None:
    """Lines after the last chunk, and empty ones before a request."""
    chunked = POST.replace(b"Content-Length: 9", b"Transfer-Encoding: chunked")
    for before, part in ((chunked + b"1\r\nx\r\n0\r\n", b"A: b\r\n"), (b"", b"\r\n")):
        line = Line(ServerState(), waiting)
        line.protocol.data_received(before)
        for _ in range(64):
            line.protocol.data_received(1024 // len(part) * part)
        assert line.wire.written == b""
        line.protocol.data_received(1024 * part)
        assert line.wire.written.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        line.protocol.connection_lost(None)
        await settle()


@in_a_loop
async def test_bodies_and_many_requests_are_no_headers() -> None:
    chunked = POST.replace(b"Content-Length: 9", b"Transfer-Encoding: chunked")
    line = Line(ServerState(), waiting)
    line.protocol.data_received(chunked)
    for _ in range(20):
        line.protocol.data_received(b"1000\r\n" + bytes(4096) + b"\r\n")
    line.protocol.data_received(b"0\r\n\r\n")
    await settle()
    assert line.wire.written.endswith(b"ok")
    for _ in range(2):
        line.protocol.data_received(GET[:-2] + b"X: " + bytes([120] * 40_000) + b"\r\n\r\n")
        await settle()
    assert line.wire.written.count(b"200 OK") == 3
    assert line.wire.done == []


async def echoing(scope, receive, send) -> None:
    """An application that answers with the headers' names and the body's length."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message["body"]), message.get("more_body")
    said = b",".join(name for name, _ in scope["headers"]) + b" %d" % length
    headers = [(b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


@pytest.mark.parametrize("size", [10**6, 4096, 100, 7, 1])
@in_a_loop
async def test_an_offer_of_another_protocol_is_passed_over_wherever_it_is_cut(size: int) -> None:
    """Pipelined too, and where the head is longer than is parsed at once."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUPGRADE: h2c\r\n"
    long = b"Cookie: " + b"a" * 4002 + b"\r\n"
    plain, chunked = b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n"
    sent, wanted = b"", []
    for extra, framed, body, length in (
        (b"", plain, b"\r\n123456789", 9),
        (long, plain, b"\r\n123456789", 9),
        (b"", chunked, b"\r\n3\r\nabc\r\n0\r\nHost: evil\r\n\r\n", 3),
        (b"", b"", b"\r\n", 0),
    ):
        sent += b"POST / HTTP/1.1\r\nHost: a\r\n" + extra + framed + offer + body
        names = [b"host", *([b"cookie"] if extra else ())]
        names += [framed.partition(b":")[0].lower()] if framed else []
        wanted.append(b",".join([*names, b"connection"]) + b" %d" % length)
    line = Line(ServerState(), echoing)
    for at in range(0, len(sent), size):
        line.protocol.data_received(sent[at : at + size])
        await settle()
    for _ in range(20):
        await settle()
    assert re.findall(rb"\r\n\r\n([a-z,-]+ \d+)", line.wire.written) == wanted
    assert line.wire.done == []
    line.protocol.connection_lost(None)


@in_a_loop
async def test_nothing_goes_through_a_tunnel() -> None:
    line = Line(ServerState())
    line.protocol.data_received(GET.replace(b"GET", b"CONNECT") + GET)
    await settle()
    line.protocol.data_received(GET)
    await settle()
    assert line.wire.written.count(b"HTTP/1.1 ") == 3, "it is a request like others"


@in_a_loop
async def test_empty_lines_between_requests_are_timed() -> None:
    """Or a connection on which they came would be held for ever: they stop uvicorn's own clock."""
    line = Line(ServerState())
    line.protocol.data_received(GET)
    await settle()
    line.protocol.data_received(b"\r\n")
    assert line.clocks == [5.0]


@in_a_loop
async def test_a_request_that_waits_for_the_one_before_is_not_timed() -> None:
    line = Line(ServerState(), waiting)
    line.protocol.data_received(POST + b"123456789" + GET[:10])
    assert line.clocks == [], "nobody can be late while the first is being answered"
    await settle()
    line.protocol.data_received(GET[10:11])
    assert line.clocks == [5.0]
    line.protocol.data_received(GET[11:])
    await settle()
    assert line.wire.written.count(b"200 OK") == 2
    line.protocol.data_received(POST + b"123456789" + POST + b"1")
    assert line.clocks == [], "nor is its body"
    await settle()
    line.protocol.data_received(b"2")
    assert line.clocks == [16.0]
    line.protocol.data_received(b"3456789")
    assert line.clocks == []
    await settle()
    assert line.wire.written.count(b"200 OK") == 4
