"""The decoder's limits by hand: a child that is played, and the real one's code in this process."""

import io
import itertools
import json
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
import types
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from fashion_cnn.data import decoding, decoding_child
from fashion_cnn.data.decoding import Decoder, DecoderPool
from fashion_cnn.errors import DecoderError, ImageError, SlowImageError
from test_decoding import chunk, encoded


def framed(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def answer(*, mode: str = "RGBA", size=(2, 1), notes=(), pixels: bytes = bytes(8)) -> bytes:
    said = {"mode": mode, "size": size, "notes": list(notes)}
    return framed(json.dumps(said).encode()) + framed(pixels)


class Played:
    """A child process of which nothing runs: what it answers, and what was done to it."""

    def __init__(self, words: list[str], **how) -> None:
        self.words, self.how, self.done = words, how, []
        self.end = how["stdin"]
        self.end.child = self
        self.code: int | None = None
        self.at_end: int | None = None  # it lives until it is killed
        self.patience: list[float] = []
        CHILDREN.append(self)

    def poll(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.done.append("kill")

    def wait(self, seconds: float | None = None) -> int:
        if seconds is not None:
            self.patience.append(seconds)
        if seconds is not None and self.at_end is None:
            raise subprocess.TimeoutExpired("child", seconds)
        self.done.append("wait")
        return self.at_end or 0


class End:
    """The parent's end of a pair of sockets."""

    def __init__(self) -> None:
        self.said, self.written, self.broken = io.BytesIO(PLAYED.pop(0)), b"", False
        self.child: Any = None
        self.waits: float | None = None

    def settimeout(self, seconds: float) -> None:
        self.waits = seconds

    def sendall(self, data: bytes) -> None:
        CLOCKS.append(self.waits)
        if self.broken:
            raise BrokenPipeError
        self.written += data
        self.child.done.append("sent")

    def recv(self, count: int) -> bytes:
        assert self.waits is not None
        assert 0 < self.waits <= 10
        return self.said.read(count)

    def close(self) -> None:
        self.child.done.append("close")


def socketpair() -> tuple[End, Any]:
    end = End()
    theirs = nullcontext()
    theirs.fileno = lambda: end  # type: ignore[attr-defined]
    return end, theirs


PLAYED: list[bytes] = []
CHILDREN: list[Played] = []
CLOCKS: list[float | None] = []
"""What each file had to be sent in."""


@pytest.fixture
def played(monkeypatch) -> Iterator[list[bytes]]:
    """What the next children will answer, one after the other."""
    for notes in (PLAYED, CHILDREN, CLOCKS):
        notes.clear()
    monkeypatch.setattr(subprocess, "Popen", Played)
    monkeypatch.setattr(socket, "socketpair", socketpair)
    yield PLAYED
    assert set(CLOCKS) <= {10.0}


def test_nobody_waits_for_a_child_that_is_no_longer_wanted(played) -> None:
    played.append(answer())
    decoder = Decoder()
    decoder.decode(b"file")
    decoder.close()
    assert CHILDREN[0].patience == [0.0]
    assert CHILDREN[0].done == ["sent", "close", "kill", "wait"]


@pytest.mark.parametrize(
    ("size", "said"),
    [(None, "more than 8 MB"), (8 * 2**20 + 1, "8.1 MB"), (10 * 2**20, "10.0 MB")],
)
def test_how_much_too_large_a_file_is(size: int | None, said: str) -> None:
    assert str(decoding.too_large(size)) == f"{said}; at most 8 MB are read"


def test_a_picture_goes_there_and_back(played) -> None:
    played.append(answer(pixels=bytes(range(8)), notes=["a note"]))
    decoder = Decoder()
    pixels, notes = decoder.decode(b"file")
    assert pixels.tolist() == [[[0, 1, 2, 3], [4, 5, 6, 7]]]
    assert pixels.dtype == np.uint8
    assert notes == ["a note"]
    (child,) = CHILDREN
    assert child.end.written == struct.pack(">Id", 4, 0) + b"file"
    assert child.done == ["sent"]
    script = Path(decoding.__file__).with_name("decoding_child.py")
    assert child.words == [sys.executable, "-I", str(script)]
    assert child.how.pop("stdin") is child.how.pop("stdout")
    assert {*child.how.pop("env")} <= {*decoding._PASSED_ON}
    assert child.how == {
        "stderr": subprocess.DEVNULL,
        "start_new_session": True,
    }


def test_grey_has_no_channels_and_errors_are_the_childs(played) -> None:
    played.append(
        answer(mode="L", size=(3, 2), pixels=bytes(6))
        + framed(b'{"error": "too odd"}')
        + framed(b"")
    )
    decoder = Decoder()
    assert decoder.decode(b"file")[0].shape == (2, 3)
    with pytest.raises(ImageError, match="^too odd$"):
        decoder.decode(b"other")
    assert len(CHILDREN) == 1, "one child for both"
    assert len(CLOCKS) == 2


def test_files_of_eight_megabytes_are_read_and_no_larger(played) -> None:
    played.append(answer())
    decoder = Decoder()
    decoder.decode(bytes(8 * 2**20))
    for data, message in (
        (bytes(8 * 2**20 + 1), "8.1 MB; at most 8 MB are read"),
        (bytes(12 * 2**20), "12.0 MB; at most 8 MB are read"),
        (b"", "an empty file"),
    ):
        with pytest.raises(ImageError) as caught:
            decoder.decode(data)
        assert str(caught.value) == message
    assert len(CLOCKS) == 1, "what is refused reaches no child"


@pytest.mark.parametrize(
    ("said", "patience"),
    [
        (b"", 1.0),
        (b"\0\0", 1.0),
        (framed(b"{}")[:-1], 1.0),
        (framed(b"no JSON") + framed(b""), 0.0),
        (framed(b"{}") + b"\0", 1.0),
        (struct.pack(">I", 2**20) + bytes(2**20), 0.0),
    ],
    ids=["nothing", "half a length", "half an answer", "no JSON", "no pixels", "too long"],
)
def test_a_child_that_answers_nonsense_is_ended(played, said: bytes, patience: float) -> None:
    """One that says no more has a second to end by itself, so that its status can be told."""
    played += [said, answer()]
    decoder = Decoder()
    with pytest.raises(ImageError) as caught:
        decoder.decode(b"file")
    assert str(caught.value) == "crashes the image decoder"
    assert CHILDREN[0].done == ["sent", "close", "kill", "wait"]
    assert CHILDREN[0].patience == [patience]
    assert decoder.decode(b"file")[0].shape == (1, 2, 4)
    assert len(CHILDREN) == 2


def test_a_frame_of_just_under_a_megabyte_is_read(played) -> None:
    size = 2**20 - 4
    played.append(answer(size=(size // 4, 1), pixels=bytes(size)))
    assert Decoder().decode(b"file")[0].shape == (1, size // 4, 4)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (-signal.SIGXCPU, "takes too long to decode"),
        (-signal.SIGPROF, "takes too long to decode"),
        (-signal.SIGSEGV, "crashes the image decoder (status -11)"),
        (1, "crashes the image decoder (status 1)"),
    ],
)
def test_why_a_child_ended_is_told_apart(played, status: int, said: str) -> None:
    for broken in (False, True) if "long" in said else (False,):  # before it had the file, or after
        played.append(b"")
        decoder = Decoder()
        decoder.start()
        CHILDREN[-1].at_end, CHILDREN[-1].end.broken = status, broken
        with pytest.raises(ImageError) as caught:
            decoder.decode(b"file")
        assert str(caught.value) == said
        assert isinstance(caught.value, SlowImageError) == ("too long" in said)
        assert CHILDREN[-1].done[-2:] == ["close", "wait"], "it needs no killing"


@pytest.mark.parametrize("status", [-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP])
def test_a_picture_whose_child_was_killed_has_another(played, monkeypatch, status: int) -> None:
    played += [b"", b"", answer()]
    monkeypatch.setattr(Played, "wait", lambda self, *seconds: self.at_end or status)
    assert Decoder().decode(b"file")[0].shape == (1, 2, 4)
    assert len(CHILDREN) == 3
    assert {child.end.written for child in CHILDREN} == {struct.pack(">Id", 4, 0) + b"file"}
    played += [b"", b"", b""]
    with pytest.raises(DecoderError) as caught:
        Decoder().decode(b"file")
    assert str(caught.value) == (
        f"the process that opens pictures ended 3 times with no answer (status {status}); is "
        "there too little memory?"
    )
    assert not isinstance(caught.value, ImageError)


@pytest.mark.parametrize("step", ["sendall", "recv"])
def test_a_child_that_ends_before_it_has_the_picture_does_not_accuse_it(
    played, monkeypatch, step: str
) -> None:
    def dropped(*_: Any) -> None:
        raise ConnectionResetError

    played += [b"", b"", b"", answer()]
    monkeypatch.setattr(Played, "wait", lambda self, *seconds: 1)
    with monkeypatch.context() as changed:
        changed.setattr(End, step, dropped)
        with pytest.raises(DecoderError) as caught:
            Decoder().decode(b"file")
    assert "ended 3 times with no answer (status 1)" in str(caught.value)
    assert len(CHILDREN) == 3
    assert Decoder().decode(b"file")[0].shape == (1, 2, 4)


@pytest.mark.parametrize("make", [Decoder, DecoderPool])
def test_a_picture_may_have_less_time(played, make) -> None:
    played.append(answer())
    make().decode(b"file", 0.25)
    assert CHILDREN[0].end.written == struct.pack(">Id", 4, 0.25) + b"file"


def test_a_clock_that_rings_ends_the_child(played, monkeypatch) -> None:
    """All of an answer has ten seconds from when its file was sent, not each piece of it."""
    played.append(answer())
    decoder = Decoder()
    decoder.start()
    clock = iter((100.0, 104.0, 109.5, 111.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    waits = []

    def slowly(count: int) -> bytes:
        waits.append(CHILDREN[0].end.waits)
        if waits[-1] < 0.1:
            raise TimeoutError
        return CHILDREN[0].end.said.read(1)

    monkeypatch.setattr(CHILDREN[0].end, "recv", slowly)
    with pytest.raises(ImageError) as caught:
        decoder.decode(b"file")
    assert str(caught.value) == "takes too long to decode"
    assert waits == pytest.approx([6, 0.5, 0.001])
    assert CHILDREN[0].done == ["sent", "close", "kill", "wait"]


def test_a_child_that_is_gone_or_of_another_process_is_replaced(played, monkeypatch) -> None:
    played += [b"", answer(), answer()]
    decoder = Decoder()
    decoder.start()
    CHILDREN[0].code = 1
    decoder.decode(b"file")
    assert len(CHILDREN) == 2
    assert CHILDREN[0].done == ["close", "kill", "wait"]
    monkeypatch.setattr("os.getpid", lambda: -1)
    decoder.decode(b"file")
    assert len(CHILDREN) == 3
    assert "kill" not in CHILDREN[1].done, "it is the other process's"
    assert CHILDREN[1].done[-2:] == ["close", "wait"]


def test_a_decoder_may_be_closed_at_any_time(played) -> None:
    played += [answer(), answer()]
    decoder = Decoder()
    decoder.close()
    decoder.decode(b"file")
    decoder.close()
    decoder.close()
    assert CHILDREN[0].done == ["sent", "close", "kill", "wait"]
    decoder.decode(b"file")
    assert len(CHILDREN) == 2


def test_an_interrupted_decoder_ends_its_child(played, monkeypatch) -> None:
    played.append(b"")
    decoder = Decoder()
    decoder.start()

    def interrupted(data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CHILDREN[0].end, "sendall", interrupted)
    with pytest.raises(KeyboardInterrupt):
        decoder.decode(b"file")
    assert CHILDREN[0].done == ["close", "kill", "wait"]


def test_a_pool_has_as_many_children_as_are_busy(played, monkeypatch) -> None:
    played += [b"", answer() + answer(), answer()]
    pool = DecoderPool()
    pool.start()
    pool.start()
    assert len(CHILDREN) == 1
    pool.close()
    assert CHILDREN[0].done == ["close", "kill", "wait"]
    pixels, _ = pool.decode(b"one")
    assert pixels.shape == (1, 2, 4)
    assert len(CHILDREN) == 2
    original = Decoder.decode

    def meanwhile(self: Decoder, data: bytes, seconds: float | None):
        if data == b"first":
            pool.decode(b"second", seconds)
        return original(self, data, seconds)

    monkeypatch.setattr(Decoder, "decode", meanwhile)
    pool.decode(b"first")
    assert len(CHILDREN) == 3
    assert len(pool._idle) == 2
    with pytest.raises(ImageError, match="empty"):
        pool.decode(b"")
    assert len(pool._idle) == 2, "one that refused is idle again"


# -- the child's own code --------------------------------------------------------------------------


def decoded(picture: Image.Image, kind: str = "PNG", **how) -> tuple[dict, np.ndarray]:
    said, pixels = decoding_child.decode(encoded(picture, kind, **how))
    width, height = said["size"]
    return said, np.frombuffer(pixels, np.uint8).reshape(height, width, -1)


GREY = Image.fromarray(np.arange(784, dtype=np.uint16).reshape(28, 28).astype(np.uint8))


def test_small_pictures_are_as_they_are() -> None:
    said, pixels = decoded(Image.new("RGB", (3, 2), (1, 2, 3)))
    assert said == {"mode": "RGBA", "size": (3, 2), "notes": []}
    assert pixels.tolist() == [[[1, 2, 3, 255]] * 3] * 2
    said, pixels = decoded(Image.new("RGB", (256, 3), (9, 8, 7)))
    assert said["size"] == (256, 3)


def test_grey_of_a_networks_size_is_untouched() -> None:
    for picture in (GREY, GREY.convert("RGB"), GREY.convert("RGBA")):
        said, pixels = decoded(picture)
        assert said == {"mode": "L", "size": (28, 28), "notes": []}
        np.testing.assert_array_equal(pixels[:, :, 0], np.asarray(GREY))
    for place, value in (
        ((0, 0), (1, 0, 0, 255)),
        ((5, 5), (0, 1, 0, 255)),
        ((9, 9), (0, 0, 1, 255)),
        ((3, 3), (0, 0, 0, 254)),
    ):
        picture = Image.new("RGBA", (28, 28), (0, 0, 0, 255))
        picture.putpixel(place, value)
        assert decoded(picture)[0]["mode"] == "RGBA"
    assert decoded(Image.new("RGBA", (28, 28), (0, 0, 0, 88)))[0]["mode"] == "RGBA"
    assert decoded(Image.new("L", (28, 27)))[0]["mode"] == "RGBA"


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((257, 100), (256, 100)),
        ((512, 256), (256, 128)),
        ((513, 256), (256, 128)),
        ((575, 64), (256, 28)),
        ((576, 64), (192, 22)),
        ((768, 384), (256, 128)),
        ((769, 384), (193, 96)),
        ((1024, 512), (256, 128)),
        ((1100, 4), (220, 1)),
        ((100, 2000), (13, 250)),
    ],
)
def test_large_pictures_end_at_192_to_256_pixels(size, wanted) -> None:
    assert decoded(Image.new("RGB", size))[0]["size"] == wanted


def test_large_pictures_are_averaged_by_whole_factors_first(monkeypatch) -> None:
    factors, original = [], Image.Image.reduce

    def noted(self, factor, **of_a_thumbnail):
        if not of_a_thumbnail:
            factors.append(factor)
        return original(self, factor, **of_a_thumbnail)

    monkeypatch.setattr(Image.Image, "reduce", noted)
    for side in (256, 257, 383, 384, 511, 512, 575, 576, 1023, 1024, 1025, 1536, 2049):
        decoded(Image.new("L", (side, 8)))
    assert factors == [2, 2, 2, 2, 3, 4, 4, 5, 6, 9]


@pytest.mark.parametrize(
    ("picture", "wanted"),
    [
        (Image.new("1", (600, 8), 1), (255, 255, 255, 255)),
        (Image.new("RGB", (600, 8), (1, 2, 3)).quantize(2), (1, 2, 3, 255)),
        (Image.new("I;16", (9, 9), 257 * 100), (100, 100, 100, 255)),
        (Image.new("I;16", (600, 9), 65535), (255, 255, 255, 255)),
        (Image.new("LA", (600, 8), (9, 50)), (9, 9, 9, 50)),
        (Image.new("L", (30, 30), 77), (77, 77, 77, 255)),
        (Image.new("RGBA", (600, 300), (10, 20, 30, 200)), (10, 20, 30, 200)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else "",
)
def test_kinds_of_pixels(picture: Image.Image, wanted: tuple[int, ...]) -> None:
    said, pixels = decoded(picture)
    assert said["mode"] == "RGBA"
    np.testing.assert_allclose(pixels[0, 0], wanted, atol=1)


def test_levels_of_16_bits_are_scaled_to_8() -> None:
    levels = (257 * np.arange(256, dtype=np.uint32)).astype(np.uint16).reshape(16, 16)
    _, pixels = decoded(Image.fromarray(levels))
    np.testing.assert_array_equal(pixels[:, :, 0].ravel(), np.arange(256))


@pytest.mark.parametrize("side", [16, 28, 512])
def test_16_bits_that_hold_8_are_taken_as_8(side: int) -> None:
    levels = np.broadcast_to(np.arange(side) * 255 // (side - 1), (side, side)).astype(np.uint16)
    said, pixels = decoded(Image.fromarray(levels))
    assert said["notes"] == ["16 bits a pixel, none above 255: taken as 8 bits"]
    assert pixels[0, -1, 0] == 255
    brighter = levels.copy()
    brighter[0, 0] = 256
    said, pixels = decoded(Image.fromarray(brighter))
    assert said["notes"] == []
    assert pixels.reshape(-1, pixels.shape[2])[:, 0].max() == 0, "white is 65535"


def test_the_largest_picture_has_25_million_pixels(monkeypatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)

    def promising(width: int, height: int) -> dict:
        data = encoded(Image.new("1", (width, height)))
        said, pixels = decoding_child._try(data)
        assert bool(pixels) != ("error" in said)
        return said

    assert promising(5000, 5000)["size"] == (250, 250)
    refused = {"error": "5001x5000 pixels; at most 25 million are read"}
    assert promising(5001, 5000) == refused
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        assert promising(11, 10) == {"error": "more than 25 million pixels"}
        assert promising(30, 30) == {"error": "more than 25 million pixels"}


def test_animations_turned_pictures_and_drafts() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    said, pixels = decoded(
        frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True
    )
    assert said["notes"] == ["an animation: its first picture was taken"]
    assert tuple(pixels[0, 0]) == (255, 0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decoded(Image.new("RGB", (4, 2)), exif=exif)[0]["size"] == (2, 4)


def test_a_jpeg_is_read_at_a_fraction_of_its_size(monkeypatch) -> None:
    drafts = []
    cls = type(Image.open(io.BytesIO(encoded(Image.new("L", (8, 8)), "JPEG"))))
    original = cls.draft

    def noted(self, mode, size):
        drafts.append((mode, size))
        return original(self, mode, size)

    monkeypatch.setattr(cls, "draft", noted)
    decoded(Image.new("RGB", (40, 30)), "JPEG")
    assert drafts == [(None, (256, 256))]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello", "not a PNG, JPEG, WEBP, AVIF or HEIC picture"),
        (
            encoded(Image.new("L", (3, 3)), "GIF"),
            "not a PNG, JPEG, WEBP, AVIF or HEIC picture but a GIF one; save it as PNG",
        ),
    ],
)
def test_what_is_no_picture_is_said(data: bytes, message: str) -> None:
    assert decoding_child._try(data) == ({"error": message}, b"")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "needs more than 512 MB to decode"),
        (ValueError("odd"), "cannot be decoded (ValueError: odd)"),
        (ValueError("x" * 300), ("cannot be decoded (ValueError: " + "x" * 300)[:200]),
    ],
)
def test_whatever_happens_is_an_answer(monkeypatch, error: Exception, message: str) -> None:
    def failing(data: bytes):
        assert data == b"file"
        raise error

    monkeypatch.setattr(decoding_child, "decode", failing)
    assert decoding_child._try(b"file") == ({"error": message}, b"")


def test_the_child_sets_its_limits_and_serves(monkeypatch) -> None:
    """2 seconds of CPU time for each picture, on top of what was used; 512 MB; no file at all."""
    limits, filters = [], []
    used = itertools.count(start=1)
    monkeypatch.setattr(resource, "setrlimit", lambda what, both: limits.append((what, both)))
    monkeypatch.setattr(
        resource,
        "getrusage",
        lambda who: (
            types.SimpleNamespace(ru_utime=10.6 * next(used), ru_stime=0.3)
            if who == resource.RUSAGE_SELF
            else None
        ),
    )
    monkeypatch.setattr(warnings, "simplefilter", lambda *words: filters.append(words))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    files = [encoded(Image.new("RGB", (1, 1), (1, 2, 3))), b"hello"]
    sent = [struct.pack(">Id", len(file), 0.3 * number) + file for number, file in enumerate(files)]
    stdin = types.SimpleNamespace(buffer=io.BytesIO(b"".join(sent)))
    timers: list[tuple[int, float]] = []
    monkeypatch.setattr(signal, "setitimer", lambda *words: timers.append(words))
    flushes: list[int] = []

    class Sink(io.BytesIO):
        def flush(self) -> None:
            flushes.append(len(self.getvalue()))

    stdout = types.SimpleNamespace(buffer=Sink())
    monkeypatch.setattr(decoding_child, "sys", types.SimpleNamespace(stdin=stdin, stdout=stdout))
    decoding_child.main()
    megabytes = 512 * 2**20
    assert limits == [
        (resource.RLIMIT_AS, (megabytes, megabytes)),
        (resource.RLIMIT_FSIZE, (0, 0)),
        (resource.RLIMIT_CORE, (0, 0)),
        (resource.RLIMIT_CPU, (13, resource.RLIM_INFINITY)),
        (resource.RLIMIT_CPU, (24, resource.RLIM_INFINITY)),
    ]
    assert timers == [(signal.ITIMER_PROF, 0.0), (signal.ITIMER_PROF, 0.3)]
    assert filters == [("ignore",), ("error", Image.DecompressionBombWarning)]
    assert Image.MAX_IMAGE_PIXELS == 25_000_000
    first = framed(b'{"mode": "RGBA", "size": [1, 1], "notes": []}') + framed(bytes([1, 2, 3, 255]))
    second = framed(b'{"error": "not a PNG, JPEG, WEBP, AVIF or HEIC picture"}') + framed(b"")
    assert stdout.buffer.getvalue() == first + second
    assert flushes == [len(first), len(first + second)]


def test_where_less_is_allowed_that_is_the_limit(monkeypatch) -> None:
    limits = []
    monkeypatch.setattr(resource, "setrlimit", lambda what, both: limits.append((what, both)))
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1, 300))
    stdin = types.SimpleNamespace(buffer=io.BytesIO(struct.pack(">Id", 5, 0.0) + b"hello"))
    stdout = types.SimpleNamespace(buffer=io.BytesIO())
    monkeypatch.setattr(decoding_child, "sys", types.SimpleNamespace(stdin=stdin, stdout=stdout))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with warnings.catch_warnings():
        decoding_child.main()
    assert limits[0] == (resource.RLIMIT_AS, (300, 300))
    what, (seconds, most) = limits[-1]
    assert what == resource.RLIMIT_CPU
    assert seconds <= most == 300


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int) -> None:
    picture = Image.fromarray(np.arange(36, dtype=np.uint8).reshape(3, 4, 3) * 7)
    exif = Image.Exif()
    exif[0x0112] = orientation
    said, pixels = decoded(picture, exif=exif)
    with Image.open(io.BytesIO(encoded(picture, exif=exif))) as told:
        wanted = np.asarray(ImageOps.exif_transpose(told))
    assert said["size"] == wanted.shape[1::-1]
    np.testing.assert_array_equal(pixels[:, :, :3], wanted)


@pytest.mark.parametrize("length", [2**20, 2**31, 2**32 - 1])
def test_a_frame_of_a_mebibyte_is_not_read(length: int) -> None:
    def read(count: int) -> bytes:
        assert count == 4, "nothing behind the length is waited for"
        return struct.pack(">I", length)

    with pytest.raises(ValueError, match="^longer than any answer$"):
        decoding._read(types.SimpleNamespace(read=read))


# -- what kind a file is of, and what makes up its pixels ------------------------------------------


def container(*brands: bytes) -> bytes:
    """The box that opens a HEIF or AVIF file: its own brand, a version, those it agrees with."""
    own, *others = brands
    box = b"ftyp" + own + b"avif" + b"".join(others)  # a version is no brand
    return struct.pack(">I", 4 + len(box)) + box + bytes(32)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\x89PNG\n\x1a\n", ""),
        (b"\xff\xd8\xff", "JPEG"),
        (b"\xff\xd8", ""),
        (b"RIFF\4\3\2\1WEBPVP8 ", "WEBP"),
        (b"RIFF\4\3\2\1WAVEfmt ", ""),
        (b"RIFX\4\3\2\1WEBPVP8 ", ""),
        (b"GIF89a", "GIF"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"II\0*", ""),
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\1", "Photoshop"),
        (b"BM\4\3\2\1\0\0\0\0\x36\0\0\0", "BMP"),
        (b"BM\4\3\2\1\1\0\0\0\x36\0\0\0", ""),
        (b"BMW, a car", ""),
        (bytes(32), ""),
        (b"", ""),
        (container(b"avif"), "AVIF"),
        (container(b"avis"), "AVIF"),
        *((container(brand), "HEIF") for brand in (b"heic", b"heix", b"hevc", b"heim", b"heis")),
        (container(b"mif1", b"heic"), "HEIF"),
        (container(b"msf1"), "HEIF"),
        (container(b"mif1", b"miaf", b"avif"), "AVIF"),
        (container(b"isom", b"avif"), "AVIF"),
        (container(b"isom", b"iso2", b"heic"), "HEIF"),
        (container(b"isom", b"iso2", b"mp41", b"heic"), "HEIF"),
        (container(b"isom", b"iso2", b"mp41", b"mp42", b"heic"), "HEIF"),
        (container(b"isom", b"iso2", b"mp41", b"mp42", b"mp43", b"heic"), ""),
        (container(b"isom", b"mp42"), ""),
    ],
)
def test_its_first_32_bytes_tell_a_files_kind(start: bytes, kind: str) -> None:
    assert decoding_child.kind_of(start[:32]) == kind


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_pillow_tries_no_other_format_than_the_files(monkeypatch, kind: str) -> None:
    tried, original = [], Image.open

    def noted(file, **how):
        tried.append(how)
        return original(file, **how)

    monkeypatch.setattr(Image, "open", noted)
    assert decoded(Image.new("RGB", (4, 3)), kind)[0]["size"] == (4, 3)
    assert tried == [{"formats": [kind]}]


def segment(marker: int, content: bytes) -> bytes:
    """A part of a JPEG."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", 2 + len(content)) + content


def riff(*parts: tuple[bytes, bytes]) -> bytes:
    """A WEBP file of such parts."""
    inside = b"WEBP" + b"".join(
        name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for name, content in parts
    )
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


def test_of_a_png_the_critical_parts_and_the_transparency_stay() -> None:
    signature, end = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")
    kept = chunk(b"IHDR", bytes(13)), chunk(b"PLTE", bytes(768)), chunk(b"tRNS", b"\0\1")
    more = chunk(b"IDAT", b"pixels tEXt"), chunk(b"IDAT", bytes(70_000))
    told = [chunk(name, b"x" * 300) for name in (b"tEXt", b"eXIf", b"iCCP", b"gAMA", b"tRNs")]
    whole = [signature, kept[0], told[0], kept[1], told[1], *kept[2:], *told[2:4], *more, told[4]]
    bare = b"".join([signature, *kept, *more])
    assert decoding_child._without_metadata(b"".join([*whole, end])) == bare + end
    assert decoding_child._without_metadata(b"".join([*whole, end[:7]])) == bare + end[:7]


def test_of_a_jpeg_no_comment_and_no_application_stays_but_jfifs_and_adobes() -> None:
    """The application's segments are E1 to EF, but EE tells how the colours are to be read."""
    told = {*range(0xE1, 0xEE), 0xEF, 0xFE}
    markers = [0xE0, 0xDB, *range(0xE1, 0xF1), 0xFE, 0xC0, 0xC4, 0xDD]
    parts = {marker: segment(marker, bytes([marker]) * 300) for marker in markers}
    kept = b"".join(part for marker, part in parts.items() if marker not in told)
    pixels = segment(0xDA, b"a scan") + segment(0xE1, b"looks like metadata") + b"\xff\xd9"
    whole = b"\xff\xd8" + b"".join(parts.values())
    assert decoding_child._without_metadata(whole + pixels) == b"\xff\xd8" + kept + pixels
    stray = b"\0" + parts[0xE1]
    assert decoding_child._without_metadata(whole + stray) == b"\xff\xd8" + kept + stray


def test_of_a_webp_pixels_and_what_they_need_stay() -> None:
    kept = (b"VP8X", bytes(10)), (b"ALPH", bytes(301)), (b"VP8 ", b"EXIF" + bytes(80_001))
    told = (b"ICCP", bytes(300)), (b"XMP ", b"odd"), (b"EXIF", b"")
    whole = riff(kept[0], told[0], *kept[1:], *told[1:])
    assert decoding_child._without_metadata(whole) == riff(*kept)
    assert decoding_child._without_metadata(riff(*kept)) == riff(*kept)


def test_pixels_are_read_where_what_is_said_of_them_is_damaged() -> None:
    said = PngImagePlugin.PngInfo()
    said.add_text("Comment", "of a camera")
    picture = Image.new("RGBA", (5, 4), (1, 2, 3, 200))
    whole = encoded(picture, pnginfo=said)
    damaged = whole.replace(b"of a camera", b"of a cinema")
    answer, pixels = decoding_child._try(damaged)
    note = "what the file says of itself is damaged and was passed over"
    assert answer == {"mode": "RGBA", "size": (5, 4), "notes": [note]}
    assert pixels == picture.tobytes()
    nothing = {"error": "cannot be decoded (UnidentifiedImageError)"}
    assert decoding_child._try(damaged.replace(b"IHDR", b"IHDS")) == (nothing, b"")


ROWS, COLUMNS = np.mgrid[:90, :120]
SMOOTH = np.stack([2 * ROWS, 2 * COLUMNS, ROWS + COLUMNS], axis=2).astype(np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


@pytest.mark.parametrize(
    "how",
    [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"comment": b"of a camera"}],
    ids=str,
)
@pytest.mark.parametrize("shown", [SMOOTH, NOISE], ids=["smooth", "noise"])
def test_a_jpeg_may_lack_its_end_and_no_pixels(shown: np.ndarray, how: dict) -> None:
    whole = encoded(Image.fromarray(shown), "JPEG", **how)
    assert whole.endswith(b"\xff\xd9")
    wanted, pixels = decoding_child._try(whole)
    for lost in (1, 2):
        said, seen = decoding_child._try(whole[:-lost])
        assert said == {**wanted, "notes": ["the file's end is missing"]}
        assert seen == pixels
    for lost in (*range(6, 60), *range(100, len(whole), len(whole) // 30)):
        said, seen = decoding_child._try(whole[:-lost])
        assert said.keys() == {"error"}, f"{lost} bytes are missing"
        assert seen == b""


def test_a_jpeg_that_ends_between_two_scans_is_refused() -> None:
    """Each shows the whole picture, less sharp than the next."""
    whole = encoded(Image.fromarray(NOISE), "JPEG", progressive=True)
    scans = [place.start() for place in re.finditer(b"\xff\xda", whole)]
    assert len(scans) > 5
    for scan in scans[1:]:
        tables = whole.rfind(b"\xff\xc4", 0, scan)  # of the scan, where it has any
        length = 2 + int.from_bytes(whole[tables + 2 : tables + 4], "big")
        end = tables if tables + length == scan else scan
        assert decoding_child._try(whole[:end])[0].keys() == {"error"}


def test_heic_needs_pillow_heif(monkeypatch) -> None:
    """Which is given no thumbnails to read; it knows no file that begins like one and ends."""
    asked = []

    def module(name: str):
        asked.append(name)
        return types.SimpleNamespace(register_heif_opener=lambda **how: asked.append(how))

    monkeypatch.setattr(decoding_child.importlib, "import_module", module)
    answer, _ = decoding_child._try(container(b"heic"))
    assert answer["error"].startswith("cannot be decoded (")
    assert asked == ["pillow_heif", {"thumbnails": False}]

    def missing(name: str):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(decoding_child.importlib, "import_module", missing)
    need = "a HEIC picture, which needs pillow-heif: pip install pillow-heif, or save it as JPEG"
    assert decoding_child._try(container(b"heic")) == ({"error": need}, b"")


def test_a_second_picture_of_depths_is_no_animation() -> None:
    one, other = Image.new("RGB", (4, 3), "red"), Image.new("RGB", (4, 3), "blue")
    said, pixels = decoded(one, "MPO", save_all=True, append_images=[other])
    assert said == {"mode": "RGBA", "size": (4, 3), "notes": []}
    assert pixels[0, 0, 0] > 200
    pillow_heif = pytest.importorskip("pillow_heif")
    both = pillow_heif.from_pillow(one.resize((64, 48)))
    both.add_from_pillow(other.resize((64, 48)))
    file = io.BytesIO()
    both.save(file)
    assert decoding_child._try(file.getvalue())[0]["notes"] == []


def test_where_its_orientation_cannot_be_read_a_picture_stays_as_it_lies(monkeypatch) -> None:
    def damaged(self):
        raise SyntaxError("not a TIFF file")

    monkeypatch.setattr(Image.Image, "getexif", damaged)
    assert decoded(Image.new("RGB", (3, 2), (1, 2, 3)))[0]["size"] == (3, 2)


def test_what_no_whole_factor_shrinks_is_averaged_by_a_hamming_window() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 300, 3), np.uint8)
    said, pixels = decoded(Image.fromarray(noise))
    assert said["size"] == (256, 55)
    wanted = Image.fromarray(noise).resize((256, 55), Image.Resampling.HAMMING)
    assert np.abs(pixels[:, :, :3].astype(int) - np.asarray(wanted)).mean() < 2
