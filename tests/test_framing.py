"""How a data set's images lie in their pixels: measured, kept, and what photos are made into."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fashion_cnn.cli import main
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.framing import AS_PUBLISHED, Framing, measure_framing
from fashion_cnn.data.photo import prepare, read_photo
from fashion_cnn.errors import ImageError, UsageError
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.predict import Predictor, open_predictor
from opened import load_training
from shapes import write_files
from test_decoding import encoded

MNIST = Framing("black", 20, "mass")


def wedges(count: int, framing: Framing = MNIST) -> np.ndarray:
    """Triangles of many widths, made as `framing` says: their box and mass lie apart."""
    return np.stack([prepare(wedge(90 + 6 * i), framing).seen for i in range(count)])


def wedge(width: int, ground: int = 255, ink: int = 0) -> np.ndarray:
    picture = Image.new("L", (300, 280), ground)
    ImageDraw.Draw(picture).polygon([(30, 30), (30, 230), (30 + width, 230)], fill=ink)
    return np.asarray(picture.convert("RGBA"))


@pytest.mark.parametrize("ground", ["black", "white"])
@pytest.mark.parametrize(("edge", "centre"), [(28, "box"), (20, "mass"), (20, "box"), (24, "box")])
def test_what_images_were_made_by_is_measured(ground, edge, centre) -> None:
    framing = Framing(ground, edge, centre)
    assert measure_framing(wedges(20, framing)) == framing
    assert Framing.parse(str(framing)) == framing


@pytest.mark.parametrize("ground", ["black", "white"])
def test_a_background_need_not_be_of_one_level(ground: str) -> None:
    framing = Framing(ground, 20, "box")
    noise = np.random.default_rng(0).integers(0, 21, (20, 28, 28), dtype=np.uint8)
    images = wedges(20, framing)
    uneven = np.maximum(images, noise) if ground == "black" else np.minimum(images, 255 - noise)
    assert measure_framing(uneven) == framing


def test_a_few_that_fill_their_images_are_not_the_set() -> None:
    large = wedges(9, Framing("black", 28, "box"))
    assert measure_framing(np.concatenate([wedges(10), large])).longest == 20


@pytest.mark.parametrize(("edge", "centre"), [(27, "box"), (26, "mass")])
def test_what_leaves_a_pixel_of_room_or_none_lies_by_its_box(edge: int, centre: str) -> None:
    """The mass never moves, and the box by the one pixel that it can."""
    images = np.zeros((10, 28, 28), np.uint8)
    images[:, 10:18, 10:18] = 255
    for place, image in enumerate(images):
        image[place % 2, place % 2] = image[place % 2 + edge - 1, place % 2 + edge - 1] = 60
    assert measure_framing(images) == Framing("black", edge, centre)


def test_a_place_is_one_in_both_directions() -> None:
    """The mass moves by 4 down and by 4 sideways, the box by 5 sideways alone, which is less."""
    images = np.zeros((2, 28, 28), np.uint8)
    for image, to in zip(images, (0, 5), strict=True):
        image[4:20, 2 + to : 18 + to] = 30
    images[0, 4:8, 8:12] = images[1, 16:20, 10:14] = 255
    assert measure_framing(images).centre == "box"


def test_fashion_mnists_is_that_of_its_publisher(real_data) -> None:
    images = load_training(real_data).images
    assert measure_framing(images) == AS_PUBLISHED
    assert measure_framing(255 - images) == Framing("white")


def test_textures_have_no_ground() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)
    assert measure_framing(noise) == Framing("none")
    assert measure_framing(noise[:1] * 0) == AS_PUBLISHED, (
        "nothing is on black, and nothing says more"
    )


@pytest.mark.parametrize(
    "text",
    ["", "black", "grey,20,box", "black,3,box", "white,29,box", "black,20,middle", "none,20,box"],
)
def test_a_wrong_framing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no framing"):
        Framing.parse(text)


@pytest.mark.parametrize(("ground", "ink"), [(255, 0), (200, 30), (0, 255)])
def test_a_sketch_is_framed_as_the_data_are(ground: int, ink: int) -> None:
    """On paper or on a blackboard: 20 pixels high, its mass in the middle of 28."""
    seen = prepare(wedge(140, ground, ink), MNIST).seen.astype(float)
    rows = np.flatnonzero(seen.any(axis=1))
    assert rows[-1] - rows[0] + 1 == 20
    for axis in (0, 1):
        weights = seen.sum(axis=axis)
        assert abs(weights @ np.arange(28) / weights.sum() - 13.5) <= 0.5
    white = prepare(wedge(140, ground, ink), Framing("white", 20, "mass")).seen
    np.testing.assert_array_equal(white, 255 - seen)


CHALK = [
    ((10, 14, 12), (240, 240, 235)),
    ((50, 50, 50), (235, 235, 235)),
    ((25, 60, 40), (240, 240, 240)),
    ((0, 0, 0), (255, 235, 0)),
]


def stroke(ground: tuple[int, int, int], ink: tuple[int, int, int]) -> np.ndarray:
    pixels = np.full((200, 160, 4), 255, np.uint8)
    pixels[:, :, :3] = ground
    pixels[40:160, 60:100, :3] = ink
    return pixels


@pytest.mark.parametrize(("ground", "ink"), CHALK)
def test_chalk_on_a_board_is_bright_on_dark_to_ones_own_data(ground, ink) -> None:
    """A blackboard is rarely black, nor chalk grey; nor is the screen of a phone at night."""
    level = np.array(ink) @ (0.299, 0.587, 0.114)
    photo = prepare(stroke(ground, ink), MNIST)
    assert abs(int(photo.seen.max()) - level) <= 1
    assert photo.seen[0].max() == 0
    (note,) = photo.notes
    assert note == "brighter than its background, so taken for one like those of the data set"
    white = prepare(stroke(ground, ink), Framing("white", 20, "mass"))
    np.testing.assert_array_equal(white.seen, 255 - photo.seen)
    assert white.notes == (note.replace("one like", "one unlike"),)
    on_paper = prepare(stroke(ink, ground), MNIST)
    assert on_paper.notes == ()
    assert on_paper.seen.max() > 150


@pytest.mark.parametrize(("ground", "ink"), CHALK)
def test_fashion_mnists_garments_are_dark_whatever_they_lie_on(ground, ink) -> None:
    photo = prepare(stroke(ground, ink))
    assert photo.notes == ()
    level = 255 - np.array(ink) @ (0.299, 0.587, 0.114)
    assert abs(np.median(photo.seen[8:20, 12:16]) - level) <= 2


def test_where_nothing_stands_out_nothing_is_brighter() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    noise[[0, -1]] //= 4
    noise[:, [0, -1]] //= 4
    pixels = np.dstack([noise, np.full((28, 28), 255, np.uint8)])
    assert prepare(pixels, MNIST).notes == ("nothing stands out from the background",)


def test_a_whole_picture_is_shrunk_around_its_middle() -> None:
    pixels = np.full((56, 100, 4), 255, np.uint8)
    pixels[:, 22:78, :3] = np.arange(56)[:, np.newaxis, np.newaxis] * 4
    pixels[:, :22, :3] = pixels[:, 78:, :3] = 9
    seen = prepare(pixels, Framing("none")).seen
    np.testing.assert_array_equal(seen, np.repeat(np.arange(28)[:, np.newaxis] * 8 + 2, 28, axis=1))


def test_28x28_pictures_are_told_apart_by_the_data_sets_ground() -> None:
    dark_on_white = encoded(Image.fromarray(255 - wedges(1)[0]))
    assert "bright on black" in read_photo(dark_on_white).notes[0]
    assert read_photo(dark_on_white, Framing("white")).notes == ()
    bright_on_black = encoded(Image.fromarray(wedges(1)[0]))
    assert "dark on white" in read_photo(bright_on_black, Framing("white")).notes[0]
    assert read_photo(bright_on_black).notes == ()
    assert read_photo(bright_on_black, Framing("none")).notes == ()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_nothing_is_nothing_at_any_size(level: int) -> None:
    for side in (28, 600):
        data = encoded(Image.new("L", (side, side), level))
        with pytest.raises(ImageError, match="nothing in this picture: it is of one"):
            read_photo(data)
        assert (read_photo(data, Framing("none")).seen == level).all()


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    images, labels = 255 - wedges(30), (np.arange(30) % 2).astype(np.uint8)
    return write_files(tmp_path / "own", images[:20], labels[:20], images[20:], labels[20:])


def test_it_is_kept_with_the_data_and_can_be_said_otherwise(own, capsys) -> None:
    assert main(["data", "adopt", "own"]) == 0
    assert "dark on white, the longest edge 20 of 28 pixels, its mass in" in capsys.readouterr().err
    assert DataSet.open(own).contents.framing == Framing("white", 20, "mass")
    assert main(["data", "adopt", "own", "--framing", "none"]) == 0
    assert DataSet.open(own).contents.framing == Framing("none")
    assert main(["data", "adopt", "own", "--framing", "pink"]) == 2
    manifest = json.loads((own / "dataset.json").read_text())
    del manifest["framing"]  # as it was written before this was measured
    (own / "dataset.json").write_text(json.dumps(manifest))
    assert DataSet.open(own).contents.framing == AS_PUBLISHED


def test_a_model_prepares_by_what_it_learned_from(own) -> None:
    """From the folder through the run into the file, and there for every picture that comes."""
    assert main(["data", "adopt", "own"]) == 0
    words = ["--epochs", "1", "--batch-size", "5", "--validation", "0.3", "--threads", "1"]
    assert main(["train", "fast", *words, "--data-dir", "own", "--output", "run"]) == 0
    assert main(["export", "run", "--data-dir", "own"]) == 0
    predictor = open_predictor(Path("run"), threads=1)
    assert predictor.classifier.facts["framing"] == "white,20,mass"
    sketch = encoded(Image.fromarray(wedge(100)))
    wanted = read_photo(sketch, Framing("white", 20, "mass")).seen
    np.testing.assert_array_equal(predictor.predict(sketch).seen, wanted)
    pretrained = open_predictor(threads=1)
    np.testing.assert_array_equal(pretrained.predict(sketch).seen, read_photo(sketch).seen)
    assert isinstance(pretrained, Predictor)
    assert isinstance(pretrained.classifier, OnnxClassifier)


def test_imported_28x28_pictures_are_measured_and_photos_are_not(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    small, large = wedges(12), [wedge(90 + 6 * i) for i in range(12)]
    for folder, pictures in (("small", small), ("large", large)):
        for number, pixels in enumerate(pictures):
            place = Path(folder, "ab"[number % 2], f"{number}.png")
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place)
    for words, framing in (
        (["small", "--output", "a"], MNIST),
        (["large", "--output", "b"], AS_PUBLISHED),
        (["large", "--output", "c", "--framing", "white,20,mass"], Framing("white", 20, "mass")),
    ):
        assert main(["data", "import", *words]) == 0
        assert DataSet.open(Path(words[2])).contents.framing == framing
    images = load_training(Path("c")).images
    white = [read_photo(encoded(Image.fromarray(one)), framing).seen.tobytes() for one in large]
    assert {image.tobytes() for image in images} < {*white}


def test_an_import_says_where_another_framing_would_do_better(tmp_path, capsys) -> None:
    """Where most pictures are pixels of another framing, and where nothing stands out in them."""
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        for folder in ("mixed", "scenes"):
            (tmp_path / folder / name).mkdir(parents=True)
        for number, image in enumerate(wedges(12)):
            image[27, 27] = number + 12 * (name == "b")  # no two are the same file
            Image.fromarray(image).save(tmp_path / "mixed" / name / f"{number}.png")
            scene = random.integers(0, 256, (28, 28, 3), dtype=np.uint8)
            Image.fromarray(scene).save(tmp_path / "scenes" / name / f"{number}.png")
        Image.fromarray(wedge(90 + 9 * (name == "b"))).save(tmp_path / "mixed" / name / "photo.png")
    words = ["data", "import", str(tmp_path / "mixed"), "--output"]
    assert main([*words, str(tmp_path / "first")]) == 0
    assert f"to prepare photos the same way: --framing {MNIST}\n" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "second"), "--framing", str(MNIST)]) == 0
    assert "the same way" not in capsys.readouterr().err
    words = ["data", "import", str(tmp_path / "scenes"), "--output"]
    assert main([*words, str(tmp_path / "third")]) == 0
    assert "of 24 pictures; to have them whole: --framing none" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "fourth"), "--framing", "none"]) == 0
    assert "to have them whole" not in capsys.readouterr().err


@pytest.mark.parametrize("side", [28, 200])
def test_white_on_transparent_is_seen(side: int) -> None:
    """As a canvas, a logo or white ink comes."""
    pixels = np.zeros((side, side, 4), np.uint8)
    pixels[side // 4 : side // 2, side // 4 : 3 * side // 4] = 255
    photo = prepare(pixels)
    assert photo.seen.max() > 200
    assert photo.seen[0].max() == 0
    assert photo.notes == ("white on transparent, so taken as bright on black",)
    assert prepare(pixels, Framing("white", 20, "box")).seen.min() < 50
    assert prepare(pixels, Framing("none")).seen.max() == 255
    pixels[..., :3] = 0
    np.testing.assert_array_equal(prepare(pixels).seen > 100, photo.seen > 100)
