"""The pins of requirement files, each with the hashes that its files may have, for pip.

    python bench/pins.py FILE.txt ...     print them; pip installs them with --require-hashes
    python bench/pins.py --renew          look the hashes up again; needs uv

Needs nothing but Python, as it runs before anything is installed. PyTorch is left out: which build
of it a machine gets is for its index to say (docs/dependencies.md).
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
HASHES = HERE / "requirements-hashes.txt"
UNHASHED = "torch"
_ABOUT = """\
# The hashes of all files of every pin but torch's: made by `make pins`, never by hand.
"""


def main(words: Sequence[str]) -> None:
    """Print, or renew."""
    if words == ["--renew"]:
        renew()
        return
    known, wanted = hashes(), dict.fromkeys(pin for word in words for pin in pins(Path(word)))
    if lacking := [pin for pin in wanted if pin not in known]:
        sys.exit(f"{HASHES.name} has no hashes of {', '.join(lacking)}: make pins")
    for pin in wanted:
        print(pin, *(f"--hash={sha}" for sha in known[pin]))


def pins(path: Path) -> Iterator[str]:
    """What a file of requirements pins, and those that it names: "name==version", but torch."""
    for line in path.read_text().splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["-r"]:
            yield from pins(path.parent / words[1])
        elif words and not words[0].startswith(f"{UNHASHED}=="):
            yield _plain(words[0])


def hashes() -> dict[str, list[str]]:
    """By pin, "sha256:…" of each file of that release."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in HASHES.read_text().splitlines():
        if pin := re.match(r"[\w.-]+==\S+", line):
            current = found.setdefault(_plain(pin[0]), [])
        elif sha := re.search(r"--hash=(sha256:[0-9a-f]{64})\b", line):
            current.append(sha[1])
    return found


def renew() -> None:
    """Ask the package index for the hashes of every pin, by uv."""
    files = [path for path in sorted(HERE.glob("requirements*.txt")) if path != HASHES]
    wanted = sorted({pin for path in files for pin in pins(path)})
    python = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    command = ["uv", "pip", "compile", "-q", "-", "--no-deps", "--generate-hashes", "--no-annotate"]
    command += ["--no-header", "--python-version", python, "--index-url", "https://pypi.org/simple"]
    text = "\n".join(wanted)
    done = subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE, check=True)
    HASHES.write_text(_ABOUT + done.stdout)


def _plain(pin: str) -> str:
    """As packages' names are compared: Source: PEP 503."""
    name, _, version = pin.partition("==")
    return f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}"


if __name__ == "__main__":
    main(sys.argv[1:])
