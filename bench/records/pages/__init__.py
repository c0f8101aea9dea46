"""What each page says, sentence by sentence, and out of which record."""

from collections.abc import Callable

from bench.records.page import Page
from bench.records.pages import (
    assignment,
    cards,
    catalog,
    data,
    findings,
    front,
    guides,
    log,
    mutation,
    photos,
    reliability,
    scaling,
    speed,
    speedrun,
)
from bench.records.reading import Records

CHECKS: dict[str, tuple[Callable[[Page, Records], None], ...]] = {
    "docs/assignment.md": (assignment.check,),
    "docs/audit.md": (guides.audit,),
    "docs/calibrate.md": (guides.calibrate,),
    "docs/data.md": (data.check,),
    "docs/decisions.md": (guides.settings("F1 = 2J / (1 + J) of the Jaccard index"),),
    "docs/export.md": (guides.export,),
    "docs/findings.md": (findings.check,),
    "docs/first-model.md": (guides.first_model,),
    "docs/fine-tune.md": (guides.fine_tune,),
    "docs/front.md": (front.check,),
    "docs/http.md": (
        guides.settings(
            "among them in 95 % of cases", "larger than 8 MB", "a form or JSON than 12 MB"
        ),
    ),
    "docs/keras.md": (guides.keras,),
    "docs/log.md": (log.check,),
    "docs/mutation.md": (mutation.check,),
    "docs/own-data.md": (guides.settings("with 2 to 1,000 classes", "a label and 784 pixels"),),
    "docs/own-network.md": (
        guides.settings(
            "gets pixels from 0 to 1 that",
            "mean 0.2860 and the deviation 0.3530. If",
            "trained on pixels from 0 to 1, begin",
            "A `keras.layers.Rescaling(0.3530, 0.2860)` in front",
            "`forward` with `x = x * 0.3530 + 0.2860`",
            "--epochs 0 --name elsewhere",
        ),
    ),
    "docs/photos.md": (photos.check,),
    "docs/recipes.md": (front.check_recipes,),
    "docs/reliability.md": (reliability.check,),
    "docs/run-folder.md": (guides.settings("of the training part on 10,000 images at most"),),
    "docs/scaling.md": (scaling.check,),
    "docs/speed.md": (speed.check,),
    "docs/speedrun.md": (speedrun.check,),
    "docs/what-it-sees.md": (guides.what_it_sees,),
    "src/fashion_cnn/recipes/catalog.py": (catalog.check,),
    "src/fashion_cnn/shipping/pretrained/balanced.md": (cards.check,),
    "src/fashion_cnn/shipping/pretrained/photo.md": (cards.check,),
}
"""By the page's path; a page that is not here may have no figures."""

QUOTED = (
    assignment.check,
    front.check,
    front.check_recipes,
    speed.check,
    photos.check,
    guides.first_model,
    guides.calibrate,
    guides.audit,
    guides.export,
    guides.keras,
    guides.fine_tune,
    speedrun.check,
)
QUOTING = {"README.md": QUOTED}
"""A page that may say what those pages say, in the same words, and need say none of it."""

HISTORY = {"docs/log.md"}
"""Pages in which a paragraph may say that its readings are not kept."""
