"""The picture in a request's body: the body itself, a file in a form, or base64 in text.

What a body is, its first bytes tell: clients name the wrong type, and forms without a boundary.
Many small parts cost far more time than one large one, so a body of more than a few is none.
"""

import base64
import binascii
import json
import re
from collections.abc import Sequence

from fashion_cnn.data.decoding_child import KIND_BYTES, kind_of

ADVICE = (
    "there is no one picture in this body: send the file itself (curl --data-binary @FILE), as the "
    'only file of a form (curl -F file=@FILE), or as base64 in JSON, {"image": "…"}'
)
_KEYS = ("image", "picture", "file", "data", "img", "photo", "base64", "b64", "image_base64")
_MOST = 100  # pieces that a form is cut into
_HEAD_BYTES = 2**12  # of a part
_MOST_MARKS = 1000  # in JSON; base64 has none
_NO_MARKS = bytes(set(range(256)) - set(b",:[{"))
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)
_FIRST_BOUNDARY = re.compile(rb"--([^\r\n]{1,70})\r\nContent-", re.IGNORECASE)
_FIELD = re.compile(rb';\s*name="?([^";\r\n]*)', re.IGNORECASE)
_FILE = re.compile(rb';\s*filename\*?=(?!""[;\r\n]|""$)', re.IGNORECASE)
_BASE64 = re.compile(rb"data:[^,]{0,200};base64,|/9j/|iVBORw0KGgo|UklGR")
"""How a picture in base64 begins: a data: address, JPEG, PNG and WEBP."""


def picture_in(body: bytes, content_type: str) -> bytes | None:
    """Find the picture in a body; None where a form or JSON holds none, several, or too much else.

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
        return _in_fields(body)
    return _plain(body)


def _in_form(body: bytes, content_type: str) -> bytes | None:
    named, first = _BOUNDARY.search(content_type), _FIRST_BOUNDARY.match(body)
    boundary = (named[1] or named[2]).encode() if named else first[1] if first else None
    if boundary is None:
        return None
    files, fields = [], []
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary, _MOST)
    if len(parts) > _MOST:
        return None
    for part in parts[1:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if len(head) > _HEAD_BYTES:
            return None
        if blank and _FILE.search(head):
            files.append(content)
        elif blank and content and (name := _FIELD.search(head)):
            fields.append((name[1].decode(errors="replace"), content))
    if not files:  # some clients send a file as a field
        files = [content for name, content in fields if name in _KEYS]
    return _plain(files[0]) if len(files) == 1 else None


def _in_json(body: bytes) -> bytes | None:
    if len(body.translate(None, _NO_MARKS)) > _MOST_MARKS:
        return None
    try:
        fields = json.loads(body).items()
        return _only([value.encode("ascii") for name, value in fields if name in _KEYS])
    except (AttributeError, ValueError, RecursionError):
        return None


def _in_fields(body: bytes) -> bytes | None:
    fields = [field.partition(b"=") for field in body.split(b"&", _MOST)]
    if len(fields) > _MOST:
        return None
    found = [value for name, _, value in fields if value and name.decode("latin") in _KEYS]
    # Quoted-printable but for its sign, and decoded in C; an = itself is only filling.
    signs = bytes.maketrans(b"%", b"=")
    return _only([binascii.a2b_qp(value.translate(signs, b"=")) for value in found])


def _only(texts: Sequence[bytes]) -> bytes | None:
    return _decoded(texts[0]) if len(texts) == 1 else None


def _plain(content: bytes) -> bytes | None:
    """A file as it is, or out of its base64."""
    return _decoded(content) if _BASE64.match(content) else content


def _decoded(text: bytes) -> bytes | None:
    """Base64 with lines, in either alphabet, with its filling or without; None for none.

    What a data: address has before it is left out.
    """
    if text.startswith(b"data:"):
        text = text.split(b",", 1)[-1]
    # A form turns a + into a space.
    signs = bytes.maketrans(b"-_ ", b"+/+")
    text = text.strip().translate(signs, b"\r\n\t").rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None
