"""The "native" format: a token-routed mixture as a class that transformers itself has.

Mixtral and Qwen2-MoE compute softmax, the k largest and a sum of MLPs. Where a mixture is the same
function, its weights fit theirs exactly, and vLLM, SGLang and llama.cpp run it as they run those.
"""

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import MixtralConfig, MixtralForCausalLM, Qwen2MoeConfig, Qwen2MoeForCausalLM

from coterie.data.sources.base import get_first_line
from coterie.extract.fixed_task import (
    get_adapter_config,
    get_adapter_layers,
    make_fixed_task_lora,
    use_single_adapter,
)
from coterie.extract.merged import convert_parameters, copy_without_mixtures
from coterie.extract.native_config import UNUSED_WIDTH, check_host, make_config
from coterie.extract.native_mixture import (
    NativeMixture,
    NativeSettings,
    find_native_problem,
    make_native_mixture,
)
from coterie.extract.native_pruning import (
    choose_experts,
    describe_pruning,
    keep_experts,
)
from coterie.extract.pruned import restrict_to_experts
from coterie.extract.source import ExtractRequest
from coterie.extract.verify import (
    draw_tokens,
    get_model_output,
    load_checkpoint,
    verify_outputs,
    verify_probe,
)
from coterie.tuner.constant_mixture import require_constant
from coterie.tuner.layer import CoterieLayer

BLOCK = re.compile(r"(?P<layers>.*\blayers\.)(?P<number>\d+)\.mlp")

Weights = dict[str, Tensor]


def write(request: ExtractRequest, folder: Path) -> dict[str, Any]:
    """Write the checkpoint, load it and compare it, and return the report."""
    model, adapter, task = request.model, request.adapter, find_task(request)
    mixtures, merged = split_layers(model, adapter, task)
    base_model: Any = copy_without_mixtures(model, adapter)
    check_host(base_model, mixtures)
    stay = choose_experts(request, mixtures)
    mixtures = {name: keep_experts(each, stay[name]) for name, each in mixtures.items()}
    text_config = make_config(base_model.config.get_text_config(), mixtures)
    kind, config = choose_class(base_model, text_config)
    native = build(kind, config, base_model, select_host_weights(base_model, mixtures, merged)
                   | make_mixture_weights(mixtures, text_config))  # fmt: skip
    convert_parameters(native, request.get_dtype())
    native.config.dtype = request.get_dtype()
    native.save_pretrained(str(folder))
    del native
    plain = load_checkpoint(kind, folder, dtype=request.get_dtype())
    report: dict[str, Any] = {"class": kind.__name__, "merged_modules": sorted(merged)}
    report |= {"text_model": text_config.model_type, "experts": text_config.num_experts}
    report |= {"experts_a_token": text_config.num_experts_per_tok}
    report |= describe_pruning(request, stay)
    with restrict_to_experts(model, adapter, stay):
        if request.probe is not None:
            return report | verify_probe(request, plain)
        return report | verify_tokens(request, plain, task)


def choose_class(base_model: Any, text_config: Any) -> tuple[Any, Any]:
    """Return the class and its configuration: of text alone, or the base model's around the text.

    Models with images or sounds build their language model from its own configuration.
    """
    if base_model.config.get_text_config() is base_model.config:
        is_mixtral = isinstance(text_config, MixtralConfig)
        return (MixtralForCausalLM if is_mixtral else Qwen2MoeForCausalLM), text_config
    config = copy.deepcopy(base_model.config)
    config.text_config = text_config
    return type(base_model), config


def build(kind: Any, config: Any, base_model: Any, weights: Weights) -> Any:
    """Return the native model with these weights. ValueError if its class has no place for them."""
    with torch.device("meta"):
        native = kind(config)
    if config.get_text_config().tie_word_embeddings or config.tie_word_embeddings:
        head, table = "lm_head.weight", base_model.get_input_embeddings().weight
        weights |= {head: table} if head in native.state_dict() and head not in weights else {}
    try:
        native.load_state_dict(weights, assign=True, strict=True)
    except RuntimeError as error:
        raise ValueError(
            f"format='native': {kind.__name__} takes no {config.get_text_config().model_type} as "
            f"its language model ({get_first_line(error)})"
        ) from error
    for name, buffer in base_model.named_buffers():
        if name not in weights and name in dict(native.named_buffers()):
            module, _, own = name.rpartition(".")
            native.get_submodule(module)._buffers[own] = buffer
    native.tie_weights()
    native.generation_config = base_model.generation_config
    return native


def find_task(request: ExtractRequest) -> int | None:
    """Return the index of the task; None for an adapter without tasks. ValueError for another."""
    tasks = get_adapter_config(request.model, request.adapter).tasks
    if tasks and request.task not in tasks:
        raise ValueError(f"task={request.task!r}: the adapter's tasks are {', '.join(tasks)}")
    return tasks.index(request.task) if tasks else None


def split_layers(
    model: PeftModel, adapter: str, task: int | None
) -> tuple[dict[str, NativeMixture], Weights]:
    """Return MLP -> its mixture, and module -> the change of its weight by a LoRA.

    Raises ValueError with the reason if a mixture is neither.
    """
    mixtures: dict[str, NativeMixture] = {}
    merged: Weights = {}
    for name, layer in get_adapter_layers(model, adapter).items():
        site = layer.coterie_site[adapter]
        mixture, is_text = site.mixture, site.layer_site.tower == "text"
        problem = find_native_problem(mixture)
        if problem is None and not (is_text and BLOCK.fullmatch(name)):
            problem = "Copies of what is no MLP of a language model"
        if problem is None:
            of_task = task if mixture.gate is not None and mixture.gate.needs_task_ids else None
            mixtures[name] = make_native_mixture(layer, adapter, of_task)
        else:
            merged[name] = merge_constant(name, layer, adapter, task, str(problem))
    if not mixtures:
        raise ValueError(
            "format='native' is for Copies at the MLPs of a language model, and there are none: "
            "use format='adapter' or 'merged'"
        )
    return mixtures, merged


def merge_constant(
    name: str, layer: CoterieLayer, adapter: str, task: int | None, problem: str
) -> Tensor:
    """Return the change of a linear layer's weight by a constant mixture, in float64."""
    try:
        require_constant(layer.coterie_site[adapter].mixture, name)
    except ValueError as error:
        raise ValueError(
            f"format='native': the mixture at {name} has {problem}, which neither Mixtral nor "
            f"Qwen2-MoE computes, and it cannot be merged either: {error}"
        ) from error
    return make_fixed_task_lora(name, layer, adapter, task).compute_delta()


def select_host_weights(
    base_model: Any, mixtures: Mapping[str, NativeMixture], merged: Weights
) -> Weights:
    """Return the base model's weights, without the MLPs that mixtures replace."""
    replaced = tuple(f"{name}." for name in mixtures)
    weights = {}
    for name, weight in base_model.state_dict().items():
        if not name.startswith(replaced):
            change = merged.get(name.removesuffix(".weight"))
            own = weight.cpu()
            weights[name] = own if change is None else (own.double() + change).to(own.dtype)
    return weights


def make_mixture_weights(mixtures: Mapping[str, NativeMixture], config: Any) -> Weights:
    """Return the weights of all mixtures by their names in the native class."""
    weights: Weights = {}
    for name, mixture in mixtures.items():
        weights |= make_layer_weights(mixture, f"{name}.", config)
    return weights


def make_layer_weights(mixture: NativeMixture, prefix: str, config: Any) -> Weights:
    """Return the weights of one layer's mixture."""
    routed, settings = mixture.routed, mixture.settings
    weights = {
        "gate.weight": mixture.router,
        "experts.gate_up_proj": torch.cat([routed["gate_proj"], routed["up_proj"]], 1),
        "experts.down_proj": routed["down_proj"],
    }
    if isinstance(config, Qwen2MoeConfig):
        weights |= make_shared_weights(mixture, settings, config)
    return {f"{prefix}{name}": weight.contiguous() for name, weight in weights.items()}


def make_shared_weights(mixture: NativeMixture, settings: NativeSettings, config: Any) -> Weights:
    """Return the weights of the shared expert, whose output Qwen2-MoE multiplies by a sigmoid.

    Several shared experts are one with the hidden units of all. The sigmoid's row is 0, so that it
    is 1/2, and the output map is twice the experts'.
    """
    hidden = config.hidden_size
    weights = {"shared_expert_gate.weight": torch.zeros(1, hidden)}
    for name in ("gate_proj", "up_proj"):
        own = mixture.shared[name].reshape(-1, hidden)
        weights[f"shared_expert.{name}.weight"] = (
            own if settings.shared_width else torch.zeros(UNUSED_WIDTH, hidden)
        )
    down = mixture.shared["down_proj"].transpose(0, 1).reshape(hidden, -1)
    if not settings.shared_width:
        down = torch.zeros(hidden, UNUSED_WIDTH)
    return weights | {"shared_expert.down_proj.weight": 2 * down}


@torch.no_grad()
def verify_tokens(request: ExtractRequest, plain: Any, task: int | None) -> dict[str, float]:
    """Compare the outputs for random tokens."""
    model = request.model
    base: Any = model.get_base_model()
    ids = draw_tokens(base, 2)
    tasks = {} if task is None else {"coterie_task_ids": torch.full((2,), task)}
    with use_single_adapter(model, request.adapter):
        wanted = get_model_output(model(input_ids=ids, **tasks)).float()
    return verify_outputs(
        get_model_output(plain.to(ids.device)(input_ids=ids)).float(), wanted, plain
    )
