"""What the server did, in numbers for Prometheus and in lines of a log."""

import logging
from collections.abc import Callable, Iterable
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.text import visible

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_log = logging.getLogger("fashion_cnn.access")


class Metrics:
    """Counts since the server started."""

    MEDIA = CONTENT_TYPE_LATEST

    def __init__(self, inside: Callable[[], int], classifier: OnnxClassifier) -> None:
        """Begin at zero.

        Args:
            inside: says how many pictures wait or are worked on.
            classifier: the model, to name it.
        """
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "fashion_cnn_requests", "Requests answered.", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "fashion_cnn_request_seconds",
            "From a request's head to the last byte of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._answers = Counter(
            "fashion_cnn_answers",
            "Pictures answered, by class and by the recipe of the model that answered.",
            ["label", "recipe", "doubtful"],
            registry=registry,
        )
        waiting = Gauge(
            "fashion_cnn_pictures_waiting", "Waiting or being answered.", registry=registry
        )
        waiting.set_function(inside)
        model = Gauge(
            "fashion_cnn_model", "The first model, 1.", ["recipe", "sha256"], registry=registry
        )
        model.labels(classifier.facts["recipe"]["name"], classifier.sha256).set(1)
        ProcessCollector(registry=registry)

    def count(self, label: str, recipe: str, *, doubtful: bool) -> None:
        """Count an answer."""
        self._answers.labels(label, recipe, str(doubtful).lower()).inc()

    def request(self, path: str, status: str, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """All of them, in Prometheus's text format."""
        return generate_latest(self._registry)


class Watch:
    """ASGI middleware around everything else: counts each request, and writes it into the log.

    The log has a line a request, at level INFO: address, method, path, status, bytes and
    milliseconds. Of pictures, queries and tokens it has nothing.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Iterable[str]) -> None:
        """Wrap an application. Args: paths: those to count by; all others are "other"."""
        self._app = app
        self._metrics = metrics
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and count what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status, size = perf_counter(), "none", 0

        async def watched(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = str(message["status"])
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            seconds = perf_counter() - begin
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.request(path, status, seconds)
            if _log.isEnabledFor(logging.INFO):
                asked = f"{scope['method']} {ascii(scope['path'])[1:-1]}"
                client = (scope.get("client") or ("-",))[0]
                words = f"{client} {visible(asked)} {status} {size} B {1000 * seconds:.1f} ms"
                _log.info("%s", words)
