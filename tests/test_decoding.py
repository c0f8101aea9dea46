"""Opening files of unknown origin."""

import io
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_cnn.data import decoding
from fashion_cnn.data.decoding import Decoder, DecoderPool
from fashion_cnn.errors import DecoderError, ImageError, SlowImageError


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.close()


def encoded(picture: Image.Image, kind: str = "PNG", **how) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **how)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that promises a size in its header and then has no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    )


GOOD = encoded(Image.new("RGB", (40, 30), (10, 20, 30)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats(decoder, kind) -> None:
    pixels, notes = decoder.decode(encoded(Image.new("RGB", (40, 30), (200, 20, 30)), kind))
    assert pixels.shape == (30, 40, 4)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels[3, 3], (200, 20, 30, 255), atol=3)
    assert notes == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"hello", "not a PNG, JPEG, WEBP, AVIF or HEIC"),
        (encoded(Image.new("RGB", (30, 30)), "GIF"), "not a PNG, JPEG, WEBP, AVIF or HEIC"),
        (encoded(Image.new("RGB", (30, 30)), "BMP"), "not a PNG, JPEG, WEBP, AVIF or HEIC"),
        (GOOD[:-30], "cannot be decoded|not a PNG"),
        (png_of_size(5001, 5000), "million"),
        (png_of_size(2**31 - 1, 2**31 - 1), "million|cannot be decoded"),
        (png_of_size(100, 100), "cannot be decoded"),
        (bytes(9 * 2**20), "9.0 MB; at most 8 MB"),
    ],
    ids=["empty", "text", "gif", "bmp", "cut", "large", "huge", "hollow", "heavy"],
)
def test_bad_files_are_named_in_a_line_and_good_ones_work_after(decoder, data, why) -> None:
    with pytest.raises(ImageError, match=why) as caught:
        decoder.decode(data)
    assert "\n" not in str(caught.value)
    assert decoder.decode(GOOD)[0].shape == (30, 40, 4)


def test_damaged_files_never_break_it(decoder) -> None:
    random = np.random.default_rng(3)
    noise = Image.fromarray(random.integers(0, 256, (60, 60, 3), dtype=np.uint8))
    for kind in ("PNG", "JPEG", "WEBP"):
        whole = np.frombuffer(encoded(noise, kind), np.uint8)
        for _ in range(60):
            data = whole.copy()
            places = random.integers(0, len(data), 4)
            data[places] = random.integers(0, 256, 4)
            try:
                pixels, _ = decoder.decode(data.tobytes())
            except ImageError:
                continue
            assert pixels.shape[2] == 4
            assert max(pixels.shape) <= 256
    assert decoder.decode(GOOD)[0].shape == (30, 40, 4)


def child_of(decoder: Decoder) -> subprocess.Popen[bytes]:
    decoder.decode(GOOD)
    assert decoder._child is not None
    return decoder._child


def test_one_child_serves_many_and_is_replaced(decoder) -> None:
    first = child_of(decoder)
    assert child_of(decoder) is first
    first.kill()
    first.wait()
    assert child_of(decoder) is not first


def test_the_child_has_its_limits(decoder) -> None:
    limits = Path(f"/proc/{child_of(decoder).pid}/limits").read_text()
    rows = {line[:26].strip(): line[26:].split() for line in limits.splitlines()}
    assert rows["Max address space"][0] == str(512 * 2**20)
    assert rows["Max file size"][0] == "0"
    user, system = Path(f"/proc/{child_of(decoder).pid}/stat").read_text().split()[13:15]
    used = (int(user) + int(system)) // os.sysconf("SC_CLK_TCK")
    assert int(rows["Max cpu time"][0]) in (used + 2, used + 3)  # counted in whole seconds


TAKE = f"sys.stdin.buffer.read({12 + len(GOOD)})"


@pytest.fixture
def strange_child(tmp_path, monkeypatch):
    def put(code: str) -> Decoder:
        script = tmp_path / "child.py"
        script.write_text("import os, sys, time\n" + code)
        monkeypatch.setattr(decoding, "_CHILD", script)
        return Decoder()

    return put


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("os.kill(os.getpid(), 24)", "too long"),  # SIGXCPU, as past the limit of CPU time
        ("time.sleep(60)", "too long"),
        (f"{TAKE}; os._exit(7)", "crashes the image decoder .status 7"),
        (f"{TAKE}; os.kill(os.getpid(), 11)", "crashes the image decoder"),
        ("sys.stdout.write('nonsense'); sys.stdout.close(); time.sleep(60)", "decoder"),
    ],
    ids=["cpu", "stuck", "exit", "crash", "nonsense"],
)
def test_a_child_that_breaks_or_hangs_is_an_image_error(
    strange_child, monkeypatch, code, why
) -> None:
    monkeypatch.setattr(decoding, "_SECONDS", 0.5)
    broken = strange_child(code)
    began = time.monotonic()
    with pytest.raises(ImageError, match=why):
        broken.decode(GOOD)
    assert time.monotonic() - began < 20
    assert broken._child is None


@pytest.mark.parametrize("code", ["os._exit(1)", "sys.stdin.buffer.read(12); os._exit(1)"])
def test_a_child_that_does_not_come_to_the_picture_does_not_accuse_it(strange_child, code) -> None:
    with pytest.raises(DecoderError, match="status 1.; is there too little memory"):
        strange_child(code).decode(GOOD + bytes(2**16))


ENDLESS = f"""if True:
    sys.path.insert(0, {str(decoding._CHILD.parent)!r})
    import decoding_child
    def endless(data):
        while True: pass
    decoding_child.decode = endless
    decoding_child.main()
"""


def test_a_picture_has_2_seconds_of_the_processor(strange_child, monkeypatch) -> None:
    monkeypatch.setattr(decoding, "_SECONDS", 100.0)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(ImageError, match="too long"):
        strange_child(ENDLESS).decode(GOOD)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert 2 <= used <= 3.9  # counted in whole seconds, and it has started


def test_a_picture_may_have_less_of_the_processor(strange_child) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(SlowImageError, match="too long"):
        strange_child(ENDLESS).decode(GOOD, 0.2)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < 1.5, "it has started too"


def test_a_child_that_is_killed_is_no_fault_of_its_picture(decoder) -> None:
    for _ in range(3):
        decoder.decode(GOOD)
        os.kill(decoder._child.pid, signal.SIGSTOP)  # it takes the picture, and says nothing
        killer = threading.Timer(0.1, os.kill, (decoder._child.pid, signal.SIGKILL))
        killer.start()
        assert decoder.decode(GOOD)[0].shape == (30, 40, 4)


def test_25_million_pixels_are_read(decoder) -> None:
    assert max(decoder.decode(encoded(Image.new("1", (5000, 5000), 1)))[0].shape) == 250


def test_an_interrupted_answer_is_not_taken_for_the_next(decoder, monkeypatch) -> None:
    def interrupted(pipe) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "_read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            decoder.decode(GOOD)
    pixels, _ = decoder.decode(encoded(Image.new("L", (28, 28), 7)))
    assert (pixels == 7).all()


def test_threads_take_turns(decoder) -> None:
    wrong: list[int] = []

    def ask(shade: int) -> None:
        data = encoded(Image.new("L", (28, 28), shade))
        for _ in range(20):
            if not (decoder.decode(data)[0] == shade).all():
                wrong.append(shade)

    threads = [threading.Thread(target=ask, args=(shade,)) for shade in range(0, 200, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


HELD_UP = """if True:
    while head := sys.stdin.buffer.read(12):
        if sys.stdin.buffer.read(int.from_bytes(head[:4], "big")) == b"slow":
            time.sleep(60)
        answer = b'{"error": "quick"}'
        sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer + bytes(4))
        sys.stdout.buffer.flush()
"""


def test_a_slow_picture_holds_up_no_other_thread(strange_child, monkeypatch) -> None:
    monkeypatch.setattr(decoding, "_SECONDS", 3.0)
    strange_child(HELD_UP)
    pool = DecoderPool()
    with ThreadPoolExecutor(1) as other:
        slow = other.submit(pool.decode, b"slow")
        for _ in range(3):
            with pytest.raises(ImageError, match="quick"):
                pool.decode(b"another")
        assert not slow.done()
        assert isinstance(slow.exception(), ImageError)
    assert len(pool._idle) == 2, "no more than were busy at once"
    pool.close()
    assert [decoder._child for decoder in pool._idle] == [None, None]


def test_a_fork_gets_a_child_of_its_own() -> None:
    code = """if True:
        import os, sys
        from fashion_cnn.data.decoding import Decoder
        decoder, data = Decoder(), sys.stdin.buffer.read()
        decoder.decode(data)
        if (fork := os.fork()) == 0:
            decoder.decode(data)
            os._exit(decoder._owner != os.getpid())
        assert os.waitpid(fork, 0)[1] == 0
        assert decoder.decode(data)[0].shape == (30, 40, 4)
        decoder.close()
    """
    done = subprocess.run([sys.executable, "-c", code], input=GOOD, timeout=60, check=False)
    assert done.returncode == 0


def test_the_child_is_not_given_the_servers_token(decoder, monkeypatch) -> None:
    monkeypatch.setenv("FASHION_CNN_TOKEN", "a-token-that-nobody-else-knows")
    decoder.close()
    decoder.decode(GOOD)  # by then it has begun, and its environment is told
    given = Path(f"/proc/{decoder._child.pid}/environ").read_bytes()
    assert b"nobody-else" not in given
    assert b"PATH=" in given
