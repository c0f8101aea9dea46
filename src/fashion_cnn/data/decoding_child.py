"""The process that opens image files: run as a script, under limits, by `data.decoding`.

It reads files from standard input until that ends. In front of each stand 4 bytes with its length
and 8 with the seconds of processor time that it may take (0: the most). It answers each on standard
output with JSON and then pixels, with 4 bytes for the length in front of either. It imports Pillow
and nothing of this package, so that it starts fast; a file that breaks it ends this process alone.
"""

import importlib
import io
import json
import re
import resource
import signal
import struct
import sys
import warnings
from contextlib import suppress
from typing import Any

from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "HEIF")
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"),
    (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"\xff\x0a", "JPEG XL"), (b"8BPS", "Photoshop"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"), (b"\0\0\0\x0cjP  ", "JPEG 2000"),
)  # fmt: skip
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIF", b"heix": "HEIF", b"mif1": "HEIF",
           b"msf1": "HEIF", b"hevc": "HEIF", b"heim": "HEIF", b"heis": "HEIF"}  # fmt: skip
KIND_BYTES = 32
"""As many of a file's first bytes tell what kind it is of."""
PIXELS = 25_000_000
MEMORY_BYTES = 512 * 2**20
CPU_SECONDS = 2
SIDE = 256
"""The longest edge of what comes back: nine times what a network sees."""
_ENOUGH = 192  # pixels: what GrabCut looks at, see `segmentation`
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""By EXIF's orientation. Source: CIPA DC-008-2019, table 6."""
_JPEG_METADATA = {*range(0xE1, 0xF0), 0xFE} - {0xEE}  # what Adobe wrote tells the colours
_NOT_REDUCED = {"1": "L", "P": "RGBA"}  # modes that Pillow cannot average
_JPEG_END = b"\xff\xd9"
_JPEG_RESTARTS = [bytes((0xFF, 0xD0 + number)) for number in range(8)]


class _RefusedError(Exception):
    """Said of a picture that is not accepted; the message is for people."""


def kind_of(start: bytes) -> str:
    """What kind of picture a file is by its first `KIND_BYTES`, whatever its name; "" for none."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[:2] == b"BM" and start[6:10] == bytes(4):
        return "BMP"
    if start[4:8] == b"ftyp":  # the container of both; a phone's names its own kind second
        brands = [_BRANDS.get(start[at : at + 4], "") for at in (8, 16, 20, 24, 28)]
        return "AVIF" if "AVIF" in brands else max(brands)
    return next((kind for magic, kind in _KINDS if start.startswith(magic)), "")


def decode(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Open a file, turn it upright and shrink it.

    Returns:
        {"mode": "L" or "RGBA", "size": [width, height], "notes": [line, …]} and the pixels, row by
        row, alpha not premultiplied. A 28x28 opaque grey picture is "L" and as it is in the file.

    Raises: whatever Pillow raises, and `_RefusedError`.
    """
    notes = []
    kind = kind_of(data[:KIND_BYTES])
    if kind not in FORMATS:
        what = f" but a {kind} one; save it as PNG" if kind else ""
        raise _RefusedError(f"not a PNG, JPEG, WEBP, AVIF or HEIC picture{what}")
    if kind == "HEIF":
        _learn_heif()
    with Image.open(io.BytesIO(data), formats=[kind]) as picture:
        width, height = picture.size
        if width * height > PIXELS:
            most = f"at most {PIXELS // 10**6} million are read"
            raise _RefusedError(f"{width}x{height} pixels; {most}")
        # A phone puts a second picture, of depths, behind a JPEG's or HEIF's first.
        if getattr(picture, "n_frames", 1) > 1 and kind not in ("JPEG", "HEIF"):
            notes.append("an animation: its first picture was taken")
        if kind == "JPEG":
            picture.draft(None, (SIDE, SIDE))
        picture.load()
        upright = turned_upright(picture)
        if (*upright.size, upright.mode) == (28, 28, "L") and not upright.has_transparency_data:
            return _answer(upright, notes)  # as the end would, and sooner
        if upright.mode.startswith("I"):
            if _needs_8_bits(upright):
                notes.append("16 bits a pixel, none above 255: taken as 8 bits")
            upright = as_grey(upright)
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


def as_grey(picture: Image.Image) -> Image.Image:
    """A picture of 16 bits a pixel in 8; converting alone would clip, not scale.

    Levels of 0 to 255 alone stay: some programs write 8 bits so, and scaled all would be black.
    """
    levels = picture.convert("I")  # of some modes Pillow tells no extremes
    if _needs_8_bits(levels):
        return levels.convert("L")
    return levels.point(lambda value: value * (1 / 257)).convert("L")


def _needs_8_bits(picture: Image.Image) -> bool:
    _, most = picture.getextrema()
    return not isinstance(most, tuple) and most < 256  # a tuple: of several channels


def _whole_factor(longest: int) -> int:
    """By what to shrink before the rest: to `SIDE` or little less, as that is fastest; or 0."""
    factor = -(-longest // SIDE)
    if longest < factor * _ENOUGH:
        factor = longest // SIDE
    return factor if factor > 1 else 0


def _learn_heif() -> None:
    try:
        importlib.import_module("pillow_heif").register_heif_opener(thumbnails=False)
    except ImportError:
        raise _RefusedError(
            "a HEIC picture, which needs pillow-heif: pip install pillow-heif, or save it as JPEG"
        ) from None


def turned_upright(picture: Image.Image) -> Image.Image:
    """Turn it as its EXIF says; where that cannot be read it stays as it lies."""
    try:
        turn = _TURNS.get(picture.getexif().get(0x0112, 1))
    except Exception:  # of a hostile file anything can come, and the pixels are sound
        turn = None
    return picture if turn is None else picture.transpose(turn)


def _without_metadata(data: bytes) -> bytes:
    """The same PNG, JPEG or WEBP file with nothing in it but what makes up its pixels."""
    kind = kind_of(data[:KIND_BYTES])
    at = {"PNG": 8, "JPEG": 2, "WEBP": 12}[kind]
    kept = [data[:at]]
    while at + 8 <= len(data):
        if kind == "JPEG":
            marker, length = data[at + 1], 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            if data[at] != 0xFF or marker == 0xDA:  # the pixels
                break
            keep = marker not in _JPEG_METADATA
        elif kind == "PNG":
            name, length = data[at + 4 : at + 8], 12 + int.from_bytes(data[at : at + 4], "big")
            keep = name[0] & 0x20 == 0 or name == b"tRNS"  # critical by its first letter
        else:
            name, length = data[at : at + 4], 8 + int.from_bytes(data[at + 4 : at + 8], "little")
            length += length % 2
            keep = name not in (b"EXIF", b"XMP ", b"ICCP")
        if keep:
            kept.append(data[at : at + length])
        at += length
    file = b"".join([*kept, data[at:]])
    return file if kind != "WEBP" else file[:4] + struct.pack("<I", len(file) - 8) + file[8:]


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
    except MemoryError:
        return {"error": f"needs more than {MEMORY_BYTES // 2**20} MB to decode"}, b""
    except Exception as error:  # of a hostile file anything can come; none of it may end the child
        for mended in (_decoded_without_metadata, _decoded_without_end):
            with suppress(Exception):
                return mended(data)
        what = "" if isinstance(error, Image.UnidentifiedImageError) else f": {error}"
        return {"error": f"cannot be decoded ({type(error).__name__}{what})"[:200]}, b""


def _decoded_without_metadata(data: bytes) -> tuple[dict[str, Any], bytes]:
    answer, pixels = decode(_without_metadata(data))
    answer["notes"].append("what the file says of itself is damaged and was passed over")
    return answer, pixels


def _decoded_without_end(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Decode a JPEG that lacks its end mark; raises if it lacks pixels too."""
    if kind_of(data[:KIND_BYTES]) != "JPEG":
        raise _RefusedError("only a JPEG is read without its end")
    data = _without_metadata(data).removesuffix(_JPEG_END[:1])
    answer, pixels = decode(data + _JPEG_END)
    # Pixels that are missing are made up from what follows, without a word: here from anything.
    _, last = max((data.rfind(mark), number) for number, mark in enumerate(_JPEG_RESTARTS))
    rest = b"".join(64 * b"\xd3" + _JPEG_RESTARTS[(last + count) % 8] for count in range(1, 17))
    if not _has_all_scans(data) or decode(data + rest + _JPEG_END)[1] != pixels:
        raise _RefusedError("pixels are missing")
    answer["notes"].append("the file's end is missing")
    return answer, pixels


def _has_all_scans(data: bytes) -> bool:
    """Whether the scans of a JPEG without metadata bring each coefficient to its last bit."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
        wanted = 64 * len(picture.getbands())
    sharp = set()
    for scan in re.finditer(b"\xff\xda", data):
        at = scan.end() + 3  # behind the length and the number of components
        ids = data[at : at + 2 * min(4, data[at - 1]) : 2]
        first, last, bits = data[at + 2 * len(ids) :][:3]
        if bits & 15 == 0:
            sharp |= {(one, place) for one in ids for place in range(first, last + 1)}
    return len(sharp) == wanted


def _within(what: int, wanted: int) -> int:
    """As much of a resource as is wanted, or as this process may have at most."""
    _, most = resource.getrlimit(what)
    return wanted if most == resource.RLIM_INFINITY else min(wanted, most)


def main() -> None:
    """Serve frames until standard input ends."""
    memory = _within(resource.RLIMIT_AS, MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = PIXELS
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while header := source.read(12):
        length, cpu_seconds = struct.unpack(">Id", header)
        data = source.read(length)
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)  # which ends the process; 0: never
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent = int(used.ru_utime + used.ru_stime) + 1
        seconds = _within(resource.RLIMIT_CPU, spent + CPU_SECONDS)
        resource.setrlimit(
            resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1])
        )
        answer, pixels = _try(data)
        for frame in (json.dumps(answer).encode(), pixels):
            sink.write(struct.pack(">I", len(frame)) + frame)
        sink.flush()


if __name__ == "__main__":
    main()
