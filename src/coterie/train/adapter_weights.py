"""Trained weights in files: experts, gates and the base model's trained parameters."""

import math
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import PeftModel
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from coterie import io
from coterie.train import sharding
from coterie.tuner.config import WEIGHTS, check_weights
from coterie.tuner.layer import CoterieLayer, get_base_parameter_name


def save(model: PeftModel, base_parameters: Sequence[str], folder: Path) -> None:
    """Save the adapter as PEFT does, with the trained base parameters in the same file.

    Base parameters, those that any stage so far has trained, have their full names, so that
    `PeftModel.from_pretrained` loads them, too.
    """
    model.save_pretrained(str(folder))
    save_tensors(collect(model, base_parameters), folder)


def collect(model: PeftModel, base_parameters: Sequence[str]) -> dict[str, Tensor]:
    """Return the weights of `save` on rank 0, empty ones elsewhere. Every process must call it."""
    return {
        name: sharding.gather_on_rank_zero(values).contiguous()
        for name, values in _get_tensors_by_name(model).items()
        if ".coterie_" in name or name in base_parameters
    }


def save_tensors(own: dict[str, Tensor], folder: Path) -> None:
    """Save what `collect` returned without the PEFT configuration, as checkpoints hold it."""
    io.save_tensors(own, folder / WEIGHTS, metadata={"format": "pt"})


def load(model: PeftModel, folder: Path) -> None:
    """Load what `save` wrote into a model with the same mixtures.

    Raises ValueError if the names of the weights differ between the file and the model.
    """
    saved, own = load_file(folder / WEIGHTS), _get_tensors_by_name(model)
    _compare_names(saved.keys(), own.keys(), folder / WEIGHTS)
    with torch.no_grad():
        for name, values in saved.items():
            own[name].copy_(sharding.place_like(values, own[name]))


def load_adapter(model: PeftModel, folder: Path) -> dict[str, Tensor]:
    """Load experts and gates alone; return the trained base parameters by their names in the base.

    The names of the weights are those of the model: see `check_names`.
    """
    saved, own = load_file(folder / WEIGHTS), _get_tensors_by_name(model)
    with torch.no_grad(), explain_misfit(folder):
        for name, values in saved.items():
            if ".coterie_" in name:
                own[name].copy_(values)
    return {
        get_base_parameter_name(name): values
        for name, values in saved.items()
        if ".coterie_" not in name
    }


def load_mixtures(model: PeftModel, folder: Path) -> None:
    """Load experts and gates into a model that has these mixtures and may have further ones.

    Raises ValueError for one that the model does not have, or of another shape.
    """
    saved, own = load_file(folder / WEIGHTS), _get_tensors_by_name(model)
    with torch.no_grad(), explain_misfit(folder):
        for name, values in saved.items():
            if ".coterie_" not in name:
                continue
            if name not in own:
                raise ValueError(f"{folder / WEIGHTS}: {name} is no weight of these mixtures")
            own[name].copy_(values)


def load_base(model: PeftModel, folder: Path) -> list[str]:
    """Load the trained base parameters alone, into a model of other mixtures; return their names.

    Raises ValueError for one that the model does not have, or of another shape.
    """
    own = {
        get_base_parameter_name(name): name
        for name, _ in model.named_parameters()
        if ".coterie_" not in name
    }
    found = []
    with torch.no_grad(), explain_misfit(folder), safe_open(folder / WEIGHTS, "pt") as file:
        for name in file.keys():
            if ".coterie_" in name:
                continue
            if (base_name := get_base_parameter_name(name)) not in own:
                raise ValueError(f"{folder / WEIGHTS}: {base_name} is no weight of this base model")
            parameter = model.get_parameter(own[base_name])
            values = file.get_tensor(name)
            if values.shape != parameter.shape:
                raise ValueError(
                    f"{folder / WEIGHTS}: {base_name} is {tuple(values.shape)}, and "
                    f"{tuple(parameter.shape)} in this base model"
                )
            parameter.data = values.to(parameter.device)
            found.append(own[base_name])
    return found


def check_names(model: PeftModel, folder: Path) -> None:
    """Raise ValueError if the names of the weights differ between the file and the model."""
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        _compare_names(file.keys(), _get_tensors_by_name(model).keys(), folder / WEIGHTS)


def _compare_names(saved: Collection[str], own: Collection[str], file: Path) -> None:
    missing = [name for name in own if name not in saved and ".coterie_" in name]
    strange = [name for name in saved if name not in own]
    if missing or strange:
        raise ValueError(
            f"{file} does not fit the model: {(missing + strange)[0]} is in only one of them. Was "
            "the base model replaced since, or the adapter's configuration edited?"
        )


def check_tensors(folder: Path) -> None:
    """Raise ValueError, naming file and tensor, for weights that are no finite numbers."""
    check_weights(folder)
    if not (folder / WEIGHTS).is_file():
        raise ValueError(f"{folder} has no {WEIGHTS}: restore it, or train the run again")
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        for name in file.keys():
            values, what = file.get_tensor(name), f"{folder / WEIGHTS}: {name}"
            if not values.is_floating_point():
                raise ValueError(f"{what} is of {values.dtype}: weights are floating-point")
            if not values.isfinite().all():
                raise ValueError(f"{what} has values that are not finite: it was damaged or edited")


@contextmanager
def explain_misfit(folder: Path) -> Iterator[None]:
    """Make a ValueError, of one line, of torch's error about tensors of another shape.

    PEFT's warning on missing ones, of thousands of characters, is hidden: see `check_names`.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Found missing adapter keys")
            yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        first = next((line for line in lines if line.startswith("size mismatch")), lines[0])
        raise ValueError(f"{folder / WEIGHTS} does not fit the model: {first}") from error


def count_saved_parameters(folder: Path) -> int:
    """Return the number of values in an adapter's weights file: all trained parameters."""
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())


def load_copies(model: PeftModel, folder: Path) -> None:
    """Initialise each expert as a copy of the one expert that a stage without routing trained.

    Raises ValueError if an expert's shape does not allow it, as with unequal ranks.
    """
    saved = load_file(folder / WEIGHTS)
    sites = {
        f"{prefix}.coterie_experts.": site
        for prefix, module in model.named_modules()
        if isinstance(module, CoterieLayer)
        for site in module.coterie_site.values()
    }
    for site in sites.values():
        problem = site.mixture.main.find_copy_problem(site.mixture.shared)
        if problem is not None:
            raise ValueError(f"init='copy' at {site.layer_site.name}: {problem}")
    with torch.no_grad():
        for name, target in _get_tensors_by_name(model).items():
            if name in saved:  # new gates are not
                source = saved[name]
                prefix = next(filter(name.startswith, sites), None)
                if prefix is not None:
                    source = sites[prefix].mixture.main.repeat_weight(source, target.shape)
                target.copy_(source)


def _get_tensors_by_name(model: PeftModel) -> dict[str, Tensor]:
    base = {name: each for name, each in model.named_parameters() if ".coterie_" not in name}
    return base | dict(get_peft_model_state_dict(model, save_embedding_layers=False))
