"""`serve`: a page, and answers over HTTP."""

import logging
from pathlib import Path

import click

from fashion_cnn.cli.options import model_option, reject_option
from fashion_cnn.process.machine import keep_products_on_one_thread


@click.command("serve")
@click.option(
    "--host",
    default="127.0.0.1",
    help="address to listen on; 0.0.0.0 lets other machines in, with a token  [127.0.0.1]",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8000,
    help="port; 0 takes any free one  [8000]",
)
@click.option(
    "--token",
    envvar="FASHION_CNN_TOKEN",
    help="at least 16 characters that clients must send  [$FASHION_CNN_TOKEN; made if needed]",
)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="another name that clients may call this server by, without port; repeat for more",
)
@click.option(
    "--drain",
    type=click.FloatRange(0, 300),
    default=0.0,
    help="after SIGTERM, go on answering for this many seconds  [0]",
)
@click.option(
    "--log-level",
    type=click.Choice(("debug", "info", "warning", "error")),
    default="warning",
    help="info writes a line for each request  [warning]",
)
@reject_option
@model_option
def serve(
    host: str,
    port: int,
    token: str | None,
    allow_host: tuple[str, ...],
    drain: float,
    log_level: str,
    reject: float | None,
    model: Path | None,
) -> None:
    """Serve a page to try the model on, and the same over HTTP: POST /v1/predict."""
    keep_products_on_one_thread()

    import fashion_cnn.data.photo  # noqa: F401  # not in the first request
    from fashion_cnn.shipping import serve as serving
    from fashion_cnn.shipping.address import Address
    from fashion_cnn.shipping.predict import open_predictor

    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    address, made = Address.opened(host, port, token, allow_host)
    predictor = open_predictor(model, reject, threads=1)
    serving.serve(predictor, address, drain, show_token=made)
