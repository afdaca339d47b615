"""Transfer and forgetting, from the scores of tasks that were learned one after another.

`scores[..., i, j]` is the score on task j after step i, NaN where there is none; more is better (an
error enters as its negative). `first[j]` is the step, from 0, that trained task j first. Results
have a value for each task, NaN where a measure is not defined; published measures are the means
over the other tasks.
"""

import numpy as np
from jaxtyping import Float, Int

Scores = Float[np.ndarray, "... steps tasks"]
ByTask = Float[np.ndarray, "... tasks"]
FirstStep = Int[np.ndarray, " tasks"]


def get_learned(scores: Scores, first: FirstStep) -> ByTask:
    """Return each task's score right after the step that trained it first.

    Its mean is the learning accuracy (Riemer et al. 2019, arXiv:1810.11910), and PathWeave's
    transfer T_m (arXiv:2410.20178).
    """
    return scores[..., first, np.arange(len(first))]


def compute_backward_transfer(scores: Scores, first: FirstStep) -> ByTask:
    """Compute R[last, j] - R[first[j], j]: how later steps changed a task; below 0 for forgetting.

    BWT of Lopez-Paz and Ranzato 2017 (GEM, arXiv:1706.08840) eq. 3; its negative is PathWeave's F
    after the last step. Not defined for the tasks of the last step.
    """
    changes = scores[..., -1, :] - get_learned(scores, first)
    return np.where(first < scores.shape[-2] - 1, changes, np.nan)


def compute_forgetting(scores: Scores, first: FirstStep, step: int = -1) -> ByTask:
    """Compute max over l < k of R[l, j] - R[k, j]: how far below its best a task is after step k.

    Chaudhry et al. 2018 (arXiv:1801.10112) eq. 3. Below 0 where the task is better than ever
    before. Not defined for tasks that no step before `step` trained.
    """
    last = range(scores.shape[-2])[step]
    if not last:
        return np.full_like(scores[..., 0, :], np.nan)
    best = np.fmax.reduce(scores[..., :last, :], axis=-2)
    return np.where(first < last, best - scores[..., last, :], np.nan)


def compute_forward_transfer(scores: Scores, first: FirstStep, untrained: ByTask) -> ByTask:
    """Compute R[first[j] - 1, j] - b[j]: what the steps before a task's own bring it.

    FWT of Lopez-Paz and Ranzato 2017 (arXiv:1706.08840) eq. 4. b is the score of the model before
    any step: here the pretrained base model, there a random one. Not defined for the first step's
    tasks, nor without a score before the task's own step.
    """
    before = scores[..., np.maximum(first - 1, 0), np.arange(len(first))]
    return np.where(first > 0, before - untrained, np.nan)
