"""The base model of a run that grows: it may be another one, which contains the old one whole."""

import re
from dataclasses import replace

import torch
from torch import Tensor, nn

from coterie.families.base import find_family
from coterie.train.run import Run

SHOWN = 3
"""Names in the message of a base model that does not fit."""


def find_new_connectors(old: Run, base: str) -> tuple[str, ...]:
    """Return expressions of the weights between towers that `base` has and the old base has not.

    Raises ValueError unless the base model has every weight of the old one, bit for bit.
    """
    if base == old.config.base:
        return ()
    before = _get_weights(old.load_base("cpu").model)
    model = replace(old.config, base=base).load_base("cpu").model
    after = _get_weights(model)
    check_contains(before, after, old=old.config.base, new=base)
    family = find_family(model)
    return tuple(
        re.escape(name)
        for name in after
        if name not in before and family and family.is_connector(name.rpartition(".")[0])
    )


def check_contains(
    before: dict[str, Tensor], after: dict[str, Tensor], *, old: str, new: str
) -> None:
    """Raise ValueError, naming weights, unless all of `before` are in `after`, bit for bit."""
    missing = [name for name in before if name not in after]
    changed = [
        name
        for name, values in before.items()
        if name in after and not torch.equal(values, after[name])
    ]
    for names, problem in ((missing, "has no"), (changed, "has other values of")):
        if names:
            more = f", ... ({len(names):,} in all)" if len(names) > SHOWN else ""
            raise ValueError(
                f"the base model {new} {problem} {', '.join(names[:SHOWN])}{more}, and the run's "
                f"base model {old} has them: the old tasks would answer otherwise. Give a model "
                "that contains it whole, such as one with a further encoder"
            )


def _get_weights(model: nn.Module) -> dict[str, Tensor]:
    return dict(model.named_parameters())
