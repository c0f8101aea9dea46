"""Pictures of a search: Optuna's own."""

import warnings

import matplotlib.pyplot as plt
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState
from optuna.visualization import matplotlib as drawing

from fashion_cnn.reporting.plots import png
from fashion_cnn.tuning.record import importances


def draw_search(study: optuna.Study, seed: int) -> dict[str, bytes]:
    """PNG by name: "history", "epochs", "slice" and, if there are any, "importances".

    Args: seed: of the importances, as for `fashion_cnn.tuning.record.importances`.
    """
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return {}
    value = f"validation {study.user_attrs['objective']}"
    plots = {
        "history": lambda: drawing.plot_optimization_history(study, target_name=value),
        # A name a trial would fill the picture.
        "epochs": lambda: drawing.plot_intermediate_values(study).legend(handles=[], frameon=False),
        "slice": lambda: drawing.plot_slice(study, target_name=value),
    }
    if importances(study, seed):
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed % 2**32)
        plots["importances"] = lambda: drawing.plot_param_importances(study, evaluator=evaluator)
    pictures = {}
    plt.switch_backend("agg")
    with warnings.catch_warnings(), plt.rc_context({"figure.constrained_layout.use": True}):
        warnings.simplefilter("ignore", ExperimentalWarning)  # as it has been since 2021
        warnings.filterwarnings("ignore", "Attempting to set identical")  # ends, of a single trial
        for name, plot in plots.items():
            plot()
            pictures[name] = png(plt.gcf())
            plt.close()
    return pictures
