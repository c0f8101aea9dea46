"""Commands that must fail."""

import pytest

from fashion_cnn.cli import main


def fails(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """Run one; returns the line that says why."""
    capsys.readouterr()
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("fashion-cnn: ")
    return last
