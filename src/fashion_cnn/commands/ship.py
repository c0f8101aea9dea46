"""`export`, `predict`, `serve`: a model on its way out."""

from pathlib import Path

import click

from fashion_cnn.commands.options import data_dir_option
from fashion_cnn.commands.output import say, write

model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="FILE|RUN",
    help="an exported model  [those in the package]",
)

reject_option = click.option(
    "--reject",
    type=float,
    metavar="RATE",
    help="accept only so many answers that about this share of them is wrong: 0.005 to 0.05",
)


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@data_dir_option
@click.option("--int8", is_flag=True, help="also a quantised variant, with its own accuracy")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="[RUN/model.onnx]")
def export(run: Path, data_dir: Path | None, int8: bool, output: Path | None) -> None:
    """Write the model of RUN as one ONNX file, proven to answer all test images as RUN does."""
    from fashion_cnn.data.fetch import data_directory
    from fashion_cnn.run.exports import place
    from fashion_cnn.run.folder import Run
    from fashion_cnn.shipping import export as exporting

    opened = Run.open(run)
    with opened.lock():
        report = exporting.export(opened, data_directory(data_dir, say), output=output, int8=int8)
    write(exporting.to_text(report, place(opened, output)))


@click.command("predict")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--top-k", type=click.IntRange(min=1), default=3, help="classes a picture  [3]")
@click.option(
    "--format", type=click.Choice(["table", "json", "csv"]), default="table", help="[table]"
)
@click.option(
    "--save-seen",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="also write what the model saw, as PNG",
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

    PNG, JPEG or WEBP. A file that cannot be used is named and the rest done: exit code 4.
    """
    from fashion_cnn.data.photo import decoders

    decoders.start()  # beside the imports that follow, which take as long

    from fashion_cnn.data.pictures import find_pictures, read_bytes, shown
    from fashion_cnn.errors import ImageError
    from fashion_cnn.shipping import listing
    from fashion_cnn.shipping.predict import open_predictor

    predictor = open_predictor(model, reject)
    rows: list[listing.Row] = []
    for name in find_pictures(paths):
        try:
            rows.append((name, predictor.predict(read_bytes(name))))
        except ImageError as error:
            say(f"fashion-cnn: {shown(name)}: {error}")
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


@click.command("serve")
@click.option("--host", default="127.0.0.1", help="another needs a token  [127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, help="0: any free  [8000]")
@click.option("--token", envvar="FASHION_CNN_TOKEN", help="of the clients  [$FASHION_CNN_TOKEN]")
@click.option("--allow-host", multiple=True, metavar="NAME", help="further name of this server")
@click.option(
    "--drain",
    type=click.FloatRange(0, 300),
    default=0.0,
    help="seconds of answering on while not ready, after SIGTERM  [0]",
)
@reject_option
@model_option
def serve(
    host: str,
    port: int,
    token: str | None,
    allow_host: tuple[str, ...],
    drain: float,
    reject: float | None,
    model: Path | None,
) -> None:
    """Serve a page to try the model on, and the same over HTTP: POST /v1/predict."""
    from fashion_cnn.shipping import serve as serving
    from fashion_cnn.shipping.address import Address
    from fashion_cnn.shipping.predict import open_predictor

    address = Address(host, port, token, allow_host)
    serving.serve(open_predictor(model, reject, threads=1), address, drain)
