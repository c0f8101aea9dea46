"""The site of the documentation: it builds, whole, and every page fits a phone."""

import dataclasses
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

import fashion_cnn as fc
from fashion_cnn.cli.main import _group
from fashion_cnn.recipes.recipe import Recipe
from make_docs import faults
from reference import _markdown
from test_docs import every_command

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPOSITORY = Path(__file__).resolve().parents[1]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documentation")
    command = [sys.executable, REPOSITORY / "bench/make_docs.py", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_every_page_fits_a_phone_and_asks_nobody_else(
    site: Path, address: str, chromium: "Browser"
) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    asked, wide = [], []
    page.on("request", lambda request: asked.append(request.url))
    for html in sorted(site.glob("*.html")):
        page.goto(address + html.name)
        if page.evaluate("document.documentElement.scrollWidth") > 390:
            wide.append(html.name)
    page.close()
    assert wide == []
    assert [url for url in asked if not url.startswith((address, "data:"))] == []


def test_the_pages_can_be_searched(address: str, chromium: "Browser") -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.locator("button:visible", has_text="Search").first.click()
    page.get_by_role("combobox", name="Search").fill("calibration")
    page.get_by_text(re.compile(r"^\s*\d+ results\s*$")).wait_for(timeout=60_000)
    page.close()


def write(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"<html><body>{body}</body></html>")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<a href='none.html'>x</a>", "index.html: none.html leads nowhere"),
        ("<img src='none.png'>", "index.html: none.png leads nowhere"),
        ("<a href='b.html#none'>x</a>", "index.html: b.html#none has no such place"),
        ("<script src='https://cdn.example/x.js'></script>", "index.html: loads https://cdn"),
        ("", "b.html: nothing leads here"),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, body: str, fault: str) -> None:
    write(tmp_path, "index.html", body + ("<a href='b.html'>x</a>" if body else ""))
    write(tmp_path, "b.html", "<p id='here'>")
    (found,) = faults(tmp_path)
    assert found.startswith(fault)


def test_links_that_lead_somewhere_pass(tmp_path: Path) -> None:
    body = (
        "<a href='b.html#here'>x</a> <a href='https://example.org'>x</a> <a href='#top' id='top'>"
    )
    write(tmp_path, "index.html", body)
    write(tmp_path, "b.html", "<p id='here'>")
    assert list(faults(tmp_path)) == []


def test_the_reference_has_every_command_field_and_function(site: Path) -> None:
    text = {name: (site / f"{name}.html").read_text() for name in ("commands", "recipe-fields")}
    for words in every_command(_group):
        assert f"Usage: fashion-cnn {' '.join(words)} " in text["commands"]
    for item in dataclasses.fields(Recipe):
        assert item.name == "name" or f"<code>{item.name}</code>" in text["recipe-fields"]
    python = (site / "python-reference.html").read_text()
    for name in fc.__all__:
        assert not callable(getattr(fc, name)) or f'id="{name.lower()}"' in python, name


def test_a_docstring_becomes_markdown() -> None:
    docstring = """Divide it.

    >>> divide(4, 2)  # doctest: +SKIP
    2

    Args:
        a: what is
            divided.
        b: not 0.

    Returns:
        A number: a float.

    Raises: as `train`.
    """
    assert _markdown(inspect.cleandoc(docstring)) == (
        "Divide it.\n\n```python\n>>> divide(4, 2)\n2\n```\n\n**Args**\n\n"
        "- `a`: what is divided.\n- `b`: not 0.\n\n**Returns**\n\nA number: a float.\n\n"
        "**Raises** as `train`."
    )
