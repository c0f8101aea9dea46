"""What each page says, sentence by sentence, and out of which record."""

from collections.abc import Callable

from bench.records.page import Page
from bench.records.pages import findings, log, photos, server
from bench.records.reading import Records

CHECKS: dict[str, tuple[Callable[[Page, Records], None], ...]] = {
    "README.md": (photos.check, server.check),
    "docs/findings.md": (findings.check,),
    "docs/log.md": (log.check,),
}
"""By the page's path; a page that is not here may have no figures."""

HISTORY = {"docs/log.md"}
"""Pages in which a paragraph may say that its readings are not kept."""

PENDING = {
    "README.md",
    "docs/decisions.md",
    "docs/findings.md",
    "docs/log.md",
    "docs/scaling.md",
    "docs/speedrun.md",
    "src/fashion_cnn/recipes/catalog.py",
    "src/fashion_cnn/shipping/pretrained/balanced.md",
    "src/fashion_cnn/shipping/pretrained/photo.md",
}
"""Pages whose figures are not all checked yet: what is checked must be right there too."""
