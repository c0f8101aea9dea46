"""`predict`: what is on pictures."""

from pathlib import Path

import click

from fashion_cnn.cli.options import FOLDER, model_option, reject_option
from fashion_cnn.cli.output import say, write
from fashion_cnn.process.machine import keep_products_on_one_thread


@click.command("predict")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option(
    "--top-k", type=click.IntRange(min=1), default=3, help="classes to name for each picture  [3]"
)
@click.option(
    "--format",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    help="form of the output  [table]",
)
@click.option(
    "--save-seen",
    type=FOLDER,
    metavar="DIR",
    help="also write what the model saw, as PNG files",
)
@reject_option
@model_option
def predict(
    paths: tuple[str, ...],
    top_k: int,
    format: str,
    save_seen: Path | None,
    reject: float | None,
    model: Path | None,
) -> int:
    """Say what is on each picture: files, folders, patterns, or - for standard input.

    PNG, JPEG, WEBP or AVIF; HEIC with pillow-heif. A file that cannot be used is named and the rest
    are still answered: exit code 4.
    """
    keep_products_on_one_thread()

    from fashion_cnn.data.photo import decoders

    decoders.start()  # beside the imports that follow, which take as long

    from fashion_cnn.data.pictures import find_pictures, read_bytes, told
    from fashion_cnn.errors import ImageError
    from fashion_cnn.shipping import listing
    from fashion_cnn.shipping.predict import open_predictor

    predictor = open_predictor(model, reject)
    rows: list[listing.Row] = []
    for name in find_pictures(paths):
        try:
            rows.append((name, predictor.predict(read_bytes(name))))
        except ImageError as error:
            say(f"fashion-cnn: {told(name)}: {error}")
            rows.append((name, str(error)))
    bad = sum(isinstance(answer, str) for _, answer in rows)
    if format == "json":
        write(listing.to_json(rows, top_k))
    elif format == "csv":
        write(listing.to_csv(rows, predictor.classifier.class_names))
    elif bad < len(rows):
        write(listing.to_table(rows, top_k))
    if save_seen is not None:
        say(f"wrote {listing.save_seen(rows, save_seen)} pictures to {save_seen}/")
    if bad:
        say(f"fashion-cnn: {bad} of {len(rows)} files could not be used")
    return 4 if bad else 0
