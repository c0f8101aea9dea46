"""Build the site of the documentation and follow its links: python bench/make_docs.py [FOLDER].

The pages are those of docs/, with what is made of the program put in where they ask for it, as in
`<!-- made: commands -->`. A file outside docs/ that a page links becomes a page too, and a folder a
list of its files, so that the site is whole on a machine without a network.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from os.path import relpath
from pathlib import Path
from urllib.parse import unquote, urlsplit

import reference

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")
MADE = re.compile(r"<!-- made: (\w+) -->.*", re.DOTALL)
"""With what tells a reader of the file where to look instead."""
HEAD = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
"""Of a model's card; for hubs, not for readers."""
CODE = {".py": "python", ".toml": "toml", ".sh": "bash", ".yml": "yaml", "": "", ".txt": ""}


def main(output: Path) -> int:
    """Build the pages and the site in a folder, and say what is wrong; the exit code."""
    site = output / "site"
    for part in ("docs", "site"):
        shutil.rmtree(output / part, ignore_errors=True)
    Pages(output / "docs").write()
    config = (REPOSITORY / "mkdocs.yml").read_text()
    (output / "mkdocs.yml").write_text(config.replace("_dir: build/", "_dir: "))
    built = subprocess.run(
        [Path(sys.executable).with_name("zensical"), "build", "--strict"],
        cwd=output,
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        print(built.stdout, built.stderr, file=sys.stderr)
        return 1
    found = list(faults(site))
    for fault in found:
        print(fault)
    print(
        f"built {site}/index.html; to search it: python3 -m http.server -d {site}", file=sys.stderr
    )
    return bool(found)


class Pages:
    """The pages of the site, in a folder; what they link comes in as it is met."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left: dict[Path, Path] = {}

    def write(self) -> None:
        """Copy docs/, and write its pages and those that they lead to."""
        shutil.copytree(DOCS, self._folder)
        self._left = {path: self._folder / path.relative_to(DOCS) for path in DOCS.rglob("*.md")}
        while self._left:
            path, page = self._left.popitem()
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(self._page(path, page))

    def _page(self, path: Path, page: Path) -> str:
        if path.is_dir():
            return self._list(path, page)
        text = HEAD.sub("", path.read_text())
        if path.suffix != ".md":
            return f"{_head(path)}````{CODE[path.suffix]}\n{text}\n````\n"
        text = MADE.sub(lambda made: getattr(reference, made[1])(), text)

        def moved(link: re.Match[str]) -> str:
            target = self._target((path.parent / link[1]).resolve())
            return relpath(target, page.parent) + (link[2] or "")

        return LINK.sub(moved, text)

    def _list(self, path: Path, page: Path) -> str:
        """A page that lists the files in a folder."""
        lines = [_head(path)]
        for each in sorted(path.iterdir()):
            if not each.name.startswith((".", "__")):
                link = relpath(self._target(each), page.parent)
                lines.append(f"- [{each.name}{'/' if each.is_dir() else ''}]({link})")
        return "\n".join(lines) + "\n"

    def _target(self, path: Path) -> Path:
        """Where the site has a file or folder; it is to be written where it is not there yet."""
        if path == REPOSITORY / "README.md":
            return self._folder / "README.md"
        inside = path.is_relative_to(DOCS)
        name = path.relative_to(DOCS) if inside else Path("files") / path.relative_to(REPOSITORY)
        target = self._folder / name
        if path.is_dir():
            target = target / ("README.md" if (path / "README.md").exists() else "index.md")
        elif path.suffix in CODE and not inside:
            target = target.with_name(f"{target.name}.md")
        elif not inside and path.suffix != ".md":
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        if target.suffix == ".md" and not target.exists():
            self._left[path] = target
        return target


def _head(path: Path) -> str:
    return f"---\nsearch:\n  exclude: true\n---\n\n# {path.relative_to(REPOSITORY)}\n\n"


class _Read(HTMLParser):
    """What a page has and where it leads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note names, links and what the page loads."""
        for key, value in attrs:
            if key in ("id", "name") and value:
                self.names.add(value)
            elif key in ("href", "src") and value:
                self.links.append((tag, value))


def faults(site: Path) -> Iterator[str]:
    """Find links that lead nowhere, what is loaded from elsewhere, and pages that nothing links."""
    read = {path: _Read(path.read_text()) for path in site.rglob("*.html")}
    read.pop(site / "404.html", None)
    reached, fresh = set(), {site / "index.html"}
    while fresh:
        page = fresh.pop()
        reached.add(page)
        for tag, link in read[page].links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if tag != "a" and parts.scheme != "data":
                    yield f"{page.relative_to(site)}: loads {link}"
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.is_file():
                yield f"{page.relative_to(site)}: {link} leads nowhere"
            elif target in read:
                if parts.fragment and unquote(parts.fragment) not in read[target].names:
                    yield f"{page.relative_to(site)}: {link} has no such place"
                fresh |= {target} - reached
    for page in sorted(read.keys() - reached):
        yield f"{page.relative_to(site)}: nothing leads here"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "build"))
