"""The hooks that grafting adds to a model, which open each batch's `RoutingContext`."""

import inspect
import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from coterie.cache_argument import CACHE, find_cache, is_filled
from coterie.families.base import ModelFamily, find_family
from coterie.modalities.base import find_modalities, find_tower_modalities
from coterie.routing.context import RoutingContext
from coterie.routing.gates.instance import compute_prompt_mean
from coterie.tuner import runtime
from coterie.tuner.batch import (
    BATCH_INPUTS,
    INSTRUCTION_KEY,
    PROMPT_KEY,
    SPANS_KEY,
    check_unpacked,
    count_copies,
    find_batch_input,
    fit_to_batch,
    make_prompt_mask,
    narrow_prompt,
    set_tasks,
)
from coterie.tuner.idle_experts import IDLE_PASSES, warn_of_idle_experts
from coterie.tuner.runtime import RUNTIME, GenerationSession
from coterie.tuner.unlisted_family import UNKNOWN, UnlistedFamily

TASK_KEYS = ("coterie_task_ids", "task_ids")
OWN_KEYS = (*TASK_KEYS, PROMPT_KEY, INSTRUCTION_KEY, SPANS_KEY)
ROUTED_METHODS = ("generate", "init_continuous_batching")
"""The methods of a model that grafting replaces."""


class RoutingHook:
    """Hooks that open the routing context before the model's forward and close it after, always."""

    def __init__(self, model: nn.Module):
        self.family: ModelFamily = find_family(model) or UnlistedFamily(model)
        self.modalities = find_modalities()
        known = find_tower_modalities()
        towers = self.family.list_towers()
        # A family may have towers that this model is without, as the omni model of sounds.
        present = {self.family.get_tower(name) for name, _ in model.named_modules()} & {*towers}
        self.tower_modalities = {tower: known[tower] for tower in known if tower in present}
        is_unlisted = isinstance(self.family, UnlistedFamily)
        self.assumed_towers = frozenset((*towers, "text") if is_unlisted else ())
        self.parameter_names = tuple(inspect.signature(model.forward).parameters)
        self.caches_decisions = False
        self.prompt_span: str | None = None
        self.num_tasks = self.num_passes = self.last_thread = 0
        self.last_pass_s = 0.0
        self.handles: list[RemovableHandle] = [
            model.register_forward_pre_hook(self.open, with_kwargs=True),
            model.register_forward_hook(self.close, with_kwargs=True, always_call=True),
        ]
        block = _find_first_block(model)
        if block is not None:
            hook = block.register_forward_pre_hook(_pool_prompt, with_kwargs=True)
            self.handles.append(hook)

    def open(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if not torch.compiler.is_compiling():
            runtime.drop_interrupted(self)
            if model.training:
                runtime.configure_checkpointing(model)
        # `close`, which also runs if this raises, restores the outer context.
        runtime.push_context(RoutingContext(batch_size=0, device=torch.device("cpu")))
        passed = {name: kwargs[name] for name in kwargs if name not in OWN_KEYS}
        inputs = dict(zip(self.parameter_names, args, strict=False)) | passed
        context = self._make_forward_context(model, inputs, kwargs)
        if not torch.compiler.is_compiling():
            context.opened_by = self
        runtime.replace_context(context)
        return args, passed

    def _make_forward_context(
        self, model: nn.Module, inputs: Mapping[str, Any], kwargs: Mapping[str, Any]
    ) -> RoutingContext:
        """Make the context of a forward; `kwargs` has coterie's own arguments, too."""
        session, spans = runtime.get_session(model), kwargs.get(SPANS_KEY)
        task_ids = next((kwargs[key] for key in TASK_KEYS if kwargs.get(key) is not None), None)
        if task_ids is None and session is not None:
            task_ids = session.task_ids
        is_generating = session is not None
        prompt = kwargs.get(PROMPT_KEY)
        context = self._make_context(model, inputs, prompt, repeats=is_generating)
        if spans is not None:
            context.pack(spans)
        elif self.caches_decisions or task_ids is not None:
            check_unpacked(inputs, context.valid, is_generating=is_generating)
        if task_ids is None:
            task_ids = self.family.get_task_of_rows(inputs, getattr(model, "config", None))
            # The model has a row for each task and sample, and rows are routed, not samples.
            context.batch_size = context.batch_size if task_ids is None else len(task_ids)
        if task_ids is not None:
            set_tasks(context, task_ids, self.num_tasks, repeats=is_generating)
        if self.caches_decisions:
            self._restore_cached_decisions(context, inputs, session)
            turns = session.instruction_mask if session else kwargs.get(INSTRUCTION_KEY)
            narrow_prompt(context, turns, self.prompt_span)
        return context

    def make_generation_context(
        self,
        model: nn.Module,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        task_ids: Tensor | None,
    ) -> RoutingContext | None:
        """Make the context of what `generate` runs outside of the model's forward, as encoders.

        None if the arguments have no batch, as with `generate()` from the first token.
        """
        given: dict[str, Any] = dict(kwargs)
        first = args[0] if args else given.get("inputs")
        if first is not None:
            given[cast(Any, model).main_input_name] = first
        if all(given.get(name) is None for name in BATCH_INPUTS):
            return None
        context = self._make_context(model, given, None, repeats=False)
        context.has_copies = True
        if task_ids is not None:
            set_tasks(context, task_ids, self.num_tasks, repeats=False)
        return context

    def close(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        context = RUNTIME.context
        runtime.pop_context()
        if not torch.compiler.is_compiling():
            self.num_passes += 1
            self.last_thread, self.last_pass_s = threading.get_ident(), time.monotonic()
            if self.num_passes == IDLE_PASSES:
                warn_of_idle_experts(model)
        cache = getattr(output, CACHE, None)
        if self.caches_decisions and context is not None and cache is not None:
            cache.coterie_cached_decisions = context.cached_decisions

    def _make_context(
        self, model: nn.Module, inputs: Mapping[str, Any], prompt: Tensor | None, *, repeats: bool
    ) -> RoutingContext:
        first = find_batch_input(inputs, needs_samples=self.caches_decisions)
        context = RoutingContext(batch_size=first.shape[0], device=first.device, tape=RUNTIME.tape)
        if (names := RUNTIME.adapter_names) is not None:
            copies = count_copies("adapter_names", len(names), first.shape[0], repeats=repeats)
            context.adapter_names = tuple(name for name in names for _ in range(copies))
        ids, mask = inputs.get("input_ids"), inputs.get("attention_mask")
        text = ids if ids is not None else inputs.get("inputs_embeds")
        if text is not None:
            if mask is not None and mask.ndim == 2:
                context.valid = mask[:, -text.shape[1] :].bool()
            labels = inputs.get("labels")
            context.prompt_mask = make_prompt_mask(text, context.valid, labels, prompt)
        self._describe_rows(context, inputs, getattr(model, "config", None))
        return context

    def _describe_rows(
        self, context: RoutingContext, inputs: Mapping[str, Any], config: Any
    ) -> None:
        """Say whose rows each tower sees, and of what modality they are."""
        context.tower_modalities = self.tower_modalities
        context.assumed_towers = self.assumed_towers
        towers = [
            tower
            for modality in self.modalities
            if any(inputs.get(name) is not None for name in modality.inputs)
            for tower in modality.towers
            if tower in self.tower_modalities
        ]
        towers += [UNKNOWN] if UNKNOWN in self.family.list_towers() else []
        context.rows_per_sample = {
            tower: partial(self.family.count_rows_per_sample, tower, inputs, config)
            for tower in towers
        }
        placeholders = self.family.get_placeholder_ids(config)
        names = ("text", *placeholders, *self.tower_modalities.values())
        context.modalities = tuple(dict.fromkeys(names))
        if (ids := inputs.get("input_ids")) is not None:
            context.modality = torch.zeros_like(ids)
            for name, token in placeholders.items():
                index = context.modalities.index(name)
                context.modality = context.modality.masked_fill(ids == token, index)

    def _restore_cached_decisions(
        self, context: RoutingContext, inputs: Mapping[str, Any], session: GenerationSession | None
    ) -> None:
        """Use the decisions that an earlier pass over the prompt made."""
        cache = find_cache(inputs)
        goes_on = is_filled(cache)
        if session is not None:
            if goes_on and not session.has_started:  # the next turn of a chat
                session.cached_decisions = getattr(cache, "coterie_cached_decisions", {})
                session.has_started = True
            context.cached_decisions = session.cached_decisions
            context.reuse_cached_decisions = session.has_started
            mask, prompt = context.prompt_mask, session.prompt_mask
            if not session.has_started and prompt is not None and mask is not None:
                context.prompt_mask = fit_to_batch(prompt, mask)
            session.has_started = True
        elif goes_on:
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
    """Remove what grafting added to the model: its hooks, and its methods."""
    hook = find_hook(model)
    for handle in () if hook is None else hook.handles:
        handle.remove()
    for name in ROUTED_METHODS:
        vars(model).pop(name, None)


def _find_first_block(model: Any) -> nn.Module | None:
    """Return the first block of the language model; None if it is not known.

    The decoder of BLIP-2 is a whole model, which has a decoder itself.
    """
    decoder = getattr(model, "get_decoder", lambda: None)()
    inner = getattr(decoder, "get_decoder", lambda: None)()
    blocks = (getattr(each, "layers", None) for each in (decoder, inner))
    return next((each[0] for each in blocks if each), None)


def _pool_prompt(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    context = RUNTIME.context
    if context is None or context.reuse_cached_decisions or context.prompt_mask is None:
        return
    embedded = args[0] if args else kwargs["hidden_states"]
    if embedded.ndim == 4:  # Gemma 3n has altered copies of the prompt behind it on the first axis
        embedded = embedded[0]
    length = context.prompt_mask.shape[1]
    if embedded.shape[-2] != length or context.select_prompts(embedded) is None:
        return  # as in the decoder of an encoder-decoder
    context.prompt_mean = compute_prompt_mean(embedded, context, "the first block")
