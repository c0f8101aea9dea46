"""Photos that the tests draw, a folder a class, and small IDX files."""

import gzip
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fashion_cnn.data.files import FILES
from fashion_cnn.data.idx import to_idx

CLASSES = ("Bar", "Cross", "Disc & dot")


def draw_photos(folder: Path, count: int, classes: tuple[str, ...] = CLASSES) -> Path:
    """Dark shapes on a bright background, 90x90 pixels, no two alike."""
    random = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            draw_shape(classes.index(name), random).save(folder / name / f"{number:02}.png")
    return folder


def draw_shape(kind: int, random: np.random.Generator) -> Image.Image:
    picture = Image.new("RGB", (90, 90), (240, 240, 235))
    draw = ImageDraw.Draw(picture)
    x, y = random.integers(10, 25, 2).tolist()
    colour = tuple(random.integers(10, 140, 3).tolist())
    if kind == 0:
        draw.rectangle((x + 15, y, x + 30, y + 55), colour)
    elif kind == 1:
        draw.rectangle((x + 18, y, x + 30, y + 50), colour)
        draw.rectangle((x, y + 18, x + 50, y + 30), colour)
    else:
        draw.ellipse((x, y, x + 50, y + 50), colour)
    return picture


def write_idx(
    folder: Path, classes: int, count: int = 300, *, kind: type = np.uint8, test: int = 100
) -> Path:
    """A data set as MNIST's publisher left it: four gzipped files, no manifest, no names."""
    random = np.random.default_rng(classes)
    arrays = []
    for images in (count, test):
        labels = (np.arange(images) % classes).astype(kind)
        pixels = random.integers(0, 90, (images, 28, 28), dtype=np.uint8)
        pixels[np.arange(images), labels % 28] = 255
        arrays += [pixels, labels]
    return write_files(folder, *arrays)


def write_files(folder: Path, *arrays: np.ndarray) -> Path:
    """The four gzipped files: training images and labels, test images and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(FILES, arrays, strict=True):
        (folder / f"{name}.gz").write_bytes(gzip.compress(to_idx(array), 1))
    return folder
