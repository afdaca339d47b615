"""One task merged into the base model's weights: a plain transformers checkpoint."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.utils import ModulesToSaveWrapper
from torch import Tensor, nn
from transformers import PreTrainedModel

from coterie.extract.fixed_task import FixedTaskLora, describe_modules, make_fixed_task_loras
from coterie.extract.source import ExtractRequest
from coterie.extract.verify import (
    compute_largest_error,
    load_checkpoint,
    verify_probe,
    verify_weights,
)
from coterie.models.quantization import is_quantized
from coterie.tuner.forward_hooks import remove_hooks
from coterie.tuner.layer import CoterieLayer


def write(request: ExtractRequest, folder: Path) -> dict[str, Any]:
    """Write the merged checkpoint, load it with transformers, verify it, and return the report."""
    model, adapter = request.model, request.adapter
    shares = make_fixed_task_loras(model, adapter, request.task)
    check(model, shares)
    dtype = request.get_dtype()
    save(copy_without_mixtures(model, adapter), shares, folder, dtype)
    base_model = copy_without_mixtures(model, adapter)
    plain = load_checkpoint(type(base_model), folder, dtype=dtype)
    dtypes = {plain.get_submodule(share.name).get_parameter("weight").dtype for share in shares}
    report = verify_weights(verify(base_model, shares, plain), *dtypes)
    return report | verify_probe(request, plain) | describe_modules(shares)


def check(model: PeftModel, shares: Sequence[FixedTaskLora]) -> None:
    """Raise ValueError if a change cannot be merged into the base model's weights exactly."""
    base: Any = model.get_base_model()
    for share in shares:
        weight = base.get_submodule(share.name).base_layer.weight
        if is_quantized(base) or not weight.is_floating_point() or type(weight.data) is not Tensor:
            raise ValueError(
                f"{share.name} is quantised (or sharded), and a merged weight would be rounded "
                "again: use format='adapter', which fits the base model in any precision"
            )


def copy_without_mixtures(model: PeftModel, adapter: str, *, runs: bool = False) -> PreTrainedModel:
    """Return the base model before grafting, with the adapter's `modules_to_save`.

    Weights are the same tensors as the grafted model's, not copies; except where the copy `runs`
    and is quantised, because bitsandbytes moves parts of a weight in the first forward pass.
    """
    base: Any = model.get_base_model()
    tensors = [] if runs and is_quantized(base) else [*base.parameters(), *base.buffers()]
    copied: Any = copy.deepcopy(base, memo={id(tensor): tensor for tensor in tensors})
    for name, module in list(copied.named_modules()):
        if isinstance(module, CoterieLayer):
            copied.set_submodule(name, module.get_base_layer())
        elif isinstance(module, ModulesToSaveWrapper):
            saved = module.modules_to_save
            own = saved[adapter] if adapter in saved else module.original_module
            copied.set_submodule(name, own)
    remove_hooks(copied)
    copied.__dict__.pop("peft_config", None)
    return copied


@torch.no_grad()
def save(
    base_model: PreTrainedModel, shares: Sequence[FixedTaskLora], to: Path, dtype: torch.dtype
) -> None:
    """Write the checkpoint with its config and, if there is one, generation config."""
    merge(base_model, shares, dtype)
    base_model.save_pretrained(str(to))


@torch.no_grad()
def merge(base_model: PreTrainedModel, shares: Sequence[FixedTaskLora], dtype: torch.dtype) -> None:
    """Add each module's change to its weight in float64, and then convert all to `dtype`."""
    for share in shares:
        module: Any = base_model.get_submodule(share.name)
        weight = module.weight
        total = (weight.cpu().double() + share.compute_delta()).to(dtype)
        module.weight = nn.Parameter(total.to(weight.device), requires_grad=False)
    convert_parameters(base_model, dtype)


def convert_parameters(model: nn.Module, dtype: torch.dtype) -> None:
    """Give a model parameters of another dtype: new ones, as the others are another model's too."""
    converted: dict[nn.Parameter, nn.Parameter] = {}
    for module in model.modules():
        for name, each in module.named_parameters(recurse=False, remove_duplicate=False):
            if each.is_floating_point() and each.dtype != dtype:
                if each not in converted:  # tied ones stay tied
                    converted[each] = nn.Parameter(each.detach().to(dtype), requires_grad=False)
                module.register_parameter(name, converted[each])


@torch.no_grad()
def verify(base_model: nn.Module, shares: Sequence[FixedTaskLora], loaded: nn.Module) -> float:
    """Return the largest error of a weight in the loaded checkpoint, by its largest entry.

    Raises RuntimeError if a weight without a mixture has changed.
    """
    cut = {f"{share.name}.weight": share for share in shares}
    written = loaded.state_dict()
    errors = []
    for name, weight in base_model.state_dict().items():
        mine = written[name].cpu()
        if name in cut:
            whole = weight.cpu().double() + cut[name].compute_delta()
            errors.append(compute_largest_error(mine.double(), whole))
        elif not torch.equal(mine, weight.cpu().to(mine.dtype)):
            raise RuntimeError(f"{name} changed in the checkpoint, and no mixture sits there")
    if len(errors) != len(shares):
        raise RuntimeError(f"{len(shares)} modules were cut and {len(errors)} found again")
    return max(errors)
