"""What stands between the network and the application: who may ask, how long, how much.

Limits that a slow or greedy client runs into are in `LimitedProtocol`, below HTTP; those on what a
browser of somebody else's page may do are in `Guard`, above it.
"""

import asyncio
import hmac
import os
import re
import resource
from collections import Counter
from typing import ClassVar
from urllib.parse import urlsplit
from weakref import WeakSet

import httptools
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fashion_cnn.errors import UsageError
from fashion_cnn.shipping.address import LOOPBACK, Address, canonical, is_ip

CONNECTIONS = 64
HEADER_SECONDS = 5.0
HEADER_BYTES = 2**16
BODY_SECONDS = 15.0
WRITE_SECONDS = 15.0
"""What a client may take nothing of its answer for."""
_GRACE = 1.0  # the application's own answer to a slow body comes first
_LINGER_SECONDS = 2.0
_LINGERING = 256  # connections at most: a flood is closed on
_PIPELINED = 16  # requests that wait on one connection before no more are parsed
_PARSED_AT_ONCE = 4096  # bytes
_BACKLOG = 128  # connections that wait to be accepted
_DESCRIPTORS = 1024  # that are made use of
_SPARE_DESCRIPTORS, _DESCRIPTORS_A_WORKER = 8, 6  # for starting a decoder, for instance
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^][/@:?#\s]+))(?::\d+)?")
"""A name or a number, with or without a port: stricter than `urlsplit`, which takes [::1].evil."""
_USUAL_PORTS = {"http": ":80", "https": ":443"}
_OPEN = ("/healthz", "/readyz")
_METRICS = "/metrics"
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: 34\r\n\r\n"
    b'{"detail":"too many connections"}\n'
)
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware: known hosts, own pages and the token alone; security headers on all."""

    def __init__(self, app: ASGIApp, address: Address) -> None:
        """Wrap an application. A token is for /v1/ and /metrics alone."""
        self._app = app
        names = (address.host, *address.allow_hosts, *LOOPBACK)
        self._hosts = frozenset(name.lower() for name in names)
        self._allowed = frozenset(address.allow_hosts)
        self._token = address.token.encode() if address.token else None
        # A page that has its own name rebound to this machine's address asks for a name.
        self._any_ip = address.is_wildcard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a refused request; hand on the others."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                if scope["path"].startswith("/v1/") or scope["path"] in (*_OPEN, _METRICS):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if not hosts and "origin" not in headers and _is_proxys_check(scope):
            return None
        name = _name(hosts[0]) if len(hosts) == 1 else ""
        if name not in self._hosts and not (self._any_ip and is_ip(name)):
            return _refuse(421, "this server does not go by that name (see: serve --allow-host)")
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        # Behind a proxy the host may be the proxy's name for this server; no page writes its site.
        own = origin is None or site == "same-origin" or self._is_own(origin, hosts[0])
        if not own:
            return _refuse(403, "requests from other sites are refused")
        visit = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if site not in ("same-origin", "none") and not (visit and scope["path"] == "/"):
            return _refuse(403, "requests from other sites are refused")
        if self._token and (scope["path"].startswith("/v1/") or scope["path"] == _METRICS):
            scheme, _, given = headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(given.encode(), self._token)
            if scheme.lower() != "bearer" or not right:
                refusal = _refuse(401, "a token is needed: Authorization: Bearer TOKEN")
                refusal.headers["WWW-Authenticate"] = "Bearer"
                return refusal
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether an origin is of the host that is asked for, or of one that was allowed.

        Of an allowed one's port a proxy need not tell.
        """
        try:
            scheme, authority, *_ = urlsplit(origin.lower())
        except ValueError:
            return False
        usual = _USUAL_PORTS.get(scheme, "")
        same = authority.removesuffix(usual) == host.lower().removesuffix(usual)
        return same or _name(authority) in self._allowed


def _is_proxys_check(scope: Scope) -> bool:
    """Whether it asks for health alone, in HTTP/1.0, as HAProxy does: that need name no host.

    Whose page has its name rebound to this address needs a browser, and each names a host.
    """
    return scope["http_version"] == "1.0" and scope["path"] in _OPEN


def _name(host: str) -> str:
    found = _HOST.fullmatch(host)
    if not found:
        return ""
    return canonical(found[1]) if found[1] else found[2].lower()


def _refuse(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)


def protocol_within_descriptors(workers: int) -> tuple[type["LimitedProtocol"], int]:
    """The protocol with as many connections as this process may open files for.

    A connection that no file can be opened for is worse than one turned away: asyncio fills the log
    with it.

    Args: workers: threads that decode pictures, each with a child.

    Returns:
        The protocol, and how many connections may wait to be accepted.

    Raises:
        UsageError: too few files may be open.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft < hard:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )
    taken = len(os.listdir("/dev/fd")) + workers * _DESCRIPTORS_A_WORKER + _SPARE_DESCRIPTORS
    room = max(soft, hard) - taken
    if room < 4:
        raise UsageError(
            f"a process here may open {max(soft, hard)} files, of which {taken} are in use: "
            "too few to serve; ulimit -n 1024 allows more"
        )
    held = min(CONNECTIONS, room // 2)
    lingering = min(_LINGERING, (room - held) * 2 // 3)
    limits = {"most_held": held, "most_lingering": lingering}
    protocol = type("LimitedProtocol", (LimitedProtocol,), limits)
    return protocol, min(_BACKLOG, room - held - lingering)


class _Flow(FlowControl):
    """uvicorn's, which reads nothing while something that was read waits to be parsed."""

    unread = b""

    def resume_reading(self) -> None:
        if not self.unread:
            super().resume_reading()


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with limits: of connections, headers, the time requests and answers take.

    llhttp, which httptools parses by, sets none to headers; what it had of an endless one it kept.
    Whoever comes when all connections are held may still ask for the server's health and for the
    page's files, and gets in where another address holds more of them than its own does.

    Attributes:
        most_held: connections at once.
        most_lingering: further ones, which may ask for health and the page's files, or hear that
            there are too many.
    """

    most_held: ClassVar[int] = CONNECTIONS
    most_lingering: ClassVar[int] = _LINGERING
    _flow: _Flow
    _lingering: ClassVar[WeakSet["LimitedProtocol"]] = WeakSet()
    _deadline: asyncio.TimerHandle | None = None
    _write_deadline: asyncio.TimerHandle | None = None
    _since = 0.0  # when it last sent something
    _turned_away = False
    _arriving = "head"  # or "body", or "" once a request is there
    _without_body = 0  # bytes that came since the last of a body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn does, unless there are too many."""
        super().connection_made(transport)
        self.flow = self._flow = _Flow(transport)
        self._since = self.loop.time()
        if len(self.connections) > self.most_held and (other := self._crowded_out()):
            self.connections.discard(other)
            other._give_up()
        if len(self.connections) <= self.most_held:
            self._wait(HEADER_SECONDS)
            return
        self.connections.discard(self)
        if len(self._lingering) >= self.most_lingering:
            # The newcomer may ask for health; who was told already goes first, then the idlest.
            other = min(
                (one for one in self._lingering if not one._answers()),
                key=lambda one: (not one._turned_away, one._since),
                default=self,
            )
            self._lingering.discard(other)
            if not other._turned_away:
                other.transport.write(_FULL)
            other.transport.close()
            if other is self:
                return
        self._lingering.add(self)
        self._wait(_LINGER_SECONDS)

    def _crowded_out(self) -> "LimitedProtocol | None":
        """Who makes room: of the address that holds most, and more than this one's, the idlest."""
        held = [one for one in self.connections if isinstance(one, LimitedProtocol)]
        counts = Counter(one._address for one in held)
        most = max(counts.values())
        if counts[self._address] >= most:
            return None
        idle = [
            one
            for one in held
            if counts[one._address] == most and (one._write_deadline or not one._answers())
        ]
        return min(idle, key=lambda one: one._since, default=None)

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def _turn_away(self) -> None:
        """Say so and let the client finish: closed while it sends, it would be reset instead."""
        self._turned_away = True
        self.transport.write(_FULL)
        self.transport.write_eof()
        self._wait(_LINGER_SECONDS)

    def data_received(self, data: bytes) -> None:
        """As uvicorn does, with the clock running until the request is there."""
        if self._turned_away:
            return
        self._since = self.loop.time()
        self._parse(self._flow.unread + data)

    def _parse(self, data: bytes) -> None:
        """Until enough requests wait: one read may hold very many, and parsed they are larger."""
        at = 0
        while at < len(data) and len(self.pipeline) < _PIPELINED:
            self._parse_part(data[at : at + _PARSED_AT_ONCE])
            if self._turned_away or self.transport.is_closing():
                return
            at += _PARSED_AT_ONCE
        self._flow.unread = data[at:]
        if self._flow.unread:
            self.flow.pause_reading()

    def _parse_part(self, data: bytes) -> None:
        if not self._arriving and not self._answers():
            self._arriving = "head"  # of the next request on this connection
        self._without_body += len(data)
        self._feed(data)
        if self._turned_away:
            return
        if self._without_body > HEADER_BYTES:
            self.send_400_response("Invalid HTTP request received.")
        elif self._arriving == "head":
            if self._deadline is None and not self._answers():
                self._wait(HEADER_SECONDS)
        elif self._arriving and not self.pipeline and self._deadline is None:
            self._wait(BODY_SECONDS + _GRACE)

    def _feed(self, data: bytes) -> None:
        """As uvicorn's `data_received`, but what asks for another protocol is answered in this.

        Java's client offers HTTP/2 in each request, and httptools passes over the body of one that
        does: such a head is parsed again without the offer.
        """
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            rest = data[offer.args[0] :]
            if self._offers_protocol():
                lines = [b": ".join(header) for header in self.headers if header[0] != b"upgrade"]
                version = self.parser.get_http_version().encode()
                start = b" ".join((self.parser.get_method(), self.url, b"HTTP/" + version))
                rest = b"\r\n".join([start, *lines, b"", rest])
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
            if rest:
                self._feed(rest)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _offers_protocol(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def on_response_complete(self) -> None:
        """As uvicorn does, and goes on with what was read."""
        super().on_response_complete()
        data, self._flow.unread = self._flow.unread, b""
        if not self.transport.is_closing():
            self._parse(data)
            self.flow.resume_reading()

    def _answers(self) -> bool:
        """Whether a request is being answered: uvicorn's clock runs after it, ours not beside."""
        return self.cycle is not None and not self.cycle.response_complete

    def on_message_begin(self) -> None:
        """As uvicorn does."""
        super().on_message_begin()
        self._arriving = "head"

    def on_header(self, name: bytes, value: bytes) -> None:
        """As uvicorn does, but what comes after a body is no header."""
        if self._arriving == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """As uvicorn does, for as many as there is room for."""
        if self._turned_away or self._offers_protocol():
            return
        if self in self._lingering and not self._asks_little():
            self._turn_away()
            return
        super().on_headers_complete()
        self._arriving = "body"
        if self in self._lingering:
            self.cycle.keep_alive = False
        else:
            self._stop()  # a body has its own time

    def _asks_little(self) -> bool:
        """Whether it asks for health or for a file of the page: thirty browsers open six
        connections each, and a page that lacks a part is dead.
        """
        path = self.url.partition(b"?")[0].decode()
        of_page = self.parser.get_method() == b"GET" and not path.startswith(("/v1/", _METRICS))
        return of_page or path in _OPEN

    def on_body(self, body: bytes) -> None:
        """As uvicorn does."""
        if not self._turned_away:
            super().on_body(body)
            self._without_body = 0

    def on_message_complete(self) -> None:
        """As uvicorn does, and the clock stops."""
        if not (self._turned_away or self._offers_protocol()):
            super().on_message_complete()
            self._arriving, self._without_body = "", 0
            self._stop()

    def pause_writing(self) -> None:
        """As uvicorn does, and the clock runs: the client takes nothing."""
        super().pause_writing()
        if self._write_deadline is None:
            self._write_deadline = self.loop.call_later(WRITE_SECONDS, self._give_up)

    def resume_writing(self) -> None:
        """As uvicorn does."""
        super().resume_writing()
        self._stop_writing()

    def shutdown(self) -> None:
        """As uvicorn does; a request that has not arrived, or is not taken, is not waited for."""
        self._flow.unread = b""
        super().shutdown()
        if self._answers() and (self._write_deadline or self.cycle.more_body):
            self._wait(_LINGER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn does."""
        self._stop()
        self._stop_writing()
        self._lingering.discard(self)
        self._flow.unread = b""
        super().connection_lost(exc)

    def _stop_writing(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _wait(self, seconds: float) -> None:
        self._stop()
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self in self._lingering and not (self._turned_away or self._answers()):
            self._turn_away()
        else:
            self.transport.abort()
