"""Hooks on the host model: they take the batch's routing facts at the door and hand them out."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from coterie.hosts.base import Host, host_of, sample_index
from coterie.routing.decision import MODALITIES
from coterie.routing.gates.instance import masked_mean
from coterie.routing.state import State
from coterie.tuner.ambient import AMBIENT, enter, leave
from coterie.tuner.checkpointing import secure

TASK_KEYS = ("coterie_task_ids", "task_ids")
PROMPT_KEY = "prompt_mask"


class BatchHook:
    """Opens the routing state before the host's forward and closes it after, come what may."""

    def __init__(self, model: nn.Module):
        self.host: Host | None = host_of(model)
        self.names = tuple(inspect.signature(model.forward).parameters)
        self.settles = False
        self.num_tasks = 0
        self.handles: list[RemovableHandle] = []

    def attach(self, model: nn.Module, decoder_layer: nn.Module | None) -> None:
        """Registers the hooks on the host model, and one where its prompt has been embedded.

        Args:
            decoder_layer: the language model's first layer, if there is a language model.
        """
        self.handles = [
            model.register_forward_pre_hook(self.open, with_kwargs=True),
            model.register_forward_hook(self.close, with_kwargs=True, always_call=True),
        ]
        if decoder_layer is not None:
            hook = decoder_layer.register_forward_pre_hook(_pool_prompt, with_kwargs=True)
            self.handles.append(hook)

    def detach(self) -> None:
        """Takes the hooks off again."""
        while self.handles:
            self.handles.pop().remove()

    def open(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if model.training and not torch.compiler.is_compiling():
            secure(model)
        session = AMBIENT.session
        task_ids = next((kwargs.pop(key) for key in TASK_KEYS if kwargs.get(key) is not None), None)
        kwargs = {key: value for key, value in kwargs.items() if key not in TASK_KEYS}
        prompt = kwargs.pop(PROMPT_KEY, None)
        inputs = dict(zip(self.names, args, strict=False)) | kwargs
        state = self._state(model, inputs, prompt)
        if task_ids is None and session is not None:
            task_ids = session.task_ids
        if task_ids is None and self.host is not None:
            task_ids = self.host.row_tasks(inputs, model.config)
            # The model makes a row for each task and sample, so that rows are what is routed.
            state.batch = state.batch if task_ids is None else len(task_ids)
        if task_ids is not None:
            _set_tasks(state, task_ids, self.num_tasks)
        if self.settles:
            self._recall(state, inputs)
        enter(state)
        return args, kwargs

    def close(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        state = AMBIENT.state
        leave()
        cache = getattr(output, "past_key_values", None)
        if self.settles and state is not None and cache is not None:
            cache.coterie_settled = state.settled

    def _state(self, model: nn.Module, inputs: Mapping[str, Any], prompt: Tensor | None) -> State:
        first = _leading(inputs)
        ids, mask, labels = (inputs.get(k) for k in ("input_ids", "attention_mask", "labels"))
        state = State(batch=first.shape[0], device=first.device, tape=AMBIENT.tape)
        state.adapter_names = _repeated(AMBIENT.adapter_names, first.shape[0])
        text = ids if ids is not None else inputs.get("inputs_embeds")
        if text is not None:
            seen = mask[:, -text.shape[1] :].bool() if mask is not None and mask.ndim == 2 else None
            state.valid = seen
            state.prompt = _prompt(text, seen, labels)
            if prompt is not None:
                if prompt.shape != text.shape[:2]:
                    raise ValueError(
                        f"{PROMPT_KEY} is {tuple(prompt.shape)} for tokens of "
                        f"{tuple(text.shape[:2])}: pass a bool a token"
                    )
                state.prompt = prompt.bool()
        if self.host is not None:
            config, host = model.config, self.host
            state.sample_index = sample_index
            if _has(inputs, "pixel_values", "image_features"):
                state.shares = lambda: host.shares(inputs, config)
            if _has(inputs, "input_features", "audio_features") and ids is not None:
                state.sounds = lambda: host.sounds(inputs, config)
            if ids is not None:
                state.modality = _modalities(ids, host.placeholders(config))
        return state

    def _recall(self, state: State, inputs: Mapping[str, Any]) -> None:
        """Takes up decisions that an earlier pass over the prompt has made."""
        if inputs.get("cu_seq_lens_q") is not None:
            raise ValueError(
                "the batch packs several samples into one row (cu_seq_lens_q), and a decision by "
                "prompt needs them apart: pad them, and use generate() for generate_batch()"
            )
        session = AMBIENT.session
        if session is not None:
            state.settled = session.settled
            state.reuse = session.started
            if not session.started and session.prompt is not None and state.prompt is not None:
                copies = state.batch // session.prompt.shape[0]
                prompt = session.prompt.repeat_interleave(copies, 0)
                state.prompt = prompt if prompt.shape == state.prompt.shape else state.prompt
            session.started = True
            return
        cache = inputs.get("past_key_values")
        if cache is not None and cache.get_seq_length() > 0:
            state.settled = getattr(cache, "coterie_settled", {})
            state.reuse = True
        elif state.prompt is not None and not torch.compiler.is_compiling():
            _check_prompt(state.prompt)


def hook_of(model: nn.Module) -> BatchHook | None:
    """The hook that grafting has put on the model, whichever tuner object did it."""
    owners = (getattr(hook, "__self__", None) for hook in model._forward_pre_hooks.values())
    return next((owner for owner in owners if isinstance(owner, BatchHook)), None)


def release(model: nn.Module) -> None:
    """Takes off what grafting has put on the model: its hooks, and its own `generate`."""
    hook = hook_of(model)
    if hook is not None:
        hook.detach()
    vars(model).pop("generate", None)


def _has(inputs: Mapping[str, Any], *names: str) -> bool:
    """Whether any of these is passed."""
    return any(inputs.get(name) is not None for name in names)


def _leading(inputs: Mapping[str, Any]) -> Tensor:
    for key in ("input_ids", "inputs_embeds", "pixel_values", "input_features", "input_values"):
        if inputs.get(key) is not None:
            return inputs[key]
    raise ValueError(
        f"coterie cannot tell the batch from the arguments {sorted(inputs)}: pass input_ids, "
        "inputs_embeds or pixel_values by name"
    )


def _repeated(names: tuple[str, ...] | None, batch: int) -> tuple[str, ...] | None:
    if names is None:
        return None
    if batch % len(names):
        raise ValueError(f"adapter_names has {len(names)} entries for a batch of {batch}")
    return tuple(name for name in names for _ in range(batch // len(names)))


def _prompt(
    text: Tensor, seen: Bool[Tensor, "batch seq"] | None, labels: Tensor | None
) -> Bool[Tensor, "batch seq"]:
    """Attended tokens before the first answer token of each sample."""
    shape, device = text.shape[:2], text.device
    seen = torch.ones(shape, dtype=torch.bool, device=device) if seen is None else seen
    if labels is None or labels.shape != shape:
        return seen
    return seen & ((labels != -100).cumsum(1) == 0)


def _check_prompt(prompt: Bool[Tensor, "batch seq"]) -> None:
    empty = (~prompt.any(1)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f"samples {empty} have no prompt: every attended token has a label, and a decision by "
            "prompt must not see the answer. Set the prompt's labels to -100, or pass prompt_mask="
        )


def _modalities(ids: Tensor, placeholders: Mapping[str, int]) -> Int[Tensor, "batch seq"]:
    modality = torch.zeros_like(ids)
    for name, token in placeholders.items():
        modality = modality.masked_fill(ids == token, MODALITIES.index(name))
    return modality


def _set_tasks(state: State, task_ids: Tensor, num_tasks: int) -> None:
    if not isinstance(task_ids, Tensor) or task_ids.dtype != torch.int64 or task_ids.ndim != 1:
        found = getattr(task_ids, "dtype", type(task_ids).__name__)
        raise ValueError(f"task_ids is {found}: pass an int64 tensor with one index a sample")
    if task_ids.numel() == 0 or state.batch % task_ids.numel():
        raise ValueError(
            f"task_ids has {task_ids.numel()} entries for a batch of {state.batch}: pass one a "
            "sample"
        )
    if task_ids.device.type == "cpu" and not torch.compiler.is_compiling():
        low, high = int(task_ids.min()), int(task_ids.max())
        if low < 0 or (num_tasks and high >= num_tasks):
            raise ValueError(
                f"task_ids has {low if low < 0 else high}, but the model was grafted for "
                f"{num_tasks} tasks: allowed are 0 to {num_tasks - 1}"
            )
        state.single_task = low if low == high else None
    copies = state.batch // task_ids.numel()
    state.task_ids = task_ids.to(state.device).repeat_interleave(copies)


def _pool_prompt(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    state = AMBIENT.state
    if state is None or state.reuse or state.prompt is None:
        return
    embedded = args[0] if args else kwargs["hidden_states"]
    state.prompt_mean = masked_mean(embedded, state.prompt)
