"""`ExpertSource`: what a separately trained model changes, read from a run, a stage or a folder."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft.utils import CONFIG_NAME
from safetensors import safe_open
from torch import Tensor, nn

from coterie.experts.weight_change import WeightChange
from coterie.families.base import find_family
from coterie.graft import graft
from coterie.mixture import Mixture
from coterie.train import adapter_weights
from coterie.train.checksums import check_undamaged
from coterie.train.inputs import BASE_WEIGHTS, read_input_digests
from coterie.train.run_directory import RunDirectory
from coterie.tuner.config import CoterieConfig
from coterie.tuner.layer import CoterieLayer

TEXT_LAYERS = re.compile(r"(model\.)?((language|text)_model\.)?(model\.)?(?=layers\.)")
"""What stands before the layers of a language model, alone or in a multimodal model."""


@dataclass(frozen=True, kw_only=True)
class ExpertSource:
    """A separately trained model.

    Attributes:
        name: of the stage or folder, for messages.
        changes: full name of a linear layer -> the change of its weights.
        base_weights: trained weights of the base model, such as connectors', by their names in it.
        notes: what was found and is not taken, a sentence each.
    """

    name: str
    changes: Mapping[str, WeightChange] = field(repr=False)
    base_weights: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()


def read_source(folder: Path, base_model: Any, run: RunDirectory) -> ExpertSource:
    """Read a run, a stage's folder, another adapter of coterie, or a folder of a whole model.

    Raises ValueError for anything else, and for one of another base model than that of `run`.
    """
    if (found := find_source(folder, run)) is None:
        return read_model(folder, base_model)
    config: Any = CoterieConfig.from_pretrained(found)
    mixtures = config.parse_mixtures()
    return read_adapter(found, mixtures, base_model, name=str(folder))


def find_source(folder: Path, run: RunDirectory) -> Path | None:
    """Return the folder of the adapter of a source; None for one of a whole model.

    Raises ValueError as `read_source`, as far as that is known without the weights' values.
    """
    if (found := find_adapter(folder)) is not None:
        check_base(folder, run)
    elif not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"{folder} has neither an adapter of coterie nor a model in *.safetensors: give a run, "
            "a stage's folder, or a model's"
        )
    return found


def find_adapter(folder: Path) -> Path | None:
    """Return the folder of the adapter of a run or a stage; None for a folder without adapter.

    Raises ValueError for a run that is not finished, a folder that does not exist, and weights that
    are damaged.
    """
    run = RunDirectory(folder)
    if run.is_run and not run.is_finished:
        raise ValueError(
            f"{folder} is not finished: {run.resumption}, or give the folder of a finished stage "
            "in it"
        )
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: give a run, or a stage's folder in one")
    found = run.adapter_folder if run.is_run else folder
    if not (found / CONFIG_NAME).is_file():
        return None
    adapter_weights.check_tensors(found)
    check_undamaged(found, "copy it again")
    return found


def check_base(folder: Path, run: RunDirectory) -> None:
    """Raise ValueError if a run, or that of a stage's folder, was trained on another base model."""
    theirs = next(
        (
            read_input_digests(each).get(BASE_WEIGHTS)
            for each in map(RunDirectory, (folder, *folder.parents[:2]))
            if each.is_run
        ),
        None,
    )
    own = read_input_digests(run).get(BASE_WEIGHTS)
    if theirs is not None and own is not None and theirs != own:
        raise ValueError(
            f"{folder} was trained on another base model than this run's: their weights differ. "
            "Train both on one base model"
        )


def read_adapter(
    folder: Path, mixtures: Sequence[Mixture], base_model: Any, *, name: str
) -> ExpertSource:
    """Read an adapter of LoRA or copies without gates, by grafting it for the moment.

    The base model is as before. Raises ValueError for mixtures with a gate or several experts,
    whose change of a weight depends on the input, and for weights that do not fit the mixtures.
    """
    for each in mixtures:
        if each.gate is not None or each.num_experts > 1 or each.shared is not None:
            raise ValueError(
                f"{name} has a mixture of {each.num_experts} experts at {each.at!r}, and an expert "
                "starts from a model without one: give a run of one LoRA, or of Copies(count=1), "
                "with gate=None"
            )
    model = graft(base_model, mixtures)
    adapter_weights.check_names(model, folder)
    base_weights = adapter_weights.load_adapter(model, folder)
    changes = {
        full.removesuffix("."): change
        for place, layer in list_layers(model)
        for full, change in read_layer(place, layer).items()
    }
    model.unload()
    return ExpertSource(name=name, changes=changes, base_weights=base_weights)


def list_layers(model: nn.Module) -> Iterator[tuple[str, CoterieLayer]]:
    """Yield the layers with experts, with their names in the base model."""
    for layer in model.modules():
        if isinstance(layer, CoterieLayer):
            for site in layer.coterie_site.values():
                yield site.layer_site.name, layer


def read_layer(place: str, layer: CoterieLayer) -> dict[str, WeightChange]:
    """Return the full name of a linear layer -> its change, of the one expert of a layer."""
    ((adapter, site),) = layer.coterie_site.items()
    try:
        found = site.mixture.main.get_changes(
            layer.coterie_experts[adapter], layer.get_base_layer()
        )
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    return {f"{place}.{inside}": change for inside, change in found.items()}


def read_model(folder: Path, base_model: Any) -> ExpertSource:
    """Read what differs in the MLPs of a whole model in safetensors, of the base model's sizes.

    Other weights that differ are noted. Raises ValueError for a missing or another MLP.
    """
    files = sorted(folder.glob("*.safetensors"))
    own = dict(base_model.named_parameters())
    inside = {name.rpartition(".")[0] for name in own} & list_mlp_linears(base_model)
    by_layer = {shorten(name): name for name in own}
    differ: dict[str, Tensor] = {}
    for file in files:
        with safe_open(file, framework="pt") as opened:
            for key in opened.keys():
                name = by_layer.pop(shorten(key), None)
                if (
                    name is not None
                    and (found := compare(own[name], opened.get_tensor(key), f"{file}: {key}"))
                    is not None
                ):
                    differ[name] = found
    missing = [name for name in by_layer.values() if name.rpartition(".")[0] in inside]
    if missing:
        raise ValueError(f"{folder} has no {missing[0]}: its MLPs are not those of the base model")
    rest = [name for name in differ if name.rpartition(".")[0] not in inside]
    notes = (f"{len(rest)} other weights differ and are not taken: {rest[0]} ...",) if rest else ()
    changes = {
        linear: WeightChange.from_matrix(differ[f"{linear}.weight"], differ.get(f"{linear}.bias"))
        for linear in sorted(inside)
        if f"{linear}.weight" in differ
    }
    return ExpertSource(name=str(folder), changes=changes, notes=notes)


def list_mlp_linears(base_model: Any) -> set[str]:
    """Return the names of the linear layers in the MLPs of a language model."""
    family = find_family(base_model)
    blocks = family.roles["text.mlp"].block if family else r".*layers\.\d+\.mlp"
    return {
        name
        for name, module in base_model.named_modules()
        if isinstance(module, nn.Linear) and re.match(rf"({blocks})\.", name)
    }


def shorten(name: str) -> str:
    """Return a weight's name, from the layers on if it is of a language model's layers."""
    found = TEXT_LAYERS.match(name)
    return name[found.end() :] if found else name


@torch.no_grad()
def compare(own: Tensor, theirs: Tensor, where: str) -> Tensor | None:
    """Return the difference of a weight from the base model's; None for none.

    Raises ValueError for another shape.
    """
    if own.shape != theirs.shape:
        raise ValueError(
            f"{where} is {tuple(theirs.shape)}, and {tuple(own.shape)} in the base model: give a "
            "model of the same architecture"
        )
    change = theirs.to(own.device).float() - own.float()
    return change if change.any() else None
