"""Folders of photos as people have them: parts, links, and files of every kind."""

import csv
import errno
import io
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_cnn.cli import main
from fashion_cnn.data import decoding_child
from fashion_cnn.data.forms.find import files_in
from fashion_cnn.data.pictures import files_below, find_pictures
from fashion_cnn.errors import DataError
from opened import load_test, load_training
from test_decoding import chunk, encoded

RANDOM = np.random.default_rng(0)


pytestmark = pytest.mark.usefixtures("elsewhere")


def fill(folder: str, count: int = 4) -> None:
    """Pictures of 28x28 grey pixels, no two alike, under the names 0.png, 1.png, …"""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = RANDOM.integers(0, 256, (28, 28), dtype=np.uint8)
        Image.fromarray(pixels).save(Path(folder, f"{number}.png"))


def import_(folder: str, capsys, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["data", "import", folder, "--output", "own"]) == code
    return capsys.readouterr().err


def lock_up(monkeypatch, name: str) -> None:
    """Let nobody list folders of that name: root, whom no mode stops, runs tests too."""
    entered = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path.name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return entered(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)


def rows() -> Mapping[str, dict[str, str]]:
    with Path("own/pictures.csv").open() as file:
        return {row["file"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    ("train", "test", "other"),
    [
        ("train", "test", "val"),
        ("Training", "Testing", "Validation"),
        ("train_images", "test_images", "valid"),
        ("TRAIN SET", "t10k", "dev"),
        ("trainset", "testset", None),
        ("tr", "te", None),
    ],
)
def test_folders_named_as_parts_are_the_parts(train, test, other, capsys) -> None:
    for part, count in ((train, 4), (test, 3), (other, 2)):
        for name in ("hat", "training shoes"):
            if part:
                fill(f"photos/{part}/{name}", count)
    said = import_("photos", capsys)
    assert "taken for the parts, not for classes" in said
    assert Path("own/classes.txt").read_text() == "hat\ntraining shoes\n"
    for file, row in rows().items():
        assert row["part"] == ("test" if file.startswith(test) else "train")
    assert len(load_test(Path("own"))) == 6
    assert len(load_training(Path("own"))) == (12 if other else 8)


def test_parts_inside_each_class_and_an_archives_own_folder(capsys) -> None:
    for name in ("hat", "shoe"):
        fill(f"photos/archive-1.0/{name}/train")
        fill(f"photos/archive-1.0/{name}/test", 2)
    Path("photos/__MACOSX").mkdir()
    said = import_("photos", capsys)
    assert "entered archive-1.0/" in said
    assert len(load_test(Path("own"))) == 4


def test_without_a_test_part_a_share_is_drawn(capsys) -> None:
    for part in ("train", "val"):
        for name in ("hat", "shoe"):
            fill(f"photos/{part}/{name}", 5)
    assert "the 10 images for validation join" in import_("photos", capsys)
    assert (len(load_training(Path("own"))), len(load_test(Path("own")))) == (16, 4)


def test_a_train_is_a_class_among_vehicles(capsys) -> None:
    for name in ("train", "plane"):
        fill(f"photos/{name}")
    import_("photos", capsys)
    assert Path("own/classes.txt").read_text() == "plane\ntrain\n"


def test_parts_without_classes_are_refused(capsys) -> None:
    for part in ("train", "test"):
        fill(f"photos/{part}")
    assert "no class folders to train on" in import_("photos", capsys, 3)


@pytest.mark.parametrize("apart", ["seg_{0}/seg_{0}", "asl alphabet {0}", "{0}_set/{0}ingSet"])
def test_parts_are_told_by_the_words_that_differ(apart: str, capsys) -> None:
    for part, count in (("train", 4), ("test", 3)):
        for name in ("hat", "shoe"):
            fill(f"photos/{apart.format(part)}/{name}", count)
    fill("photos/seg_pred/seg_pred", 5)
    assert "seg_pred: in no class, with 5 pictures" in import_("photos", capsys, 4)
    assert Path("own/classes.txt").read_text() == "hat\nshoe\n"
    assert (len(load_training(Path("own"))), len(load_test(Path("own")))) == (8, 6)


def test_alike_but_not_for_a_part_are_classes(capsys) -> None:
    for name in ("training shoes", "test tubes", "trains"):
        fill(f"photos/{name}/2024")
    import_("photos", capsys)
    assert Path("own/classes.txt").read_text() == "test tubes\ntraining shoes\ntrains\n"


def test_a_test_part_without_labels_is_left_out_and_named(capsys) -> None:
    """As a competition has it."""
    for name in ("hat", "shoe"):
        fill(f"photos/train/{name}", 5)
    fill("photos/test", 3)
    fill("photos/sample", 2)
    said = import_("photos", capsys, 4)
    assert "train/: taken for the parts" in said
    assert "test: in no class, with 3 pictures" in said
    assert "sample: in no class, with 2 pictures" in said
    assert "no test part was found, so 2 images became the test files" in said
    assert (len(load_training(Path("own"))), len(load_test(Path("own")))) == (8, 2)


def test_archives_in_archives_are_entered_past_their_licence(capsys) -> None:
    for name in ("hat", "shoe"):
        fill(f"photos/clothes/v2/{name}")
    Path("photos/LICENSE").write_text("free")
    assert "entered clothes/, the only folder there\nentered v2/" in import_("photos", capsys)
    assert rows()["LICENSE"]["part"] == ""


def test_pictures_without_class_folders_are_told_where_to_go(capsys) -> None:
    fill("photos")
    assert "0 class folders; put the pictures of each class" in import_("photos", capsys, 3)


def test_what_lies_beside_the_parts_is_named(capsys) -> None:
    for part in ("train", "test"):
        for name in ("hat", "shoe"):
            fill(f"photos/{part}/{name}")
    fill("photos/unsorted", 1)
    fill("photos/train", 1)
    Path("photos/LICENSE").write_text("free")
    said = import_("photos", capsys, 4)
    assert "fashion-cnn: unsorted: in no class, with 1 pictures" in said
    assert "fashion-cnn: train/0.png: in no class" in said
    assert "LICENSE" not in said


def test_a_picture_in_both_parts_stays_in_the_test_part(capsys) -> None:
    for part in ("train", "test"):
        for name in ("hat", "shoe"):
            fill(f"photos/{part}/{name}")
    Path("photos/train/hat/copy.png").write_bytes(Path("photos/test/hat/0.png").read_bytes())
    said = import_("photos", capsys, 4)
    assert "train/hat/copy.png: the same file as test/hat/0.png" in said


def test_a_folder_may_be_named_from_inside_of_it(capsys, monkeypatch) -> None:
    for name in ("hat", "shoe"):
        fill(f"photos/{name}")
    count = len(list(find_pictures(["photos"])))
    monkeypatch.chdir("photos/shoe")
    for word in ("..", "../../photos", "."):
        assert len(list(find_pictures([word]))) == (count if word != "." else count // 2)


def test_links_are_followed_and_loops_are_told(capsys) -> None:
    for name in ("photos/hat", "photos/shoe", "elsewhere/deep"):
        fill(name)
    os.symlink("../../elsewhere", "photos/shoe/batch 2")
    os.symlink("..", "elsewhere/deep/back")
    os.symlink("..", "photos/hat/all")
    os.symlink("gone", "photos/hat/gone.jpg")
    said = import_("photos", capsys, 4)
    why = "a folder without pictures that can be read, or one that is read by another name"
    assert f"shoe/batch 2/deep/back: {why}" in said
    assert f"hat/all: {why}" in said
    assert "hat/gone.jpg: No such file" in said
    assert sum(row["class"] == "hat" and bool(row["part"]) for row in rows().values()) == 4
    assert sum(row["class"] == "shoe" and bool(row["part"]) for row in rows().values()) == 8
    assert "photos/shoe/batch 2/deep/0.png" in find_pictures(["photos"])


def test_a_folder_is_entered_once_however_many_links_lead_to_it(capsys) -> None:
    """Two links in each of 60 folders, to the next one, are more ways than could be gone."""
    for name in ("in/hat", "in/shoe", "in/shoe/d60"):
        fill(name)
    for level in range(60):
        Path(f"in/shoe/d{level}").mkdir()
        for link in "ab":
            Path(f"in/shoe/d{level}/{link}").symlink_to(f"../d{level + 1}")
    found = list(find_pictures(["in"]))
    assert len([name for name in found if name.endswith(".png")]) == 12
    assert sorted(found) == sorted(find_pictures(["in/**"]))
    assert sorted(found) == sorted(find_pictures(["i*/**/**"]))
    said = import_("in", capsys, 4)
    assert "shoe/d0/b: a folder without pictures that can be read, or one that is read by" in said
    assert sum(bool(row["part"]) for row in rows().values()) == 12


def test_classes_may_share_a_folder(capsys) -> None:
    fill("shared")
    for name in ("in/hat", "in/shoe"):
        fill(name)
        Path(name, "more").symlink_to("../../shared")
    assert len(list(files_below(Path("in/hat")))) == len(list(files_below(Path("in/shoe")))) == 8


@pytest.fixture
def nested() -> Iterator[Path]:
    """The top of more folders in one another than Python's calls may be."""
    top, depth = os.getcwd(), 1_200
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    Path("some.npz").touch()
    os.chdir(top)
    yield Path("d")
    os.chdir(Path(*["d"] * depth))
    Path("some.npz").unlink()
    for _ in range(depth):
        os.chdir("..")
        os.rmdir("d")


def test_folders_may_be_nested_deeply(nested: Path) -> None:
    (deepest,) = files_below(nested)
    assert len(deepest.parts) == 1_201
    assert files_in(nested) == [deepest]
    assert list(find_pictures(["d/**/*.npz"])) == [str(deepest)]


def test_a_data_set_is_in_a_folder_once() -> None:
    """Parts that are links to one another have no end."""
    for level in range(60):
        Path(f"in/d{level}").mkdir(parents=True)
        for link in ("train", "test"):
            Path(f"in/d{level}/{link}").symlink_to(f"../d{level + 1}")
    Path("in/d60").mkdir()
    with pytest.raises(DataError, match="in/d0/.*train is in in/d0 by another name too"):
        files_in(Path("in/d0"))
    Path("in/d0").rename("in/d\n0")
    with pytest.raises(DataError, match=r"in/d\\n0/.* is in in/d\\n0 by another name too"):
        files_in(Path("in/d\n0"))


JPEG = encoded(Image.fromarray(RANDOM.integers(0, 256, (60, 40, 3), dtype=np.uint8)), "JPEG")


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.jfif", JPEG, ""),
        ("a.JPE", JPEG, ""),
        ("IMG_0001", JPEG, ""),
        ("a.png", JPEG, ""),
        ("a.heic", JPEG, ""),
        ("a.avif", encoded(Image.open(io.BytesIO(JPEG)), "AVIF"), ""),
        ("a.gif", encoded(Image.new("L", (9, 9)), "GIF"), "but a GIF one; save it as PNG"),
        ("a.bmp", encoded(Image.new("L", (9, 9)), "BMP"), "but a BMP one"),
        ("scan", encoded(Image.new("L", (9, 9)), "TIFF"), "but a TIFF one"),
        ("a.jpg", b"Not Found", "not a PNG, JPEG, WEBP, AVIF or HEIC picture"),
    ],
)
def test_a_file_is_what_its_bytes_are(name: str, data: bytes, why: str, capsys) -> None:
    for folder in ("photos/hat", "photos/shoe"):
        fill(folder)
    Path("photos/hat/BMW manual.txt").write_bytes(b"BMW is no bitmap")
    Path("photos/hat", name).write_bytes(data)
    said = import_("photos", capsys, 4 if why else 0)
    assert bool(rows()[f"hat/{name}"]["part"]) != bool(why)
    assert why in rows()[f"hat/{name}"]["note"]
    assert (f"hat/{name}: " in said) == bool(why)
    assert rows()["hat/BMW manual.txt"]["note"] == "not a picture, by content or name"
    assert list(find_pictures(["photos/hat"])) == sorted(
        [*(f"photos/hat/{i}.png" for i in range(4)), f"photos/hat/{name}"]
    )


def test_heic_is_read() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (80, 60), (200, 30, 40))).save(buffer, quality=90)
    answer, pixels = decoding_child._try(buffer.getvalue())
    assert answer["size"] == (80, 60)
    np.testing.assert_allclose(np.frombuffer(pixels, np.uint8)[:4], (200, 30, 40, 255), atol=6)


def with_exif(data: bytes, exif: bytes) -> bytes:
    """A PNG with such a chunk behind its header."""
    return data[:33] + chunk(b"eXIf", exif) + data[33:]


def test_what_a_file_says_of_itself_never_costs_its_pixels() -> None:
    picture = Image.fromarray(RANDOM.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    png, jpeg = encoded(picture), encoded(picture, "JPEG")
    webp = encoded(picture, "WEBP", lossless=True)
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(70_000_000)))
    text = chunk(b"tEXt", b"Comment\0hello")
    resolution = b"II*\0\x08\0\0\0\x01\0\x1a\x01\x02\0\x04\0\0\0abc\0" + bytes(4)
    for data in (
        with_exif(png, b"\0\x08\0\x02\x01\x12\0\x03rubbish"),
        with_exif(png, b""),
        png[:33] + bomb + png[33:],
        png[:33] + text[:-1] + b"?" + png[33:],
        encoded(picture, "JPEG", exif=b"Exif\0\0" + resolution),
        jpeg[:2] + b"\xff\xe2\0\x20MPF\0II*\0" + bytes(22) + jpeg[2:],
        encoded(picture, "WEBP", lossless=True, exif=b"Exif\0\0rubbish"),
    ):
        answer, pixels = decoding_child._try(data)
        assert answer["size"] == (60, 40), answer
        whole = decoding_child._try(jpeg if data[:2] == jpeg[:2] else png)[1]
        assert pixels == whole
    assert decoding_child._try(webp[:-60])[0].keys() == {"error"}


def test_a_data_set_among_the_photos_is_no_class(capsys) -> None:
    """As a first import leaves it whose output is named from inside the folder."""
    for name in ("photos/hat", "photos/shoe"):
        fill(name)
    assert main(["data", "import", "photos", "--output", "photos/own"]) == 0
    assert "passed over own/, which is a data set already" in import_("photos", capsys)
    assert Path("own/classes.txt").read_text() == "hat\nshoe\n"


def test_an_empty_folder_is_filled_and_not_replaced(capsys, monkeypatch) -> None:
    """What is mounted, or worked in, cannot be."""
    for name in ("photos/hat", "photos/shoe"):
        fill(name)
    Path("own").mkdir(mode=0o750)
    before = Path("own").stat()
    monkeypatch.chdir("own")
    assert main(["data", "import", "../photos", "--output", "."]) == 0
    assert Path("../own").stat().st_ino == before.st_ino
    assert (len(load_training(Path())), len(load_test(Path()))) == (6, 2)
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("mounted", [False, True])
def test_the_disk_has_a_data_set_before_its_manifest_says_so(
    mounted: bool, capsys, monkeypatch
) -> None:
    """After a power cut what was not waited for may be empty, and names may be gone."""
    done: list[tuple[str, str]] = []
    for name in ("hat", "shoe"):
        fill(f"photos/{name}")
    if mounted:
        Path("own").mkdir()
    renamed, synced = os.rename, os.fsync

    def rename(source: Path, target: Path) -> None:
        done.append(("rename", Path(target).name))
        renamed(source, target)

    def fsync(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        done.append(("sync", Path(path).name))
        synced(descriptor)

    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "fsync", fsync)
    import_("photos", capsys)
    files = {path.name for path in Path("own").iterdir()}
    assert len(files) == 7
    last = next(at for at, (what, name) in enumerate(done) if what == "rename")
    waited_for = " ".join(name for _, name in done[:last])
    assert all(name in waited_for for name in files)
    assert done[last - 1] == ("sync", "whole")
    if mounted:
        moved = sorted(("rename", name) for name in files - {"dataset.json"})
        assert sorted(done[last : last + 6]) == moved
        last += 6
        assert done[last:] == [("sync", "own"), ("rename", "dataset.json"), ("sync", "own")]
    else:
        assert done[last:] == [("rename", "own"), ("sync", Path.cwd().name)]


def test_a_class_without_usable_pictures_is_told_why(capsys) -> None:
    fill("photos/hat")
    Path("photos/shoe").mkdir()
    Path("photos/shoe/a.bmp").write_bytes(encoded(Image.new("L", (9, 9)), "BMP"))
    said = import_("photos", capsys, 3)
    assert "class 'shoe' has 0 usable pictures" in said
    assert (
        "(left out: 1, first shoe/a.bmp: not a PNG, JPEG, WEBP, AVIF or HEIC picture but a BMP one"
        in said
    )


FORGED = "\nfashion-cnn: all is well"


@pytest.mark.parametrize(
    ("folders", "code"),
    [
        ((f"x{FORGED}/hat", f"x{FORGED}/shoe"), 0),  # entered
        ((f"train{FORGED}/hat", f"train{FORGED}/shoe"), 0),
        ((f"train{FORGED}/hat", f"train{FORGED}/shoe", f"test{FORGED}/hat"), 0),  # the parts
        (("train/hat", "train/shoe", f"mine{FORGED}"), 0),  # a data set already
        ((f"hat{FORGED}", "shoe/train", "shoe/test"), 3),  # undivided
    ],
)
def test_the_name_of_a_folder_forges_no_line(folders: Sequence[str], code: int, capsys) -> None:
    for name in folders:
        fill(f"in/{name}")
        if "mine" in name:
            (Path("in", name) / "dataset.json").write_text("{}")
    said = import_("in", capsys, code)
    assert r"\nfashion-cnn: all is well/" in said
    assert "fashion-cnn: all is well" not in said.splitlines()
    assert FORGED not in said


@pytest.mark.parametrize("stray", ["shirt/Thumbs.db", "shoe/train.txt"])
def test_what_systems_leave_in_a_class_does_not_mix_its_parts(stray: str, capsys) -> None:
    for name in ("shirt", "shoe"):
        fill(f"in/{name}/train")
        fill(f"in/{name}/test", 2)
    Path("in", stray).write_bytes(b"\xd0\xcf\x11\xe0")
    assert "no test part" not in import_("in", capsys)
    for file, row in rows().items():
        assert row["part"] == (file.split("/")[1] if file.endswith(".png") else "")
    assert rows()[stray]["note"].startswith("not a picture")


def test_parts_named_twice_are_entered_past_a_stray_file(capsys) -> None:
    for part in ("train", "test"):
        for name in ("hat", "shoe"):
            fill(f"in/seg_{part}/seg_{part}/{name}")
        Path(f"in/seg_{part}/desktop.ini").touch()
    import_("in", capsys)
    assert {row["class"] for row in rows().values() if row["part"]} == {"hat", "shoe"}


@pytest.mark.parametrize("beside", ["in/shoe", "in/shoe/raw", "in/shirt/raw"])
def test_classes_of_which_some_are_divided_are_refused(beside: str, capsys) -> None:
    for name in ("shirt", "shoe") if beside != "in/shoe" else ("shirt",):
        fill(f"in/{name}/train")
        fill(f"in/{name}/test", 2)
    fill(beside)
    odd = beside.split("/")[1]
    assert f"{odd}/ has not, or has something else beside them" in import_("in", capsys, 3)
    assert not Path("own").exists()


def test_links_to_nothing_are_named(capsys) -> None:
    """A class on a disk that is not there must not be missing without a word."""
    fill("in/hat")
    fill("in/shoe")
    Path("in/dress").symlink_to("/nowhere/dress")
    Path("in/shoe/more").symlink_to("/nowhere/more")
    error = import_("in", capsys, 4)
    assert "in/dress" in error or "dress" in error
    assert "in no class" in rows()["dress"]["note"]
    assert rows()["shoe/more"]["note"] == "No such file or directory"


def test_a_folder_that_may_not_be_entered_is_named_and_the_rest_is_done(
    capsys, monkeypatch
) -> None:
    for name in ("hat", "shoe"):
        fill(f"in/{name}")
    fill("in/shoe/more")
    lock_up(monkeypatch, "more")
    import_("in", capsys, 4)
    assert rows()["shoe/more"]["note"].startswith("a folder without pictures that can be read")


def test_a_note_speaks_of_the_framing_that_the_data_set_got(capsys) -> None:
    for name, ink in (("a", 0), ("b", 90)):
        for number in range(4):
            pixels = np.full((28, 28), 255, np.uint8)
            pixels[6:20, 6 + number : 16] = ink
            Path("in", name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(f"in/{name}/{number}.png")
    import_("in", capsys)
    assert json.loads(Path("own/dataset.json").read_text())["framing"].startswith("white")
    assert {row["note"] for row in rows().values()} == {""}
    Path("own").rename("before")
    assert main(["data", "import", "in", "--output", "own", "--framing", "black,20,box"]) == 0
    assert "to prepare photos the same way: --framing white" in capsys.readouterr().err
    assert all("the data set is bright on black" in row["note"] for row in rows().values())


@pytest.mark.parametrize("beside", ["logo.svg", "paper.PDF", "a link to nothing"])
def test_an_archives_folder_is_entered_past_what_is_no_picture(beside: str, capsys) -> None:
    for name in ("cat", "dog"):
        fill(f"in/dataset/{name}")
    if "." in beside:
        Path("in", beside).write_text("<svg/>")
    else:
        Path("in", beside).symlink_to("/nowhere")
    assert f"{beside}: in no class" in import_("in", capsys, 4)
    assert {row["class"] for row in rows().values() if row["part"]} == {"cat", "dog"}


def test_a_part_that_cannot_be_read_is_named(capsys, monkeypatch) -> None:
    for part in ("train", "test"):
        for name in ("hat", "shoe"):
            fill(f"in/{part}/{name}")
    lock_up(monkeypatch, "test")
    assert "in/test: Permission denied" in import_("in", capsys, 2)


def test_folders_that_a_pattern_matches_mean_the_pictures_below() -> None:
    for name in ("hat", "shoe/old", "bag"):
        fill(f"photos/{name}", 2)
    Path("photos/hat/notes.txt").write_text("hats")
    Path("photos/all.txt").write_text("all")
    below = [f"photos/{name}/{i}.png" for name in ("bag", "hat", "shoe/old") for i in range(2)]
    assert list(find_pictures(["photos/*/"])) == below
    assert list(find_pictures(["photos/*"])) == ["photos/all.txt", *below]
    assert list(find_pictures(["photos/**"])) == below
    assert list(find_pictures(["photo?/**/**"])) == below
    assert list(find_pictures(["photos/**/old"])) == below[-2:]
    assert list(find_pictures(["photos/*o*/**"])) == below[-2:]
    assert list(find_pictures(["photos/**/s*", "photos/*oe/*"])) == below[-2:]
    assert list(find_pictures(["photos/**/*.txt"])) == ["photos/all.txt", "photos/hat/notes.txt"]


LEFT = ("@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found")


@pytest.mark.parametrize("name", LEFT)
def test_what_systems_keep_on_a_disk_is_no_class_and_no_picture(name: str, capsys) -> None:
    for folder in ("hat", "shoe"):
        fill(f"photos/{folder}")
        fill(f"photos/{folder}/{name}/0.png")
    fill(f"photos/{name}")
    import_("photos", capsys)
    assert Path("own/classes.txt").read_text() == "hat\nshoe\n"
    assert len(rows()) == 8
    for word in ("photos", "photos/*", "photos/**", "photos/*/*"):
        assert len(list(find_pictures([word]))) == 8, word
    assert len(list(find_pictures([f"photos/{name}"]))) == 4, "named, it is meant"


def test_a_folder_that_a_system_keeps_beside_a_data_set_is_passed_over() -> None:
    Path("data/lost+found").mkdir(parents=True)
    Path("data/set").mkdir()
    Path("data/set/train.csv").touch()
    assert files_in(Path("data")) == [Path("data/set/train.csv")]


@pytest.mark.parametrize("name", ["a.svg", "a.ICO", "a.CR3", "a.pdf", "a.dcm", "a.eps", "a.icns",
                                  "a.pcx", "a.j2k", "a.raw", "a.xcf"])  # fmt: skip
def test_what_was_meant_for_a_picture_is_named(name: str, capsys) -> None:
    for folder in ("photos/hat", "photos/shoe"):
        fill(folder)
    Path("photos/hat", name).write_bytes(b"other than photos")
    assert f"hat/{name}: not a PNG, JPEG" in import_("photos", capsys, 4)


@pytest.mark.parametrize(
    ("apart", "listed"),
    [
        (("original/train", "original/test", "augmented/train"), "augmented/ and original/ have"),
        (("original", "augmented"), "augmented/ and original/ have"),
        (("development", "Prueba"), "Prueba/ and development/ have"),
        (("development", "test"), "development/ and test/ have"),
        (("fold0", "fold1", "fold2", "fold3"), "fold0/, fold1/, fold2/, … have"),
        (("train/fold0", "train/fold1", "test/fold0"), "fold0/ and fold1/ have"),
    ],
)
def test_sets_and_parts_under_other_words_are_no_classes(
    apart: Sequence[str], listed: str, capsys
) -> None:
    for name in apart:
        for kind in ("hat", "shoe"):
            fill(f"photos/{name}/{kind}", 2)
    fill(f"photos/{apart[0]}/sock", 2)
    said = import_("photos", capsys, 3)
    assert f"photos: {listed}" in said
    assert "all have hat/ and shoe/ in them" in said
    assert "call them train/ and test/" in said
    if "original" in apart[0]:
        assert "if they are data sets, name one, photos/augmented;" in said
    assert not Path("own").exists()


def test_batches_of_a_class_stay_in_it(capsys) -> None:
    """Some in each class under one name, and pictures beside them."""
    for name in ("hat/1", "hat/2", "hat", "shoe/1", "shoe/2"):
        fill(f"photos/{name}", 2)
    import_("photos", capsys)
    assert Path("own/classes.txt").read_text() == "hat\nshoe\n"


@pytest.mark.parametrize("inner", ["images", "imgs", "Pictures", "data_set"])
def test_the_only_folder_of_a_part_may_be_named_for_images(inner: str, capsys) -> None:
    for part in ("train", "test"):
        for name in ("hat", "shoe"):
            fill(f"photos/{part}/{inner}/{name}", 2)
    import_("photos", capsys)
    assert Path("own/classes.txt").read_text() == "hat\nshoe\n"
    assert (len(load_training(Path("own"))), len(load_test(Path("own")))) == (4, 4)


def put(name: str, data: bytes = b"") -> None:
    path = Path("photos", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if data:
        path.write_bytes(data)
    else:
        Image.new("L", (28, 28), len(str(path))).save(path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("images/1.png", "styles.csv"), "labels in styles.csv are not read"),
        (("images/1.png", "annotations/a.json"), "labels in annotations/a.json are not read"),
        (("train/images/1.png", "train/labels/1.txt", "val/images/2.png"), "train/labels/1.txt"),
        (("train/1.png", "test/1.png", "train.csv"), "labels in train.csv are not read"),
        (("1.png", "labels.csv"), "labels in labels.csv are not read"),
        (("images/1.png", "masks/1.png"), "class 'images' would be all the pictures"),
        (("shirt/1.png", "shoe/1.txt"), "class 'shoe' has 0 usable pictures"),
    ],
)
def test_labels_beside_pictures_are_told_before_any_is_decoded(
    files, said: str, monkeypatch, capsys
) -> None:
    monkeypatch.setattr("fashion_cnn.data.importing.read_photo", None)
    for name in files:
        put(name, b"" if name.endswith(".png") else b"1 2 3\n")
    assert main(["data", "import", "photos", "--output", "own"]) == 3
    assert said in capsys.readouterr().err


def test_files_of_data_are_told_to_be_adopted(capsys) -> None:
    row = ",".join(["0"] * 785).encode()
    put("train.csv", row)
    put("README.txt", b"nothing")
    assert main(["data", "import", "photos", "--output", "own"]) == 3
    assert "Parquet files are for: fashion-cnn data adopt" in capsys.readouterr().err


def test_masks_may_be_a_class() -> None:
    for name in ("hats", "masks"):
        fill(f"photos/{name}")
    assert main(["data", "import", "photos", "--output", "own"]) == 0
