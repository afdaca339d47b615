"""A base model that contains those of runs whole, as one that a run grows or is composed on."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coterie.data.chat_template import apply_template, get_tokenizer
from coterie.families.base import find_family
from coterie.models.host import Host
from coterie.train.config import RunConfig
from coterie.train.inputs import BASE_WEIGHTS, list_base_changes, read_input_digests
from coterie.train.run import Run

LOADING = ("precision", "quantize", "attention", "max_pixels")
"""Settings of a run that change what the base model computes."""
SHOWN = 3
"""Names in the message of a base model that does not fit."""
CHAT = [{"role": "user", "content": [{"type": "text", "text": "What is 1 plus 1?"}]}]
"""A prompt that every chat template can write."""


@dataclass(frozen=True, kw_only=True)
class BaseContents:
    """What makes a base model's answers.

    Attributes:
        name: its folder or hub id.
        weights: name -> digest of the values, so that one model at a time is in memory.
        processor: the processor or tokenizer.
    """

    name: str
    weights: Mapping[str, str]
    processor: Any

    @classmethod
    def read(cls, config: RunConfig) -> "BaseContents":
        """Load a run's base model as the run does."""
        loaded = config.load_base("cpu")
        return cls(
            name=config.base,
            weights={name: digest(each) for name, each in loaded.model.named_parameters()},
            processor=loaded.processor,
        )


def digest(values: Tensor) -> str:
    """Return the digest of a tensor's shape, dtype and bits."""
    bits = values.detach().contiguous().flatten().view(torch.uint8).numpy()
    return f"{values.dtype} {tuple(values.shape)} {hashlib.sha256(bits.data).hexdigest()}"


def find_moved_base(run: Run, base: str | None) -> Run:
    """Return the run on `base`, if its own base model is gone and this has the same files.

    Raises ValueError if its own is gone and this is another, or None.
    """
    own = run.config.base
    if not Path(own).is_absolute() or Path(own).exists():
        return run
    moved = None if base is None else replace(run.config, base=base)
    is_known = BASE_WEIGHTS in read_input_digests(run.directory)
    if moved is not None and is_known and not list_base_changes(run.directory, moved):
        return replace(run, config=moved)
    here = "" if base is None else f", and {base} is not the same model"
    raise ValueError(
        f"{run.folder} was trained on the base model {own}, which is not there{here}: if it was "
        "moved, give its folder, base= (--base); to go on with another, put it back first, as it "
        "is compared"
    )


def find_new_connectors(old: Run, base: str) -> tuple[str, ...]:
    """Return expressions of the weights between towers that `base` has and the old base has not.

    Raises ValueError as `check_contains`.
    """
    if base == old.config.base:
        return ()
    check_contains_all(base, [old])
    before, after = (Host.load(each).model for each in (old.config.base, base))
    known, family = dict(before.named_parameters()), find_family(after)
    return tuple(
        re.escape(name)
        for name, _ in after.named_parameters()
        if name not in known and family and family.is_connector(name.rpartition(".")[0])
    )


def check_contains_all(base: str, runs: Sequence[Run]) -> None:
    """Raise ValueError, as `check_contains`, unless a base model contains each run's."""
    after = BaseContents.read(replace(runs[0].config, base=base))
    others = {run.config.base: run.config for run in runs if run.config.base != base}
    for config in others.values():
        check_contains(BaseContents.read(config), after)


def check_contains(before: BaseContents, after: BaseContents) -> None:
    """Raise ValueError unless a base model has each weight of another, and reads text as it does.

    Weights are equal bit for bit. Compared are the tokens, and the chat template by a prompt.
    """
    missing = [name for name in before.weights if name not in after.weights]
    changed = [
        name for name, values in before.weights.items() if after.weights.get(name, values) != values
    ]
    own, theirs = (get_tokenizer(each.processor).get_vocab() for each in (before, after))
    tokens = sorted(repr(name) for name, number in own.items() if theirs.get(name) != number)
    for names, problem in (
        (missing, "has no"),
        (changed, "has other values of"),
        (tokens, "has no token, or another number, of"),
    ):
        if names:
            raise ValueError(describe_misfit(before.name, after.name, problem, names))
    one, other = (
        apply_template(each.processor, [CHAT])["input_ids"].tolist() for each in (before, after)
    )
    if one != other:
        problem = "writes prompts otherwise:"
        raise ValueError(describe_misfit(before.name, after.name, problem, ["chat template"]))


def describe_misfit(old: str, new: str, problem: str, names: Sequence[str]) -> str:
    """Say what a base model lacks of a run's."""
    more = f", ... ({len(names):,} in all)" if len(names) > SHOWN else ""
    return (
        f"the base model {new} {problem} {', '.join(names[:SHOWN])}{more}, and the run's base "
        f"model {old} has them: its tasks would answer otherwise. Give a model that contains it "
        "whole, such as one with a further encoder"
    )
