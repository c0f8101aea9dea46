"""What other people's clients send: a picture in a form, in JSON, or as it is."""

import base64
import json
import socket
from urllib.parse import urlencode

import pytest

from fashion_cnn.shipping.upload import picture_in
from serving import BOOT, call, detail

URL = "/v1/predict"


def form(*parts: tuple[str, bytes], boundary: str = "----abc") -> bytes:
    """As curl, requests and browsers write one; the head of a part, and what is in it."""
    lines = [
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n"
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for head, content in parts
    ]
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


FORM = "multipart/form-data; boundary=----abc"
FILE = 'name="file"; filename="boot.png"'
URLENCODED = "application/x-www-form-urlencoded"
FOR_URLS = str.maketrans("+/", "-_")
BASE64 = base64.b64encode(BOOT).decode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (BOOT, ""),
        (BOOT, "image/png"),
        (BOOT, "application/x-www-form-urlencoded"),
        (form((FILE, BOOT)), FORM),
        (form((FILE, BOOT)), 'Multipart/Form-Data; charset=utf-8; boundary="----abc"'),
        (form(('name="top_k"', b"3"), (FILE, BOOT)), FORM),
        (form(("name=a; filename*=UTF-8''%C3%BC.png", BOOT)), FORM),
        (form((FILE, BOOT), boundary="x"), "multipart/form-data; boundary=x"),
        (BOOT, FORM),
        (BOOT, "application/json"),
        (form((FILE, BOOT)), "multipart/form-data"),
        (form((FILE, BOOT)), "application/octet-stream"),
        (form((FILE, BOOT)), "application/json"),
        (b"a preamble\r\n" + form((FILE, BOOT)), FORM),
        (form(('name="other"; filename=""', b""), (FILE, BOOT)), FORM),
        (form(('name="file"', BOOT)), FORM),
        (form(('name="top_k"', b"3"), ("name=image", BASE64.encode())), FORM),
        (form((FILE, BASE64.encode())), FORM),
        (BASE64.encode(), "text/plain"),
        (f"data:image/png;base64,{BASE64}".encode(), "text/plain;charset=UTF-8"),
        (urlencode({"image": BASE64, "a": ""}).encode(), URLENCODED),
        (f"img={BASE64}".encode(), URLENCODED),
        (urlencode({"photo": f"data:image/png;base64,{BASE64}"}).encode(), URLENCODED),
        (b"file=" + BASE64.encode().replace(b"/", b"%2f") + b"&" + b"a=%&" * 98, URLENCODED),
        (json.dumps({"image": BASE64}).encode(), URLENCODED),
        (json.dumps({"b64": base64.encodebytes(BOOT).decode()}).encode(), "application/json"),
        (json.dumps({"image": BASE64.translate(FOR_URLS)}).encode(), "application/json"),
        (json.dumps({"image": BASE64.rstrip("=")}).encode(), "application/json"),
        (json.dumps({"image": BASE64}).encode(), "application/json"),
        (json.dumps({"file": f"data:image/png;base64,{BASE64}"}).encode(), "application/json"),
    ],
)
def test_a_picture_is_found_however_it_is_sent(body: bytes, content_type: str) -> None:
    assert picture_in(body, content_type) == BOOT


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", FORM),
        (b"--", FORM),
        (b"neither", "multipart/form-data"),
        (form((FILE, BOOT))[:-20], FORM),
        (form(('name="note"', BOOT)), FORM),
        (form((FILE, b"data:image/png;base64,!")), FORM),
        (f"note={BASE64}".encode(), URLENCODED),
        (f"image={BASE64}&file={BASE64}".encode(), URLENCODED),
        (f"image={BASE64}".encode() + b"&a=1" * 200, URLENCODED),
        (form((FILE, BOOT), (FILE, BOOT)), FORM),
        (form((FILE, BOOT), boundary="other"), FORM),
        (b"", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"image": "no base64!"}', "application/json"),
        (b'{"image": 3}', "application/json"),
        (b'{"picture of a boot": ""}', "application/json"),
        (b'{"image": "data:none"}', "application/json"),
        (b'{"image": "", "file": ""}', "application/json"),
        (b"3", "application/json"),
        (b"\xff", "application/json"),
    ],
)
def test_what_holds_no_one_picture_is_told_apart(body: bytes, content_type: str) -> None:
    assert picture_in(body, content_type) is None


@pytest.mark.parametrize("count", [90, 200])
def test_a_body_of_very_many_parts_is_not_taken_apart(count: int) -> None:
    """Each would cost more time than a picture's bytes do: eight megabytes of them many seconds."""
    field = ('name="a"', b"1")
    for body, kind in (
        (form(*[field] * count, (FILE, BOOT)), FORM),
        (form((f'{FILE}; a="{"; " * 20 * count}"', BOOT)), FORM),
        (
            urlencode({"image": BASE64, **dict.fromkeys(map(str, range(count)), 1)}).encode(),
            URLENCODED,
        ),
        (json.dumps({"image": BASE64, "others": [{}] * 4 * count}).encode(), "application/json"),
    ):
        assert picture_in(body, kind) == (BOOT if count == 90 else None)


def test_all_ways_are_answered_alike(port: int) -> None:
    wanted = call(port, "POST", URL, BOOT)
    assert wanted[0] == 200
    for body, kind in (
        (form((FILE, BOOT)), FORM),
        (json.dumps({"image": BASE64}), "application/json"),
    ):
        assert call(port, "POST", URL, body, Content_Type=kind)[2] == wanted[2]
        assert call(port, "POST", f"{URL}?top_k=10", body, Content_Type=kind)[0] == 200


def test_the_picture_has_the_limit_of_bytes_and_not_what_it_is_wrapped_in(port: int) -> None:
    most = 8 * 2**20
    for size, status in ((most, 200), (most + 1, 413)):
        long = BOOT + bytes(size - len(BOOT))  # what follows a PNG's end is passed over
        text = base64.b64encode(long).decode()
        for body, kind in (
            (form((FILE, long)), FORM),
            (json.dumps({"image": text}), "application/json"),
            (f"image={text}".replace("+", "%2B").replace("/", "%2F"), URLENCODED),
            (long, "application/octet-stream"),
            (long, URLENCODED),
        ):
            answer = call(port, "POST", URL, body, Content_Type=kind)
            assert answer[0] == status, (kind, answer)
            if status == 413:
                assert detail(answer) == "at most 8 MB are read"


@pytest.mark.parametrize("kind", [FORM, "application/json; charset=utf-8", "image/png", ""])
def test_a_body_has_a_limit_too(port: int, kind: str) -> None:
    limit = 8 if kind in ("image/png", "") else 12
    chunk = b"%x\r\n" % 2**20 + bytes(2**20) + b"\r\n"
    sent = iter([chunk] * (limit + 1) + [b"0\r\n\r\n"])
    answer = call(port, "POST", URL, sent, Transfer_Encoding="chunked", Content_Type=kind)
    assert answer[0] == 413
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        head = f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        connection.sendall(f"{head}Content-Length: {limit * 2**20 + 1}\r\n\r\n".encode())
        assert connection.makefile("rb").readline().split()[1] == b"413", "before it is sent"


def test_a_form_without_one_picture_is_told_how(port: int) -> None:
    answer = call(port, "POST", URL, form((FILE, BOOT), (FILE, BOOT)), Content_Type=FORM)
    assert answer[0] == 415
    assert "curl -F file=@FILE" in detail(answer)


def test_curls_short_way_is_told_its_long_one(port: int) -> None:
    """Its -d leaves out line ends."""
    broken = BOOT.replace(b"\r", b"").replace(b"\n", b"")
    answer = call(port, "POST", URL, broken, Content_Type=URLENCODED)
    assert answer[0] == 422
    assert "--data-binary, not with -d" in detail(answer)
    assert call(port, "POST", URL, BOOT, Content_Type=URLENCODED)[0] == 200


def test_a_file_may_be_put_as_curl_does(port: int) -> None:
    assert call(port, "PUT", URL, BOOT)[2] == call(port, "POST", URL, BOOT)[2]


def test_a_packed_body_is_told_to_be_none(port: int) -> None:
    answer = call(port, "POST", URL, BOOT, Content_Encoding="gzip")
    assert (answer[0], detail(answer)) == (
        415,
        "the body is packed by gzip; send the picture as it is",
    )
    assert call(port, "POST", URL, BOOT, Content_Encoding="identity")[0] == 200


def test_who_offers_another_protocol_is_answered_in_this_one(port: int) -> None:
    """As Java's HttpClient does: RFC 9110, 7.8, lets a server pass over the offer."""
    offer = {"Connection": "Upgrade, HTTP2-Settings", "HTTP2_Settings": "AAEA", "Upgrade": "h2c"}
    answer = call(port, "POST", URL, BOOT, **offer)
    assert (answer[0], answer[2]) == (200, call(port, "POST", URL, BOOT)[2])
