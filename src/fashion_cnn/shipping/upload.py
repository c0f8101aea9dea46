"""The picture in a request's body: the body itself, a file in a form, or base64 in JSON."""

import base64
import json
import re

ADVICE = (
    "there is no one picture in this body: send the file itself (curl --data-binary @FILE), as the "
    'only file of a form (curl -F file=@FILE), or as base64 in JSON, {"image": "…"}'
)
_KEYS = ("image", "picture", "file", "data")
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)


def picture_in(body: bytes, content_type: str) -> bytes | None:
    """Find the picture in a body; None where a form or JSON holds none, or several.

    Args: content_type: the request's header; what is neither a form nor JSON is the picture itself.

    Source: RFC 7578 for forms; RFC 2397 for the data: address that JSON may hold.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return _in_form(body, content_type)
    return _in_json(body) if kind == "application/json" else body


def _in_form(body: bytes, content_type: str) -> bytes | None:
    found = _BOUNDARY.search(content_type)
    if not found:
        return None
    between = b"\r\n--" + (found[1] or found[2]).encode()
    files = []
    for part in (b"\r\n" + body).split(between)[1:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if blank and re.search(rb";\s*filename\*?=", head, re.IGNORECASE):
            files.append(content)
    return files[0] if len(files) == 1 else None


def _in_json(body: bytes) -> bytes | None:
    try:
        found = json.loads(body)
        texts = [found[key] for key in _KEYS if key in found]
        (text,) = texts
        return base64.b64decode(re.sub(r"^data:[^,]*,", "", text), validate=True)
    except (ValueError, TypeError, RecursionError):
        return None
