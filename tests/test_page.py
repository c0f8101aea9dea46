"""The page in a real browser: pictures in by every way, answers, faults, no console error."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from serving import BOOT, SAMPLES, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DROP = """([kind, name, data]) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    if (data) transfer.items.add(new File([bytes], name, { type: "image/png" }));
    const options = { bubbles: true, cancelable: true };
    document.body.dispatchEvent(kind === "paste"
        ? new ClipboardEvent(kind, { ...options, clipboardData: transfer })
        : new DragEvent(kind, { ...options, dataTransfer: transfer }));
}"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running() as found:
        yield found


@pytest.fixture
def page(chromium: "Browser", port: int) -> "Iterator[Page]":
    """The page, opened; at the end it must have asked nobody else and said nothing amiss."""
    opened = chromium.new_page(viewport={"width": 1100, "height": 800})
    said, asked = [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.set_default_timeout(15_000)
    opened.goto(f"http://127.0.0.1:{port}/")
    yield opened
    opened.close()
    # That a resource could not be loaded is the browser's own line on an answer that is a fault.
    assert [line for line in said if not line.startswith("Failed to load resource")] == []
    own = (f"http://127.0.0.1:{port}/", "blob:", "data:image/png")
    assert [url for url in asked if not url.startswith(own)] == []


def headline(page: "Page") -> str:
    page.wait_for_selector("#result", state="visible")
    return page.inner_text("#headline")


def test_a_file_is_answered(page: "Page") -> None:
    page.set_input_files("#file", SAMPLES[9])
    assert re.fullmatch(r"Ankle boot, \d\d\.\d %", headline(page))
    bars = page.locator("#bars li")
    assert bars.count() == 10
    assert bars.first.inner_text().startswith("Ankle boot")
    shares = [float(text.split()[-2]) for text in bars.all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.6)
    size = "async (image) => { await image.decode(); return [image.width, image.naturalWidth]; }"
    assert page.locator("#seen").evaluate(size)[1] == 28
    expect(bars.first.locator(".fill")).to_have_attribute("style", re.compile(r"width: 9\d"))
    expect(page.locator("#model")).to_contain_text("10,000 test images")


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_pictures_can_be_dropped_and_pasted(page: "Page", kind: str) -> None:
    page.evaluate(DROP, [kind, "shoe.png", base64.b64encode(BOOT).decode()])
    assert headline(page).startswith("Ankle boot")
    assert page.get_attribute("#given", "alt") == "shoe.png"
    page.evaluate(DROP, [kind, "", ""])
    page.wait_for_selector("#error", state="visible")
    assert page.is_hidden("#result")


def test_samples_by_mouse_and_keyboard(page: "Page") -> None:
    page.click("#samples img[alt=Trouser]")
    assert headline(page).startswith("Trouser")
    page.focus("#samples li:last-child button")
    page.keyboard.press("Enter")
    expect(page.locator("#headline")).to_contain_text("Ankle boot")
    assert page.locator("#samples img").count() == 10


def test_every_control_is_reached_by_keyboard(page: "Page") -> None:
    reached = []
    for _ in range(13):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert reached == ["file", "camera", *["BUTTON"] * 10, "A"]


def test_a_bad_file_is_told_and_the_next_is_answered(page: "Page", tmp_path: Path) -> None:
    bad = tmp_path / "<img src=x onerror=alert(1)>.png"
    bad.write_bytes(b"<html>")
    page.set_input_files("#file", bad)
    page.wait_for_selector("#error", state="visible")
    assert "not a PNG, JPEG or WEBP picture" in page.inner_text("#error")
    page.set_input_files("#file", SAMPLES[8])
    assert headline(page).startswith("Bag")
    assert page.is_hidden("#error")


def test_a_server_that_is_gone_and_back(page: "Page") -> None:
    page.context.set_offline(True)
    page.set_input_files("#file", SAMPLES[9])
    page.wait_for_selector("#error", state="visible")
    assert "The server does not answer" in page.inner_text("#error")
    page.context.set_offline(False)
    page.click("#again")
    assert headline(page).startswith("Ankle boot")


def test_a_busy_server_is_asked_again(page: "Page") -> None:
    turned_away = []

    def busy_once(route) -> None:
        if turned_away:
            route.continue_()
        else:
            turned_away.append(route)
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={"detail": "busy"})

    page.route("**/v1/predict", busy_once)
    page.click("#samples img[alt=Bag]")
    assert headline(page).startswith("Bag")
    assert len(turned_away) == 1


def test_it_fits_a_phone(page: "Page") -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.click("#samples img[alt=Bag]")
    headline(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("token", ["100%sure-%41nd-%zz-xyz", 'a "b" <c> `d` and more'])
def test_a_token_is_taken_as_it_stands_behind_the_hash(chromium: "Browser", token: str) -> None:
    with running(token=token) as port:
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{port}/#{token}")
        page.click("#samples img[alt=Bag]")
        assert headline(page).startswith("Bag")
        page.close()


def test_the_token_comes_behind_a_hash(chromium: "Browser") -> None:
    with running(token="correct horse battery") as port:
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("#error", state="visible")
        assert "token" in page.inner_text("#error")
        page.close()
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{port}/#correct%20horse%20battery")
        page.click("#samples img[alt=Bag]")
        assert headline(page).startswith("Bag")
        page.close()


def test_the_interface_is_documented(page: "Page") -> None:
    page.click("footer a")
    page.wait_for_selector("#paths section")
    titles = page.locator("#paths h2").all_inner_texts()
    assert titles == ["POST /v1/predict", "GET /v1/model", "GET /healthz", "GET /readyz"]
    assert "curl --data-binary" in page.inner_text("#example")
