"""The process that opens image files: run as a script, under limits, by `data.decoding`.

It reads frames (4 bytes of length, then a file) from standard input until that ends, and answers
each on standard output with a frame of JSON and a frame of pixels. It imports Pillow and nothing
of this package, so that it starts fast; a file that breaks it ends this process and no other.
"""

import io
import json
import resource
import struct
import sys
import warnings
from typing import Any

from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP")
PIXELS = 25_000_000
MEMORY_BYTES = 512 * 2**20
CPU_SECONDS = 2
SIDE = 256
"""The longest edge of what comes back: nine times what a network sees."""
_ENOUGH = 192  # pixels: what GrabCut looks at, see `segmentation`
_NOT_REDUCED = {"1": "L", "P": "RGBA"}  # modes that Pillow cannot average


class _RefusedError(Exception):
    """Said of a picture that is not accepted; the message is for people."""


def decode(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Open a file, turn it upright and shrink it.

    Returns:
        {"mode": "L" or "RGBA", "size": [width, height], "notes": [line, …]} and the pixels, row by
        row, alpha not premultiplied. A 28x28 opaque grey picture is "L" and as it is in the file.

    Raises: whatever Pillow raises, and `_RefusedError`.
    """
    notes = []
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        width, height = picture.size
        if width * height > PIXELS:
            most = f"at most {PIXELS // 10**6} million are read"
            raise _RefusedError(f"{width}x{height} pixels; {most}")
        if getattr(picture, "n_frames", 1) > 1:
            notes.append("an animation: its first picture was taken")
        if picture.format == "JPEG":
            picture.draft(None, (SIDE, SIDE))
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)
        upright = picture
        if upright.mode.startswith("I"):  # 16 bits a pixel; converting would clip, not scale
            upright = upright.convert("I").point(lambda value: value * (1 / 257)).convert("L")
        if factor := _whole_factor(max(upright.size)):
            # By whole factors first, so that no conversion below needs a second full copy.
            if upright.mode in _NOT_REDUCED:
                upright = upright.convert(_NOT_REDUCED[upright.mode])
            upright = upright.reduce(factor)
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
        if max(upright.size) > SIDE:
            upright.thumbnail((SIDE, SIDE), Image.Resampling.HAMMING)
        upright = upright.convert("RGBA")
        if upright.size == (28, 28) and _is_grey(upright):
            upright = upright.convert("L")
        return _answer(upright, notes)


def _whole_factor(longest: int) -> int:
    """By what to shrink before the rest: to `SIDE` or little less, as that is fastest; or 0."""
    factor = -(-longest // SIDE)
    if longest < factor * _ENOUGH:
        factor = longest // SIDE
    return factor if factor > 1 else 0


def _is_grey(picture: Image.Image) -> bool:
    red, green, blue, alpha = (band.tobytes() for band in picture.split())
    return red == green == blue and alpha.strip(b"\xff") == b""


def _answer(picture: Image.Image, notes: list[str]) -> tuple[dict[str, Any], bytes]:
    return {"mode": picture.mode, "size": picture.size, "notes": notes}, picture.tobytes()


def _try(data: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        return decode(data)
    except _RefusedError as refusal:
        return {"error": str(refusal)}, b""
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return {"error": f"more than {PIXELS // 10**6} million pixels"}, b""
    except Image.UnidentifiedImageError:
        return {"error": "not a PNG, JPEG or WEBP picture"}, b""
    except MemoryError:
        return {"error": f"needs more than {MEMORY_BYTES // 2**20} MB to decode"}, b""
    except Exception as error:  # of a hostile file anything can come; none of it may end the child
        return {"error": f"cannot be decoded ({type(error).__name__}: {error})"[:200]}, b""


def main() -> None:
    """Serve frames until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = PIXELS
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while header := source.read(4):
        data = source.read(*struct.unpack(">I", header))
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent = int(used.ru_utime + used.ru_stime) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (spent + CPU_SECONDS, resource.RLIM_INFINITY))
        answer, pixels = _try(data)
        for frame in (json.dumps(answer).encode(), pixels):
            sink.write(struct.pack(">I", len(frame)) + frame)
        sink.flush()


if __name__ == "__main__":
    main()
