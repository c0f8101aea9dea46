"""The picture in a request's body: the body itself, a file in a form, or base64 in text.

What a body is, its first bytes tell: clients name the wrong type, and forms without a boundary.
"""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from fashion_cnn.data.decoding_child import KIND_BYTES, kind_of

ADVICE = (
    "there is no one picture in this body: send the file itself (curl --data-binary @FILE), as the "
    'only file of a form (curl -F file=@FILE), or as base64 in JSON, {"image": "…"}'
)
_KEYS = ("image", "picture", "file", "data", "img", "photo", "base64", "b64", "image_base64")
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)
_FIRST_BOUNDARY = re.compile(rb"--([^\r\n]{1,70})\r\nContent-", re.IGNORECASE)
_FIELD = re.compile(rb';\s*name="?([^";\r\n]*)', re.IGNORECASE)
_FILE = re.compile(rb';\s*filename\*?=(?!""[;\r\n]|""$)', re.IGNORECASE)
_BASE64 = re.compile(rb"data:[^,]{0,200};base64,|/9j/|iVBORw0KGgo|UklGR")
"""How a picture in base64 begins: a data: address, JPEG, PNG and WEBP."""


def picture_in(body: bytes, content_type: str) -> bytes | None:
    """Find the picture in a body; None where a form or JSON holds none, or several.

    Args: content_type: the request's header; it counts where the body does not tell.

    Source: RFC 7578 for forms; RFC 2397 for the data: address that JSON may hold.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind_of(body[:KIND_BYTES]):
        return body
    if kind == "multipart/form-data" or _FIRST_BOUNDARY.match(body):
        return _in_form(body, content_type)
    if kind == "application/json" or body.lstrip()[:1] in (b"{", b"["):
        return _in_json(body)
    if kind == "application/x-www-form-urlencoded" and re.match(rb"\w{1,20}=", body):
        return _in_fields(parse_qsl(body.decode(errors="replace"), max_num_fields=100))
    return _plain(body)


def _in_form(body: bytes, content_type: str) -> bytes | None:
    named, first = _BOUNDARY.search(content_type), _FIRST_BOUNDARY.match(body)
    boundary = (named[1] or named[2]).encode() if named else first[1] if first else None
    if boundary is None:
        return None
    files, fields = [], []
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if blank and _FILE.search(head):
            files.append(content)
        elif blank and content and (name := _FIELD.search(head)):
            fields.append((name[1].decode(errors="replace"), content))
    if not files:  # some clients send a file as a field
        files = [content for name, content in fields if name in _KEYS]
    return _plain(files[0]) if len(files) == 1 else None


def _in_json(body: bytes) -> bytes | None:
    try:
        return _in_fields(json.loads(body).items())
    except (AttributeError, ValueError, RecursionError):
        return None


def _in_fields(fields: Iterable[tuple[str, object]]) -> bytes | None:
    texts = [value for name, value in fields if name in _KEYS]
    if len(texts) != 1 or not isinstance(texts[0], str):
        return None
    return _decoded(re.sub(r"^data:[^,]*,", "", texts[0]).encode(errors="replace"))


def _plain(content: bytes) -> bytes | None:
    """A file as it is, or out of its base64."""
    found = _BASE64.match(content)
    if not found:
        return content
    return _decoded(content[found.end() :] if found[0].startswith(b"data:") else content)


def _decoded(text: bytes) -> bytes | None:
    """Base64 with lines, in either alphabet, with its filling or without; None for none."""
    text = re.sub(rb"[\r\n\t]", b"", text.strip()).replace(b" ", b"+")  # so a form turns a +
    text = text.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None
