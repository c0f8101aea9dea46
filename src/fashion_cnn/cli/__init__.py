"""The command line, a file for each command: its options, and the call that it makes."""

from fashion_cnn.cli.main import main as main
