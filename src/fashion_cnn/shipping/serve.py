"""The server: a page to try a model on, and the same over HTTP."""

import asyncio
import base64
import gc
import io
import mimetypes
import signal
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import segno
import uvicorn
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from PIL import Image
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fashion_cnn.data.decoding import FILE_BYTES
from fashion_cnn.data.decoding_child import KIND_BYTES, kind_of
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.errors import DecoderError, ImageError, ModelError, SlowImageError
from fashion_cnn.process.machine import usable_cores
from fashion_cnn.shipping.address import Address
from fashion_cnn.shipping.guard import BODY_SECONDS, Guard, protocol_within_descriptors
from fashion_cnn.shipping.interface import Answer, Status
from fashion_cnn.shipping.layers import SeenLayers
from fashion_cnn.shipping.metrics import Metrics, Watch
from fashion_cnn.shipping.predict import Predictor, as_png
from fashion_cnn.shipping.upload import ADVICE, picture_in
from fashion_cnn.text import first_line, visible
from fashion_cnn.version import __version__

QUEUE = 32
_TOGETHER, _TOGETHER_BYTES = 8, 2**15
"""Pictures at most that a worker answers at once, and bytes of them: small ones cost less together,
large ones are decoded side by side."""
_QUICK_SECONDS, _SLOW_QUEUE = 0.3, 8
"""Of processor time: who takes longer to decode waits for a second try with those like it."""
_LOOKED_AT = 16  # pictures at most whose layers are waited for
_SHORT_BYTES = 2**16  # of a body: read at once, however it is made
_CHECK_SECONDS = 1.0  # that an answer of the known picture is kept for
_PREDICT = "/v1/predict"
_BODIES: dict[str, Any] = {
    **{f"image/{kind}": {"schema": {"format": "binary"}} for kind in ("png", "jpeg", "webp")},
    **{
        media: {
            "schema": {
                "type": "object",
                "properties": {field: {"type": "string", "format": kind}},
                "required": [field],
            }
        }
        for media, field, kind in (
            ("multipart/form-data", "file", "binary"),
            ("application/json", "image", "byte"),
        )
    },
}
_WRAPPED = ("multipart/form-data", "application/json", "application/x-www-form-urlencoded")
"""In which a picture is longer than itself: by a third in base64, and by what a form adds."""
_LATER = {"Retry-After": "1"}
_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"description": "The token is missing or wrong."},
    408: {"description": f"The body took longer than {BODY_SECONDS:g} s."},
    413: {"description": f"More than {FILE_BYTES >> 20} MB."},
    415: {"description": "A form or JSON without one picture; the detail says how to send it."},
    422: {"description": "Not a usable picture, or not for this model; the detail says why."},
    503: {"description": "Too many requests; try again after Retry-After seconds."},
}
PAGE = Path(__file__).with_name("page")
_SHARED = [PAGE.parents[1] / "reporting" / f"layers.{kind}" for kind in ("js", "css")]
"""Of the page too; reports have them."""
_GOLDEN = PAGE / "samples" / "1-trouser.png"
_GOLDEN_CLASS = "Trouser"
_STOP_SECONDS = 20  # what requests in flight have to finish in
NO_ANSWER = "the model has no usable answer for this picture"
_reader = ThreadPoolExecutor(1, "bodies")
"""Long forms and JSON are read beside the event loop, one after the other."""


_Waiting = tuple[bytes, asyncio.Future[Any]]


class Desk:
    """Hands pictures to worker threads, several at once; what does not fit is turned away.

    Pictures that are slow to decode never hold up the others: half of the workers at most take
    them, one at least, and that when nothing else waits.
    """

    def __init__(self, predictor: Predictor, workers: int) -> None:
        self.predictor = predictor
        self.metrics = Metrics(lambda: self._inside, predictor.classifier)
        self.stopping = self._closing = False
        self.workers = self._idle = workers
        self._waiting: deque[_Waiting] = deque()
        self._slow: deque[_Waiting] = deque()
        self._inside = self._at_slow = 0
        self._working: set[asyncio.Task[None]] = set()
        self._pool = ThreadPoolExecutor(workers, "predict")
        self._looking = 0
        self._look = asyncio.Lock()
        self._checked: asyncio.Future[None] | None = None
        with Image.open(_GOLDEN) as golden:
            self._golden = np.asarray(golden.convert("L"))[np.newaxis]
        knows_it = predictor.classifier.class_names == CLASS_NAMES
        self._wanted = _GOLDEN_CLASS if knows_it else self._say(predictor)

    def check(self) -> None:
        """Raise `ModelError` unless the golden image, a pair of trousers, is called that.

        By a model with other classes, whatever it was called when the server started.
        """
        for predictor in (self.predictor, self.predictor.for_photos):
            if (found := self._say(predictor)) != self._wanted:
                name = predictor.classifier.facts["recipe"]["name"]
                raise ModelError(
                    f"the model of {name} calls a known picture {found!r}, not {self._wanted!r}, "
                    "so it is not served; train it further, or name another with --model"
                )

    async def check_again(self) -> None:
        """As `check`, in a thread; who asks meanwhile or soon after is told the same."""
        if self._checked is None:
            loop = asyncio.get_running_loop()
            self._checked = asyncio.ensure_future(asyncio.to_thread(self.check))
            self._checked.add_done_callback(
                lambda _: loop.call_later(_CHECK_SECONDS, setattr, self, "_checked", None)
            )
        await asyncio.shield(self._checked)

    def turn_away(self) -> None:
        """Tell those who wait to come back; from now on nobody waits who is not soon answered."""
        self._closing = True
        for _, answer in (*self._waiting, *self._slow):
            if not answer.done():
                answer.set_exception(HTTPException(503, "stopping", _LATER))
        self._waiting.clear()
        self._slow.clear()

    def _say(self, predictor: Predictor) -> str:
        classifier = predictor.classifier
        return classifier.class_names[int(classifier.logits(self._golden).argmax())]

    async def predict(self, data: bytes) -> Any:
        """Predict in a worker.

        Raises:
            ImageError: it is no usable picture.
            HTTPException: 503, too many are waiting.
        """
        slow = len(self._slow) + self._at_slow
        queue = 0 if self._closing else QUEUE
        if self._inside - slow >= queue + self.workers:
            raise HTTPException(503, "too many pictures are waiting", _LATER)
        answer = asyncio.get_running_loop().create_future()
        self._inside += 1
        self._waiting.append((data, answer))
        if self._idle:
            self._idle -= 1
            task = asyncio.create_task(self._work())
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        try:
            return await answer
        finally:
            self._inside -= 1

    async def layers(self, data: bytes) -> dict[str, Any]:
        """Look into the network, one picture after the other.

        Raises:
            ImageError: it is no usable picture.
            HTTPException: 503, too many are waiting.
        """
        if self._looking >= _LOOKED_AT:
            raise HTTPException(503, "too many pictures are waiting to be looked into", _LATER)
        self._looking += 1
        waits = self._look.locked()
        try:
            async with self._look:
                if waits and self._closing:
                    raise HTTPException(503, "stopping", _LATER)
                return await asyncio.to_thread(self.predictor.layers, data)
        finally:
            self._looking -= 1

    async def _work(self) -> None:
        """Have a worker answer what waits, some at a time, until nothing does."""
        while self._waiting:
            await self._answer(self._take(), _QUICK_SECONDS)
            while not self._waiting and self._slow and self._at_slow < max(1, self.workers // 2):
                self._at_slow += 1
                await self._answer([self._slow.popleft()], None)
                self._at_slow -= 1
        self._idle += 1

    async def _answer(self, batch: list[_Waiting], seconds: float | None) -> None:
        loop, predict_all = asyncio.get_running_loop(), self.predictor.predict_all
        try:
            files = [data for data, _ in batch]
            answers = await loop.run_in_executor(self._pool, predict_all, files, seconds)
        except Exception as error:
            if isinstance(error, ModelError) and len(batch) > 1:  # it may have one for the others
                for waiting in batch:
                    await self._answer([waiting], seconds)
                return
            answers = [error] * len(batch)  # a fault of ours: each of them gets it
        for waiting, answer in zip(batch, answers, strict=True):
            _, future = waiting
            if future.done():  # nobody waits any longer
                continue
            if seconds and isinstance(answer, SlowImageError):
                if len(self._slow) < (1 if self._closing else _SLOW_QUEUE):
                    self._slow.append(waiting)
                    continue
                answer = HTTPException(503, "too many slow pictures are waiting", _LATER)
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _take(self) -> list[_Waiting]:
        """What a worker does next: one large picture, or several small ones."""
        batch = [self._waiting.popleft()]
        size = len(batch[0][0])
        while self._waiting and len(batch) < _TOGETHER:
            size += len(self._waiting[0][0])
            if size > _TOGETHER_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch


def build_app(desk: Desk, address: Address) -> Watch:
    """Put the application together: the interface under /v1/, the page, and the guards around."""
    app = FastAPI(
        title="fashion-cnn",
        version=__version__,
        summary="Which of the model's classes is it?",
        docs_url=None,  # FastAPI's own come from other servers; /docs.html is ours
        redoc_url=None,
        redirect_slashes=False,  # programs follow no redirection of a POST, whose answer is empty
    )
    classes = len(desk.predictor.classifier.class_names)
    most = Query(min(10, classes), ge=1, le=classes)

    @app.put(_PREDICT, include_in_schema=False)  # as curl -T sends a file
    @app.post(
        _PREDICT,
        responses=_ERRORS,
        response_model=Answer,
        openapi_extra={"requestBody": {"content": _BODIES, "required": True}},
    )
    async def predict(request: Request, top_k: int = most) -> Response:
        """Classify a picture: the body is the file itself, a form with it, or JSON with base64."""
        return await _predict(desk, request, top_k)

    @app.post(
        "/v1/layers",
        responses=_ERRORS,
        response_model=SeenLayers,
        openapi_extra={"requestBody": {"content": _BODIES, "required": True}},
    )
    async def layers(request: Request) -> Response:
        """Show what the network sees in a picture: maps, channels, evidence. The body as above."""
        seen = await _answer(request, desk.layers)
        return JSONResponse(seen)  # checked where it is made

    @app.get("/v1/model", responses={401: _ERRORS[401]})
    async def model() -> dict[str, Any]:
        """What the model is: classes, recipe, measured accuracy, calibration, SHA-256.

        And, as for_photos, the same of the one that answers for pictures on an uneven background.
        """
        first, other = desk.predictor, desk.predictor.for_photos
        return {
            **_description(first),
            "for_photos": None if other is first else _description(other),
        }

    _add_state(app, desk)
    _add_page(app)
    guarded = Guard(_past(app, desk, most.default), address)
    return Watch(guarded, desk.metrics, (getattr(route, "path", "") for route in app.routes))


def _add_state(app: FastAPI, desk: Desk) -> None:
    """What tells how the server does."""

    @app.get("/metrics", response_class=PlainTextResponse, responses={401: _ERRORS[401]})
    async def metrics() -> Response:
        """Count requests, their seconds, and answers by class, in Prometheus's text format."""
        return Response(desk.metrics.text(), media_type=Metrics.MEDIA)

    @app.get("/healthz")
    async def alive() -> Status:
        """Whether the process answers at all."""
        return Status(status="alive")

    @app.get("/readyz", responses={503: {"description": "Stopping, or wrong on a known image."}})
    async def ready() -> Status:
        """Whether to send requests here: not while it stops, nor if a known image fails."""
        try:
            if not desk.stopping:
                await desk.check_again()
        except ModelError as error:
            raise HTTPException(503, str(error)) from None
        if desk.stopping:
            raise HTTPException(503, "stopping")
        return Status(status="ready")


def _add_page(app: FastAPI) -> None:
    """The files of the page."""
    # A route a file: nothing that is not in the page's folder has a name here.
    for path in [path for path in PAGE.rglob("*") if path.is_file()]:
        name = "" if path.name == "index.html" else path.relative_to(PAGE).as_posix()
        app.add_route(f"/{name}", _file(path), include_in_schema=False)
    for path in _SHARED:
        app.add_route(f"/{path.name}", _file(path), include_in_schema=False)


def build_server(
    predictor: Predictor, address: Address, drain: float = 0.0, workers: int = 0
) -> tuple[uvicorn.Server, socket.socket]:
    """Make a server and the socket that it is to listen on; arguments and errors as in `serve`.

    Args: workers: threads that predict; 0 for one a core.
    """
    desk = Desk(predictor, workers or min(8, usable_cores()))
    desk.check()
    protocol, backlog = protocol_within_descriptors(desk.workers)
    config = uvicorn.Config(
        build_app(desk, address),
        http=protocol,
        backlog=backlog,
        ws="none",
        lifespan="off",
        log_config=None,  # or it would set up the whole process's logging
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return _Server(config, desk, drain), address.listen()


def serve(
    predictor: Predictor,
    address: Address,
    drain: float = 0.0,
    *,
    show_token: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM; what is being worked on is finished, not what waits.

    Args:
        predictor: the model.
        address: where to listen.
        drain: seconds between SIGTERM, at which /readyz turns 503, and the end of listening.
        show_token: print the token with the address, and on a terminal both as a QR code.

    Raises:
        ModelError: the model fails on a pair of trousers.
        UsageError: the address is taken or not this machine's.
    """
    server, listening = build_server(predictor, address, drain)
    print(_invitation(address, listening.getsockname()[1], show_token), file=sys.stderr, flush=True)
    gc.collect()
    gc.freeze()  # or now and then a collection would look at all that was imported: a long wait
    server.run(sockets=[listening])


def _invitation(address: Address, port: int, show_token: bool) -> str:
    """What to type into a browser, or to point a phone at."""
    url = address.url(port)
    if not show_token:
        secret = "#TOKEN, where TOKEN is your token" if address.token else ""
        return f"serving on {url}{secret}  (Ctrl+C ends it)"
    whole = f"{url}#{address.token}"
    code = f"{qr_code(whole)}\n" if sys.stderr.isatty() else ""
    return (
        f"{code}serving on {whole}  (Ctrl+C ends it)\n"
        "Anyone with this address can use the server until it stops."
    )


def qr_code(text: str) -> str:
    """A QR code for a terminal, dark on light whatever its colours; a line is two rows."""
    drawn = io.StringIO()
    segno.make(text, micro=False).terminal(drawn, border=2, compact=True)
    # Light parts are blocks in the colour of letters, dark ones in that of the background.
    return "\n".join(f"\x1b[97;40m{line}\x1b[0m" for line in drawn.getvalue().splitlines())


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, desk: Desk, drain: float) -> None:
        super().__init__(config)
        self._desk = desk
        self._drain = drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._desk.turn_away()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        first, self._desk.stopping = not self._desk.stopping, True
        if first and self._drain and sig == signal.SIGTERM:
            asyncio.get_running_loop().call_later(self._drain, super().handle_exit, sig, frame)
        else:
            super().handle_exit(sig, frame)


def _past(app: FastAPI, desk: Desk, top_k: int) -> ASGIApp:
    """Answer a picture without a query directly: FastAPI's layers keep the event loop busy."""

    async def past_fastapi(scope: Scope, receive: Receive, send: Send) -> None:
        ours = (scope["type"], scope.get("path"), scope.get("method")) == ("http", _PREDICT, "POST")
        if scope.get("method") == "HEAD":
            return await app({**scope, "method": "GET"}, receive, _without_body(send))
        if not ours or scope["query_string"]:
            return await app(scope, receive, send)
        try:
            response = await _predict(desk, Request(scope, receive), top_k)
        except HTTPException as error:
            response = JSONResponse({"detail": error.detail}, error.status_code, error.headers)
        return await response(scope, receive, send)

    return past_fastapi


def _without_body(send: Send) -> Send:
    """What answers HEAD: the status and headers of GET."""

    async def send_start(message: Message) -> None:
        await send({**message, "body": b""} if "body" in message else message)

    return send_start


async def _predict(desk: Desk, request: Request, top_k: int) -> Response:
    found = await _answer(request, desk.predict)
    desk.metrics.count(found.label, found.recipe, doubtful=found.doubtful)
    picture = base64.b64encode(as_png(found.seen)).decode()
    answer = Answer(**found.to_dict(top_k), seen_png=picture)
    # Written here: FastAPI would check it a second time.
    return Response(answer.model_dump_json(), media_type="application/json")


async def _answer(request: Request, ask: Callable[[bytes], Awaitable[Any]]) -> Any:
    """Ask about the picture in a request; raises `HTTPException` for whatever is amiss."""
    content_type = request.headers.get("content-type", "")
    if (coding := request.headers.get("content-encoding", "identity").lower()) != "identity":
        raise HTTPException(415, f"the body is packed by {coding:.20}; send the picture as it is")
    body = await _body(request)
    if len(body) <= _SHORT_BYTES or kind_of(body[:KIND_BYTES]):
        data = picture_in(body, content_type)
    else:
        loop = asyncio.get_running_loop()
        data = await loop.run_in_executor(_reader, picture_in, body, content_type)
    if data is None:
        raise HTTPException(415, ADVICE)
    if len(data) > FILE_BYTES:
        raise _too_long()
    try:
        return await ask(data)
    except ImageError as error:
        # Its -d leaves out line ends, and calls what is left this.
        curl = "; curl sends a file whole with --data-binary, not with -d"
        urlencoded = content_type == "application/x-www-form-urlencoded"
        raise HTTPException(422, f"{error}{curl * (urlencoded and data is body)}") from None
    except ModelError as error:
        _note(error)
        raise HTTPException(422, NO_ANSWER) from None
    except (DecoderError, OSError) as error:  # nothing is wrong with the picture
        _note(error)
        raise HTTPException(503, "pictures cannot be opened just now", _LATER) from None


def _note(error: Exception) -> None:
    """Say on standard error why a picture was not answered, if that is read."""
    with suppress(OSError):
        print(f"a picture was not answered: {visible(first_line(error))}", file=sys.stderr)


def _too_long() -> HTTPException:
    return HTTPException(413, f"at most {FILE_BYTES >> 20} MB are read")


async def _body(request: Request) -> bytes:
    """Read the body, counting; raises `HTTPException` when it is too long or too slow."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    most = FILE_BYTES * 3 // 2 if kind in _WRAPPED else FILE_BYTES
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
        raise _too_long()
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                data += part
                if len(data) > most:
                    raise _too_long()
    except TimeoutError:
        raise HTTPException(408, f"the picture took longer than {BODY_SECONDS:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the connection was closed") from None
    return bytes(data)


def _description(predictor: Predictor) -> dict[str, Any]:
    classifier = predictor.classifier
    return {"sha256": classifier.sha256, "bytes": classifier.size, **classifier.facts}


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    data, kind = path.read_bytes(), mimetypes.guess_type(path.name)[0]

    async def give(request: Request) -> Response:
        return Response(data, media_type=kind)  # from memory: no file is opened for a request

    return give
