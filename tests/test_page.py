"""The page in a real browser: pictures in by every way, answers, faults, no console error."""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from PIL import Image
from playwright.sync_api import expect

from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.on_torch.export import to_onnx
from fashion_cnn.shipping.graph import OPSET, complete
from fashion_cnn.shipping.inside import NO_MAPS, NO_WINDOW
from fashion_cnn.shipping.predict import PRETRAINED
from serving import BOOT, SAMPLES, running
from test_export import CALIBRATION
from test_layers import FACTS, Own

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
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert reached == ["INPUT", "file", "camera", *["BUTTON"] * 10, "A"]


def test_words_follow_the_probabilities(page: "Page") -> None:
    """The sample is answered 50 to 48 %: neither class is the answer."""
    page.click("#samples img[alt=Shirt]")
    assert headline(page) == "T-shirt/top or Shirt, a close call"
    assert page.inner_text("#truth") == "Its label is Shirt: T-shirt/top is wrong."
    expect(page.locator("#status")).to_contain_text("a close call")
    assert page.inner_text("#others") == "No other class has more than 0.7 %."
    assert "94.90 % of 10,000 test images" in page.inner_text("#answered-by")
    page.click("#samples img[alt=Trouser]")
    expect(page.locator("#truth")).to_have_text("Its label is Trouser: right.")


def test_a_doubtful_answer_is_no_headline(page: "Page") -> None:
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    page.set_input_files("#file", {"name": "n", "mimeType": "", "buffer": file.getvalue()})
    assert re.fullmatch(r"A guess: [^%]+", headline(page))
    assert "looks like nothing" in page.inner_text("#warnings")


def test_several_files_are_all_answered(page: "Page", tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"<html>")
    page.set_input_files("#file", [SAMPLES[1], bad, SAMPLES[8]])
    answers = page.locator("#several button")
    expect(answers).to_contain_text(["Trouser", "not answered", "Bag"])
    answers.nth(2).press("Enter")
    assert headline(page).startswith("Bag")
    answers.nth(1).click()
    assert "not a PNG, JPEG, WEBP, AVIF or HEIC picture" in page.inner_text("#error")


def test_waiting_can_be_cancelled_and_repeated(page: "Page") -> None:
    page.set_viewport_size({"width": 390, "height": 700})
    page.route("**/v1/predict", lambda _: None)
    page.set_input_files("#file", SAMPLES[9])
    page.wait_for_selector("#preview", state="visible")
    box = page.locator("#waiting").bounding_box()
    assert box
    assert box["y"] < 400, "brought into view"
    page.click("#cancel")
    assert "Cancelled" in page.inner_text("#error")
    page.unroute("**/v1/predict")
    page.click("#again")
    assert headline(page).startswith("Ankle boot")


def test_an_answer_is_not_waited_for_without_end(page: "Page") -> None:
    page.clock.install()
    page.route("**/v1/predict", lambda _: None)
    page.set_input_files("#file", SAMPLES[9])
    page.wait_for_selector("#preview", state="visible")
    page.clock.fast_forward(31_000)
    page.wait_for_selector("#error", state="visible")
    assert "No answer within 30 seconds" in page.inner_text("#error")


def levels(page: "Page") -> np.ndarray:
    """The pixels on the pad, uint8 (28, 28)."""
    address = page.locator("#pad").evaluate("(pad) => pad.toDataURL()")
    with Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) as picture:
        return np.asarray(picture.convert("L"))


def stroke(page: "Page", *points: tuple[float, float]) -> None:
    """Draw from point to point, in pixels of the pad."""
    pad = page.locator("#pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box
    for number, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"] / 28, box["y"] + y * box["height"] / 28)
        if not number:
            page.mouse.down()
    page.mouse.up()


def test_a_drawing_for_a_model_of_dark_on_white_is_turned_round(
    chromium: "Browser", tmp_path: Path
) -> None:
    model = onnx.load(PRETRAINED)
    properties = {one.key: one.value for one in model.metadata_props}
    helper.set_model_props(model, {**properties, "framing": '"white,28,box"'})
    onnx.save(model, tmp_path / "white.onnx")
    with running(tmp_path / "white.onnx") as port:
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        expect(page.locator("#model")).to_contain_text("classes")
        page.get_by_label("Draw or erase").check()
        answers = []
        page.on("response", lambda one: answers.append(one))  # playwright takes no method of a list
        stroke(page, (6, 6), (20, 6), (20, 20), (6, 20), (6, 6))
        headline(page)
        expect(page.locator("#trace-key li")).not_to_have_count(0)
        last = [one for one in answers if one.url.endswith("/v1/predict")][-1].json()
        with Image.open(io.BytesIO(base64.b64decode(last["seen_png"]))) as picture:
            seen = np.asarray(picture.convert("L"))
        assert seen.min() < 100 < 245 < seen.max()
        np.testing.assert_array_equal(seen, 255 - levels(page))
        page.get_by_label("Show one").check()
        page.focus("#samples img[alt=Trouser] >> ..")
        page.keyboard.press("Enter")
        headline(page)
        page.focus("#edit")
        page.keyboard.press("Enter")
        expect(page.locator("#trace-words")).to_contain_text("Step 1, start")
        address = page.get_attribute("#seen", "src") or ""
        with Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) as picture:
            np.testing.assert_array_equal(levels(page), 255 - np.asarray(picture.convert("L")))
        page.close()


def test_an_outline_is_closed_filled_and_undone(page: "Page") -> None:
    page.get_by_label("Draw or erase").check()
    stroke(page, (6, 2), (22, 2), (22, 26), (19, 26), (14, 10), (9, 26), (6, 26), (6, 5))
    assert headline(page) != ""
    expect(page.locator("#trace-words")).to_have_text(re.compile(r"Step 1, brush: \w+ \d"))
    assert levels(page)[5, 14] == 190, "inside"
    assert levels(page)[24, 14] == 0, "between the legs"
    assert page.locator("#trace-chart polyline").count() >= 3
    page.get_by_label("Eraser").check()
    stroke(page, (14, 5))
    expect(page.locator("#trace-words")).to_have_text(re.compile(r"Step 2, eraser: .* points\)"))
    assert levels(page)[5, 14] == 0
    page.get_by_label("Fill", exact=True).check()
    stroke(page, (14, 5))
    assert levels(page)[5, 14] == 190
    for _ in range(3):
        page.click("#undo")
    assert not levels(page).any()
    expect(page.locator("#result")).to_be_hidden()
    page.uncheck("#close")
    page.get_by_label("Brush").check()
    stroke(page, (8, 2), (20, 2), (20, 26), (8, 26), (8, 5))
    assert levels(page)[14, 14] == 0, "an outline stays one"


TIMES = """() => {
    let began = 0;
    window.times = [];
    addEventListener("pointerup", () => { began = performance.now(); }, true);
    new MutationObserver(() => window.times.push(performance.now() - began))
        .observe(document.getElementById("trace-words"), { childList: true }); // with the bars
}"""


def test_the_bars_move_soon_after_a_stroke_and_a_fallen_class_keeps_its_name(page: "Page") -> None:
    page.get_by_label("Draw or erase").check()
    page.get_by_role("button", name="Trousers").click()
    assert headline(page).startswith("Trouser")
    page.evaluate(TIMES)
    page.get_by_label("Eraser").check()
    for step, height in enumerate((26, 24, 22, 20, 18), 2):
        stroke(page, (4, height), (24, height))
        expect(page.locator("#trace-words")).to_contain_text(f"Step {step}, eraser")
    times = page.evaluate("window.times")
    assert len(times) == 5
    assert min(times) < 150, "milliseconds; others work on this machine too"
    assert not page.inner_text("#headline").startswith("Trouser")
    expect(page.locator("#trace-key")).to_contain_text("Trouser")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640)])
def test_on_a_phone_pad_and_bars_are_in_view_together(
    page: "Page", width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.get_by_label("Draw or erase").check()
    before = page.locator("#pad").bounding_box()
    stroke(page, (6, 2), (22, 2), (22, 26), (6, 26))
    assert headline(page) != ""
    pad, answer = (page.locator(name).bounding_box() for name in ("#pad", "#answer-card"))
    assert pad == before, "a pad that moves under the finger draws where nobody meant"
    assert pad
    assert answer
    assert 0 <= pad["y"] < pad["y"] + pad["height"] <= answer["y"]
    assert answer["y"] + answer["height"] <= height
    bars = [bar.bounding_box() for bar in page.locator("#bars .track").all()]
    assert len(bars) == 10
    assert all(bar and answer["y"] < bar["y"] < height and bar["width"] > 100 for bar in bars)
    page.keyboard.press("Tab")
    for _ in range(6):  # the tools below: none is left behind the bars
        focused = page.evaluate(
            "(({ top, bottom }) => [top, bottom])(document.activeElement.getBoundingClientRect())"
        )
        assert focused[1] <= answer["y"]
        page.keyboard.press("Tab")


def test_a_sample_is_edited_by_keyboard(page: "Page") -> None:
    page.focus("#samples img[alt=Trouser] >> ..")
    page.keyboard.press("Enter")
    assert headline(page).startswith("Trouser")
    page.focus("#edit")
    page.keyboard.press("Enter")
    expect(page.locator("#pad")).to_be_focused()
    expect(page.locator("#trace-words")).to_contain_text("Step 1, start: Trouser")
    with Image.open(SAMPLES[1]) as sample:
        before = np.asarray(sample.convert("L"))
    np.testing.assert_array_equal(levels(page), before)
    page.keyboard.press("Space")
    expect(page.locator("#trace-words")).to_contain_text("Step 2, brush")
    assert levels(page)[13:15, 13:15].tolist() == [[190, 190], [190, 190]]
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#trace-words")).to_contain_text("Step 3, brush")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    np.testing.assert_array_equal(levels(page), before)
    page.get_by_role("button", name="Dress").press("Enter")
    expect(page.locator("#trace-words")).to_contain_text("Dress: ")
    names = page.locator("#bars li > span:first-child").all_inner_texts()
    assert names == list(CLASS_NAMES), "bars stay in place while one draws"


def numbers_in(text: str) -> list[float]:
    return [float(one.replace("−", "-")) for one in re.findall(r"[+−]\d+\.\d+", text)]


def test_a_map_is_enlarged_and_a_window_slid_by_mouse(page: "Page") -> None:
    page.set_input_files("#file", SAMPLES[9])
    headline(page)
    page.click("#layers summary")
    maps = page.locator(".through .maps")
    expect(maps).to_have_count(4)
    assert [maps.nth(stage).locator("button").count() for stage in range(4)] == [8, 32, 64, 128]
    maps.nth(0).locator("button").nth(2).click()
    expect(page.locator(".through .chosen")).to_contain_text("Stage 1, map 3. Its strongest value")
    expect(page.locator(".through .filter output")).to_have_text("3 of 8")
    assert page.locator(".through .chosen canvas").first.evaluate("(one) => one.width") == 27
    picture = page.locator(".through .at-work canvas").first
    picture.hover(position={"x": 150, "y": 165})
    said = page.inner_text(".through .window > p:last-child")
    products = [numbers_in(text)[0] for text in page.locator(".through .sum b").all_inner_texts()]
    total, bias, made = numbers_in(said)
    assert len(products) == 4
    assert sum(products) == pytest.approx(total, abs=0.03)  # rounded, each
    assert total + bias == pytest.approx(made, abs=0.02)
    picture.hover(position={"x": 120, "y": 200})
    assert page.inner_text(".through .window > p:last-child") != said
    assert "becomes 0 (ReLU)" in said


def test_the_trace_of_a_model_of_more_classes_than_are_answered(page: "Page") -> None:
    """Of each step there are the ten classes that are likeliest: others come and go."""
    page.evaluate(
        """async () => {
          const { addStep } = await import("/trace.js");
          const top = (first) => Array.from({ length: 10 }, (_, rank) =>
            ({ label: `class ${first + rank}`, probability: rank ? 0.02 : 0.8 }));
          for (let step = 0; step < 45; step++) addStep("brush", { top: top(step < 44 ? 0 : 10) });
        }"""
    )
    words = page.locator("#trace-words")
    expect(words).to_have_text(re.compile(r"Step 45, brush: class 10 80\.0 % \(\+80\.0 points\)"))
    key = page.locator("#trace-key")
    expect(key).to_contain_text("class 10 80.0 %")
    expect(key).to_contain_text("class 0 0.0 %")
    points = page.locator("#trace-chart polyline").first.get_attribute("points")
    assert points
    assert "NaN" not in page.inner_html("#trace-chart")


def test_the_layers_stay_those_of_the_picture_that_is_shown(page: "Page") -> None:
    """Another picture is chosen and left again before its layers are here; or they fail."""
    page.set_input_files("#file", [SAMPLES[9], SAMPLES[0]])
    headline(page)
    page.click("#layers summary")
    shares = page.locator(".through .scores button").first
    expect(shares).to_be_visible()
    before = shares.inner_text()
    page.route("**/v1/layers*", lambda route: route.fulfill(status=500, body="{}"))
    buttons = page.locator("#several button")
    buttons.nth(1).click()
    expect(page.locator("#layers-parts")).to_be_hidden()
    page.unroute("**/v1/layers*")
    buttons.nth(0).click()
    expect(shares).to_be_visible()
    assert shares.inner_text() == before
    expect(page.locator("#layers-status")).to_have_text("")


def test_the_layers_by_keyboard(page: "Page") -> None:
    page.focus("#samples img[alt=Bag] >> ..")
    page.keyboard.press("Enter")
    headline(page)
    page.focus("#layers summary")
    page.keyboard.press("Enter")
    first = page.locator(".through .maps button").first
    expect(first).to_be_visible()
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(({ ariaLabel, textContent, type }) => ariaLabel || textContent || type)"
                "(document.activeElement)"
            )
        )
    assert reached[:4] == [f"Stage {1 + n}, map 1 of {c}" for n, c in enumerate((8, 32, 64, 128))]
    assert reached[4] == "range"
    assert reached[5].startswith("The picture. Arrow keys")
    assert re.fullmatch(r"Bag\d\d\.\d\s%, score \+\d.\d\d", reached[6])
    assert reached[7] != reached[6]
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".through .chosen")).to_contain_text("Stage 1, map 2.")
    page.focus(".through .at-work canvas")
    said = page.inner_text(".through .window > p:last-child")
    for _ in range(9):
        page.keyboard.press("ArrowUp")
    assert page.inner_text(".through .window > p:last-child") != said
    page.focus(".through .scores [aria-pressed=true]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    other = page.inner_text(".through .scores [aria-pressed=true] > span:first-child")
    assert other != "Bag"
    expect(page.locator(".through h4").first).to_have_text(f"The score of {other}")
    parts = [numbers_in(text)[-1] for text in page.locator(".through .parts li").all_inner_texts()]
    assert len(parts) == 11
    assert sum(parts[:-1]) == pytest.approx(parts[-1], abs=0.06)
    expect(page.locator(".through canvas[aria-label^=Evidence]")).to_have_attribute(
        "aria-label", re.compile(rf"Evidence for {other}: covering a place takes up to \d+ points")
    )


def test_the_layers_follow_a_drawing(page: "Page") -> None:
    page.get_by_label("Draw or erase").check()
    page.get_by_role("button", name="Dress").click()
    headline(page)
    page.click("#layers summary")
    shares = page.locator(".through .scores button").first
    expect(shares).to_be_visible()
    before = shares.inner_text()
    page.get_by_label("Eraser").check()
    stroke(page, (4, 20), (24, 20))
    expect(shares).not_to_have_text(before)
    page.click("#clear")
    expect(page.locator("#layers")).to_be_hidden()


def test_a_network_without_maps_says_so(chromium: "Browser", tmp_path: Path) -> None:
    """Somebody's own: one linear layer."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 3))
    facts = {
        **FACTS,
        "class_names": ["a", "b", "c"],
        "measured": {"accuracy": 0.5, "n": 100, "split": "test"},
    }
    file = tmp_path / "own.onnx"
    file.write_bytes(
        complete(to_onnx(Own(net[0], net[1]), OPSET), CALIBRATION, facts).SerializeToString()
    )
    with running(file) as port:
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.set_input_files("#file", SAMPLES[9])
        headline(page)
        page.click("#layers summary")
        expect(page.locator(".through .note")).to_have_text([NO_MAPS, NO_WINDOW])
        expect(page.locator(".through .parts")).to_contain_text("the other 776")
        page.close()


def test_a_bad_file_is_told_and_the_next_is_answered(page: "Page", tmp_path: Path) -> None:
    bad = tmp_path / "<img src=x onerror=alert(1)>.png"
    bad.write_bytes(b"<html>")
    page.set_input_files("#file", bad)
    page.wait_for_selector("#error", state="visible")
    assert "not a PNG, JPEG, WEBP, AVIF or HEIC picture" in page.inner_text("#error")
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


@pytest.mark.parametrize(
    ("token", "written"),
    [
        ("100%sure-%41nd-%zz-xyz",) * 2,
        ('a "b" <c> `d` and more',) * 2,
        ("correct horse battery", "correct%20horse%20battery"),
    ],
)
def test_a_token_is_taken_from_behind_the_hash(
    chromium: "Browser", token: str, written: str
) -> None:
    with running(token=token) as port:
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{port}/#{written}")
        page.click("#samples img[alt=Bag]")
        assert headline(page).startswith("Bag")
        assert page.url == f"http://127.0.0.1:{port}/", "nobody reads it on the projector"
        page.close()


def test_a_token_that_is_missing_is_asked_for_and_kept(chromium: "Browser") -> None:
    with running(token="correct horse battery") as port:
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("#ask-token", state="visible")
        page.click("#samples img[alt=Bag]")
        for given, said in (("wrong horse battery", "does not take this token"), ("", "")):
            expect(page.locator("#token")).to_be_focused()
            page.keyboard.type(given or "correct horse battery")
            page.keyboard.press("Enter")
            if said:
                expect(page.locator("#error")).to_contain_text(said)
        assert headline(page).startswith("Bag"), "what failed is asked again"
        page.click("footer a")
        page.go_back()
        page.reload()
        expect(page.locator("#model")).to_contain_text("balanced")
        assert page.is_hidden("#ask-token")
        page.close()


def test_the_interface_is_documented(page: "Page") -> None:
    page.click("footer a")
    page.wait_for_selector("#paths section")
    titles = page.locator("#paths h2").all_inner_texts()
    assert titles == [
        "POST /v1/predict",
        "POST /v1/layers",
        "GET /v1/model",
        "GET /metrics",
        "GET /healthz",
        "GET /readyz",
    ]
    assert "curl --data-binary" in page.inner_text("#example")
    answer = page.locator("#paths section").first.locator("pre").last
    expect(answer).to_contain_text('"label": "Ankle boot"')
    answer.focus()
    page.keyboard.press("End")
    page.wait_for_function("(part) => part.scrollTop > 0", arg=answer.element_handle())


SENT = """async ([width, height, noisy, white]) => {
    const paper = new OffscreenCanvas(width, height).getContext("2d");
    paper.fillStyle = "white";
    if (white) paper.fillRect(0, 0, width, height);
    const noise = paper.createImageData(noisy, noisy);
    for (let at = 0; at < noise.data.length; at += 65536)
      crypto.getRandomValues(noise.data.subarray(at, at + 65536));
    paper.putImageData(noise, 0, height - noisy);
    const large = await paper.canvas.convertToBlob();
    let sent = null;
    const before = globalThis.fetch;
    globalThis.fetch = (address, how) => {
      if (how?.body instanceof Blob) sent = how.body;
      return before(address, how);
    };
    const { predict } = await import("/server.js");
    await predict(large);
    const seen = await createImageBitmap(sent);
    const there = new OffscreenCanvas(seen.width, seen.height).getContext("2d");
    there.drawImage(seen, 0, 0);
    const first = there.getImageData(seen.width / 2, 10, 1, 1).data;
    return [large.size, [seen.width, seen.height], [...first]];
}"""


def test_what_is_transparent_in_a_large_picture_is_white(page: "Page") -> None:
    size, _, pixel = page.evaluate(SENT, [2100, 2600, 1600, False])
    assert size > 8_000_000
    assert min(pixel) > 250, "white, not black"


def test_a_photo_of_too_many_pixels_is_made_smaller(page: "Page") -> None:
    """A phone's of 50 million may have few bytes."""
    size, edges, _ = page.evaluate(SENT, [6000, 4500, 900, True])
    assert 2**20 < size < 8 * 2**20
    assert edges == [2048, 1536]


def test_a_drawing_that_failed_is_tried_again_and_no_older_picture(page: "Page") -> None:
    page.set_input_files("#file", SAMPLES[9])
    assert headline(page).startswith("Ankle boot")
    page.check("[name=way][value=drawing]")
    page.context.set_offline(True)
    page.locator("#pad").click(position={"x": 60, "y": 60})
    page.wait_for_selector("#error", state="visible")
    page.context.set_offline(False)
    page.click("#again")
    page.wait_for_selector("#result", state="visible")
    expect(page.locator("#result")).to_have_class(re.compile("drawn"))
