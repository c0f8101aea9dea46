"""The commands that a person is told to type."""

import shlex


def command(*words: object) -> str:
    """A command of this package that does what it says when it is pasted into a shell.

    Args: words: what comes behind `fashion-cnn`: a path with a blank in it is one of them.
    """
    return shlex.join(["fashion-cnn", *map(str, words)])
