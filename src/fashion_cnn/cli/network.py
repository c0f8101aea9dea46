"""`network`: the assignment's network, to save and edit."""

from importlib import resources

import click

from fashion_cnn.cli.options import framework_option
from fashion_cnn.cli.output import write


@click.command("network")
@framework_option("pytorch")
def network(framework: str | None) -> None:
    """Print the assignment's network as a plain module, to save and edit.

    fashion-cnn network > my_net.py; fashion-cnn train --model my_net.py:Net
    """
    room = "on_keras" if framework == "keras" else "on_torch"
    write(resources.files("fashion_cnn").joinpath(room, "assignment.py").read_text().rstrip("\n"))
