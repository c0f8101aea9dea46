"""`python -m fashion_cnn` is `fashion-cnn`."""

from fashion_cnn.cli import run

run()
