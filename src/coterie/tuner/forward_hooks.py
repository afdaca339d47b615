"""What grafting adds to a model: hooks that open each batch's `RoutingContext`, and `generate`."""

import inspect
from collections.abc import Mapping
from functools import partial
from types import MethodType
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from coterie.families.base import ModelFamily, find_family
from coterie.modalities.base import find_modalities, find_tower_modalities
from coterie.routing.context import RoutingContext
from coterie.routing.gates.instance import compute_masked_mean
from coterie.tuner import runtime
from coterie.tuner.runtime import RUNTIME, GenerationSession

TASK_KEYS = ("coterie_task_ids", "task_ids")
PROMPT_KEY = "prompt_mask"
TokenMask = Bool[Tensor, "batch seq"]
BATCH_INPUTS = ("input_ids", "inputs_embeds", "pixel_values", "input_features", "input_values")


class RoutingHook:
    """Hooks that open the routing context before the model's forward and close it after, always."""

    def __init__(self, model: nn.Module):
        self.family: ModelFamily | None = find_family(model)
        self.modalities = find_modalities()
        towers = () if self.family is None else self.family.towers
        known = find_tower_modalities()
        self.tower_modalities = {tower: known[tower] for tower in known if tower in towers}
        self.parameter_names = tuple(inspect.signature(model.forward).parameters)
        self.caches_decisions = False
        self.num_tasks = 0
        self.handles: list[RemovableHandle] = [
            model.register_forward_pre_hook(self.open, with_kwargs=True),
            model.register_forward_hook(self.close, with_kwargs=True, always_call=True),
        ]
        layers = getattr(getattr(model, "get_decoder", lambda: None)(), "layers", None)
        if layers:
            hook = layers[0].register_forward_pre_hook(_pool_prompt, with_kwargs=True)
            self.handles.append(hook)
        if callable(getattr(model, "generate", None)):
            vars(model)["generate"] = MethodType(generate_routed, model)

    def open(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if model.training and not torch.compiler.is_compiling():
            runtime.configure_checkpointing(model)
        task_ids = next((kwargs[key] for key in TASK_KEYS if kwargs.get(key) is not None), None)
        prompt = kwargs.get(PROMPT_KEY)
        kwargs = {name: kwargs[name] for name in kwargs if name not in (*TASK_KEYS, PROMPT_KEY)}
        inputs = dict(zip(self.parameter_names, args, strict=False)) | kwargs
        context = self._make_context(model, inputs, prompt)
        if task_ids is None and RUNTIME.generation_session is not None:
            task_ids = RUNTIME.generation_session.task_ids
        if task_ids is None and self.family is not None:
            task_ids = self.family.get_task_of_rows(inputs, model.config)
            # The model has a row for each task and sample, and rows are routed, not samples.
            context.batch_size = context.batch_size if task_ids is None else len(task_ids)
        if task_ids is not None:
            _set_tasks(context, task_ids, self.num_tasks)
        if self.caches_decisions:
            self._restore_cached_decisions(context, inputs)
        runtime.push_context(context)
        return args, kwargs

    def close(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        context = RUNTIME.context
        runtime.pop_context()
        cache = getattr(output, "past_key_values", None)
        if self.caches_decisions and context is not None and cache is not None:
            cache.coterie_cached_decisions = context.cached_decisions

    def _make_context(
        self, model: nn.Module, inputs: Mapping[str, Any], prompt: Tensor | None
    ) -> RoutingContext:
        first = next((inputs[name] for name in BATCH_INPUTS if inputs.get(name) is not None), None)
        if first is None:
            raise ValueError(
                f"coterie cannot tell the batch from the arguments {sorted(inputs)}: pass "
                "input_ids, inputs_embeds or pixel_values by name"
            )
        context = RoutingContext(batch_size=first.shape[0], device=first.device, tape=RUNTIME.tape)
        context.adapter_names = _repeat_names(RUNTIME.adapter_names, first.shape[0])
        ids, mask = inputs.get("input_ids"), inputs.get("attention_mask")
        text = ids if ids is not None else inputs.get("inputs_embeds")
        if text is not None:
            if mask is not None and mask.ndim == 2:
                context.valid = mask[:, -text.shape[1] :].bool()
            labels = inputs.get("labels")
            context.prompt_mask = _make_prompt_mask(text, context.valid, labels, prompt)
        if self.family is not None:
            context.tower_modalities = self.tower_modalities
            context.rows_per_sample = {
                tower: partial(self.family.count_rows_per_sample, tower, inputs, model.config)
                for modality in self.modalities
                if any(inputs.get(name) is not None for name in modality.inputs)
                for tower in modality.towers
                if tower in self.tower_modalities
            }
            placeholders = self.family.get_placeholder_ids(model.config)
            names = ("text", *placeholders, *self.tower_modalities.values())
            context.modalities = tuple(dict.fromkeys(names))
            if ids is not None:
                context.modality = torch.zeros_like(ids)
                for name, token in placeholders.items():
                    index = context.modalities.index(name)
                    context.modality = context.modality.masked_fill(ids == token, index)
        return context

    def _restore_cached_decisions(self, context: RoutingContext, inputs: Mapping[str, Any]) -> None:
        """Use the decisions that an earlier pass over the prompt made."""
        if inputs.get("cu_seq_lens_q") is not None:
            raise ValueError(
                "the batch packs several samples into one row (cu_seq_lens_q), and a decision by "
                "prompt needs them apart: pad them, and use generate() for generate_batch()"
            )
        if (session := RUNTIME.generation_session) is not None:
            context.cached_decisions = session.cached_decisions
            context.reuse_cached_decisions = session.has_started
            mask, prompt = context.prompt_mask, session.prompt_mask
            if not session.has_started and prompt is not None and mask is not None:
                prompt = prompt.repeat_interleave(context.batch_size // len(prompt), 0)
                context.prompt_mask = prompt if prompt.shape == mask.shape else mask
            session.has_started = True
            return
        cache = inputs.get("past_key_values")
        if cache is not None and cache.get_seq_length() > 0:
            context.cached_decisions = getattr(cache, "coterie_cached_decisions", {})
            context.reuse_cached_decisions = True
        elif context.prompt_mask is not None and not torch.compiler.is_compiling():
            if empty := (~context.prompt_mask.any(1)).nonzero().flatten().tolist():
                raise ValueError(
                    f"samples {empty} have no prompt: every attended token has a label, and a "
                    "decision by prompt must not see the answer. Set the prompt's labels to -100, "
                    "or pass prompt_mask="
                )


def find_hook(model: nn.Module) -> RoutingHook | None:
    """Return the hook that grafting added to the model, also that of another tuner object."""
    owners = (getattr(hook, "__self__", None) for hook in model._forward_pre_hooks.values())
    return next((owner for owner in owners if isinstance(owner, RoutingHook)), None)


def remove_hooks(model: nn.Module) -> None:
    """Remove what grafting added to the model: its hooks, and its `generate`."""
    hook = find_hook(model)
    for handle in () if hook is None else hook.handles:
        handle.remove()
    vars(model).pop("generate", None)


def generate_routed(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Generate as the base model does; replaces its `generate` and also takes `task_ids`."""
    task_ids = kwargs.pop("coterie_task_ids", kwargs.pop("task_ids", None))
    mask = kwargs.get("attention_mask")
    config = kwargs.get("generation_config") or self.generation_config
    size = kwargs.get("prefill_chunk_size", getattr(config, "prefill_chunk_size", None))
    if size is not None:
        raise ValueError(
            f"prefill_chunk_size={size}: a decision by prompt would see the first chunk only; "
            "leave it out for grafted models"
        )
    prompt = mask.bool() if isinstance(mask, Tensor) and mask.ndim == 2 else None
    outer = RUNTIME.generation_session
    RUNTIME.generation_session = GenerationSession(task_ids=task_ids, prompt_mask=prompt)
    try:
        return type(self).generate(self, *args, **kwargs)
    finally:
        RUNTIME.generation_session = outer


def _repeat_names(names: tuple[str, ...] | None, batch: int) -> tuple[str, ...] | None:
    if names is not None and batch % len(names):
        raise ValueError(f"adapter_names has {len(names)} entries for a batch of {batch}")
    return names and tuple(name for name in names for _ in range(batch // len(names)))


def _make_prompt_mask(
    text: Tensor, seen: TokenMask | None, labels: Tensor | None, given: Tensor | None
) -> TokenMask:
    """Return the mask given, or attended tokens before the first answer token of each sample."""
    shape = text.shape[:2]
    if given is not None and given.shape != shape:
        raise ValueError(
            f"{PROMPT_KEY} is {tuple(given.shape)} for tokens of {tuple(shape)}: pass a bool a "
            "token"
        )
    if given is not None:
        return given.bool()
    seen = torch.ones(shape, dtype=torch.bool, device=text.device) if seen is None else seen
    if labels is None or labels.shape != shape:
        return seen
    return seen & ((labels != -100).cumsum(1) == 0)


def _set_tasks(context: RoutingContext, task_ids: Tensor, num_tasks: int) -> None:
    if not isinstance(task_ids, Tensor) or task_ids.dtype != torch.int64 or task_ids.ndim != 1:
        found = getattr(task_ids, "dtype", type(task_ids).__name__)
        raise ValueError(f"task_ids is {found}: pass an int64 tensor with one index a sample")
    if task_ids.numel() == 0 or context.batch_size % task_ids.numel():
        raise ValueError(
            f"task_ids has {task_ids.numel()} entries for a batch of {context.batch_size}: pass "
            "one a sample"
        )
    if task_ids.device.type == "cpu" and not torch.compiler.is_compiling():
        low, high = int(task_ids.min()), int(task_ids.max())
        if low < 0 or (num_tasks and high >= num_tasks):
            raise ValueError(
                f"task_ids has {low if low < 0 else high}, but the model was grafted for "
                f"{num_tasks} tasks: allowed are 0 to {num_tasks - 1}"
            )
        context.single_task = low if low == high else None
    copies = context.batch_size // task_ids.numel()
    context.task_ids = task_ids.to(context.device).repeat_interleave(copies)


def _pool_prompt(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    context = RUNTIME.context
    if context is None or context.reuse_cached_decisions or context.prompt_mask is None:
        return
    embedded = args[0] if args else kwargs["hidden_states"]
    context.prompt_mean = compute_masked_mean(embedded, context.prompt_mask)
