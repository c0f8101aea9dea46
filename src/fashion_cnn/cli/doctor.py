"""`doctor`: what all this runs on."""

import click

from fashion_cnn.cli.output import write


@click.command("doctor")
def doctor() -> None:
    """Print versions, hardware, data and free space: what a bug report needs."""
    from fashion_cnn.doctor import examine

    for name, finding in examine():
        write(f"{name:<14} {finding}")
