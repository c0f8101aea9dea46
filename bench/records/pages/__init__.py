"""What each page says, sentence by sentence, and out of which record."""

from collections.abc import Callable

from bench.records.page import Page
from bench.records.pages import (
    cards,
    catalog,
    data,
    decisions,
    findings,
    log,
    mutation,
    photos,
    readme,
    scaling,
    server,
    speedrun,
)
from bench.records.reading import Records

CHECKS: dict[str, tuple[Callable[[Page, Records], None], ...]] = {
    "README.md": (readme.check, photos.check, server.check),
    "docs/decisions.md": (decisions.check,),
    "docs/findings.md": (findings.check,),
    "docs/log.md": (log.check,),
    "docs/mutation.md": (mutation.check,),
    "docs/scaling.md": (scaling.check,),
    "docs/data.md": (data.check,),
    "docs/speedrun.md": (speedrun.check,),
    "src/fashion_cnn/recipes/catalog.py": (catalog.check,),
    "src/fashion_cnn/shipping/pretrained/balanced.md": (cards.check,),
    "src/fashion_cnn/shipping/pretrained/photo.md": (cards.check,),
}
"""By the page's path; a page that is not here may have no figures."""

HISTORY = {"docs/log.md"}
"""Pages in which a paragraph may say that its readings are not kept."""
