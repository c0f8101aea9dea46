r"""Pictures of the pages, for the README and docs: python -m bench.screenshots RUN OTHER.

Writes docs/images/page.png, layers.png, window.png, evidence.png, draw.png, report.png, map.png,
film.png and compare.png. Needs Debian's chromium. RUN and OTHER are of the assignment's network,
with the test set sealed and at least ten epochs, as these:

    fashion-cnn train baseline --no-test --train-images 12000 --epochs 12 --output lr-0.001
    fashion-cnn train baseline --no-test --train-images 12000 --epochs 12 --lr 0.003 \
        --output lr-0.003

The first must be exported (fashion-cnn export lr-0.001). Everything that is made on the way lies in
a temporary folder.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

import fashion_cnn
from bench.campaign.serving import running
from fashion_cnn.shipping.serve import PAGE

REPOSITORY = Path(__file__).parents[1]
IMAGES = REPOSITORY / "docs/images"
BOOT = REPOSITORY / "examples/boot.png"
WIDTH, DENSITY = 820, 1.5  # pages are laid out for this width, and are shown 700 wide
MOST_BYTES, MOST_COLOURS = 200_000, 96


def save(name: str, shown: Page | Locator) -> None:
    """Write what is shown, in few colours: a page has hardly more, and the file is a third."""
    with Image.open(io.BytesIO(shown.screenshot(animations="disabled"))) as picture:
        small = picture.convert("RGB").quantize(MOST_COLOURS, dither=Image.Dither.NONE)
    path = IMAGES / f"{name}.png"
    small.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(REPOSITORY)}: {small.width} x {small.height}, {size:,} bytes")
    assert size < MOST_BYTES


def open_page(browser: Browser, url: str, width: int = WIDTH, height: int = 620) -> Page:
    """Open a page as light, with a little time for what moves."""
    page = browser.new_page(
        viewport={"width": width, "height": height},
        device_scale_factor=DENSITY,
        color_scheme="light",
    )
    page.goto(url)
    return page


def of_the_server(browser: Browser, run: Path) -> None:
    """The answer to a photo; a garment through the layers of the assignment's network."""
    with running() as port:
        page = open_page(browser, f"http://127.0.0.1:{port}/", 1040, 700)
        page.set_input_files("#file", BOOT)
        page.wait_for_selector("#result", state="visible")
        page.wait_for_timeout(500)
        save("page", page.locator("main"))
        page.close()
    with running(run) as port:
        page = open_page(browser, f"http://127.0.0.1:{port}/")
        page.set_input_files("#file", PAGE / "samples/4-coat.png")
        page.wait_for_selector("#result", state="visible")
        page.click("#layers summary")
        page.locator(".through .maps").first.locator("button").nth(7).click()
        parts = page.locator(".through > section")
        save("layers", parts.nth(0))
        page.locator(".through .at-work canvas").first.hover(position={"x": 132, "y": 62})
        save("window", parts.nth(1))
        save("evidence", parts.nth(2))
        page.close()


def drawn(browser: Browser) -> None:
    """A pullover whose sleeves are cut off, then widened at its hem."""
    with running() as port:
        page = open_page(browser, f"http://127.0.0.1:{port}/", 1040, 900)
        page.get_by_label("Draw or erase").check()
        pad = page.locator("#pad")

        def stroke(tool: str, *points: tuple[float, float]) -> None:
            page.get_by_label(tool, exact=True).check()
            box = pad.bounding_box()
            assert box
            for number, (x, y) in enumerate(points):
                page.mouse.move(box["x"] + x * box["width"] / 28, box["y"] + y * box["height"] / 28)
                if not number:
                    page.mouse.down()
            page.mouse.up()
            page.wait_for_timeout(400)

        page.get_by_role("button", name="Pullover", exact=True).click()
        page.wait_for_timeout(400)
        for x in (3.5, 24.5):
            stroke("Eraser", (x, 20), (x, 27))
            stroke("Eraser", (x, 13), (x, 20))
        stroke("Brush", (9, 26), (5, 27), (23, 27), (19, 26))
        save("draw", page.locator("main"))
        page.close()


def of_the_report(browser: Browser, run: Path, folder: Path) -> None:
    """A cell of the matrix, the map with an image under the mouse, and the film half way."""
    made = fashion_cnn.report(run, folder / "report.html", show=["map"])
    page = open_page(browser, made.resolve().as_uri(), 1040, 900)
    page.click('#confusion [data-cell="6-2"]')  # shirts called pullovers
    page.add_style_tag(
        content="nav { display: none !important; }"
        "#shown .gallery { max-height: 10.6rem; overflow: hidden; }"
        "#shown ~ * { display: none; }"
    )
    page.wait_for_timeout(300)
    save("report", page.locator("#confusion"))
    page.close()
    page = open_page(browser, made.resolve().as_uri(), height=900)
    page.add_style_tag(content="nav { display: none !important; }")
    page.select_option("#map-colour", "label")
    for x in range(300, 500, 8):  # until an image is under the mouse
        page.locator("#map-canvas").hover(position={"x": x, "y": 260})
        if page.locator("#map-tip").is_visible():
            break
    save("map", page.locator("#map"))
    page.close()
    page = open_page(browser, made.resolve().as_uri(), 1040, 900)
    page.add_style_tag(content="nav, #film-garments { display: none !important; }")
    page.locator("#film-at").fill("5")
    page.wait_for_timeout(300)
    save("film", page.locator("#film"))
    page.close()


def of_the_comparison(browser: Browser, runs: list[Path], folder: Path) -> None:
    """Two runs image by image, with a cell opened."""
    made = fashion_cnn.compare(*runs).page(folder / "compare.html")
    page = open_page(browser, made.resolve().as_uri(), height=900)
    page.click('#matrix [data-cell="0-6"]')  # T-shirts called shirts
    page.add_style_tag(content="#shown .gallery { max-height: 12rem; overflow: hidden; }")
    save("compare", page.locator("#differences"))
    page.close()


def main() -> None:
    """Make them all."""
    run, other = map(Path, sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        of_the_server(browser, run)
        drawn(browser)
        of_the_report(browser, run, Path(folder))
        of_the_comparison(browser, [run, other], Path(folder))
        browser.close()


if __name__ == "__main__":
    main()
