"""What the README and the pages of the site show: their blocks, and the commands in them."""

import re
import shlex
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
HISTORY = {"log.md", "decisions.md", "mutation.md"}
PAGES = {
    page.relative_to(REPOSITORY).as_posix(): page.read_text()
    for page in [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("docs/*.md"))]
    if page.name not in HISTORY
}


def blocks(page: str, language: str = "") -> list[str]:
    """The fenced blocks of a page that are in a language, or in none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)
    return [block for spoken, block in found if spoken == language]


def inline(page: str) -> list[list[str]]:
    """The commands in a page's running text, without those that name no more than the command, and
    without forms: words in capitals stand for something."""
    text = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    shown = [
        shlex.split(" ".join(one.split())) for one in re.findall(r"`fashion-cnn ([^`]+)`", text)
    ]
    return [
        words
        for words in shown
        if words[1:] and not any(re.search(r"\b[A-Z]{2,}\b", word) for word in words)
    ]


def commands(page: str, program: str = "fashion-cnn") -> list[list[str]]:
    """The words after the program's name, for each line of a block that calls it."""
    found = []
    for block in blocks(page):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            for each in " ".join(map(shlex.quote, words)).split(" '&&' "):
                one = shlex.split(each)
                if one and one[0].rpartition("/")[2] == program:
                    found.append(one[1:])
    return found
