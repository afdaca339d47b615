"""`graft` adds mixtures to a pretrained model; `observe` records their routing."""

import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from peft import PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from coterie.file_names import check_file_name
from coterie.mixture import Mixture
from coterie.routing.decision import Tape
from coterie.third_party_warnings import suppress_third_party_warnings
from coterie.tuner.config import CoterieConfig
from coterie.tuner.forward_hooks import find_hook
from coterie.tuner.layer import CoterieLayer
from coterie.tuner.runtime import RUNTIME


def graft(
    base: PreTrainedModel | PeftModel,
    mixtures: Mixture | Sequence[Mixture],
    *,
    tasks: Sequence[str] = (),
    adapter: str = "default",
    modules_to_save: Sequence[str] | None = None,
    autocast_adapter_dtype: bool = True,
) -> PeftModel:
    """Add mixtures of experts to `base`, in place, and freeze its own parameters.

    Args:
        base: any transformers model; or a grafted one, which gets a second adapter.
        mixtures: mixtures with the modules they are added to; none for a model without experts.
        tasks: names of the tasks, required if a gate is per task. `task_ids` in a batch are
            indices into them.
        adapter: the adapter's name, without dots, which separate the names of modules.
        modules_to_save: names of base modules to train and save in full, e.g. a task's head.
        autocast_adapter_dtype: keep the experts in float32 on a bfloat16 base model; their
            products run in the activations' dtype either way.

    Returns:
        A PeftModel: `model(**batch, task_ids=ids)`, `generate`, `save_pretrained` and
        `PeftModel.from_pretrained` work as in PEFT.

    Raises:
        ValueError: a role, pattern or name without a match, two mixtures at one module, a gate
            per task without tasks, a base model whose layers are sharded, an adapter's name that is
            empty, taken or has a dot.
    """
    mixtures = (mixtures,) if isinstance(mixtures, Mixture) else tuple(mixtures)
    tasks = (tasks,) if isinstance(tasks, str) else tuple(tasks)
    _check(mixtures, tasks)
    check_adapter_name(adapter)
    _check_is_new(adapter, base)
    saved = None if modules_to_save is None else list(modules_to_save)
    config = CoterieConfig.from_mixtures(mixtures, tasks, modules_to_save=saved)
    if isinstance(base, PeftModel):
        base.add_adapter(adapter, config)
        base.set_adapter(adapter)
        return base
    if not isinstance(base, PreTrainedModel):
        advice = "load one with AutoModel.from_pretrained"
        raise ValueError(f"graft takes a transformers model, not {type(base).__name__}: {advice}")
    with suppress_third_party_warnings():
        model = get_peft_model(
            base, config, adapter_name=adapter, autocast_adapter_dtype=autocast_adapter_dtype
        )
    assert isinstance(model, PeftModel)
    return model


def check_adapter_name(adapter: str) -> None:
    """Raise ValueError unless a module and a folder can have the adapter's name."""
    check_file_name(adapter, "adapter", kind="adapter")
    if "." in adapter:
        raise ValueError(f"adapter = {adapter!r}: a module is named for it, so no dots")


def _check(mixtures: tuple[Mixture, ...], tasks: tuple[str, ...]) -> None:
    wrong = [name for name in tasks if not isinstance(name, str) or not name]
    if wrong or len(set(tasks)) != len(tasks):
        raise ValueError(f"tasks={tasks!r}: give each task a name of its own")
    for position, mixture in enumerate(mixtures):
        if unknown := [name for name in mixture.tasks if name not in tasks]:
            raise ValueError(
                f"mixture {position} serves task {unknown[0]!r}, and the model's tasks are "
                f"{tasks!r}: pass tasks=(...) with all that its mixtures serve"
            )
        if mixture.needs_task_ids and not tasks:
            raise ValueError(
                f"mixture {position} has a {type(mixture.gate).__name__}, one gate a task, and no "
                "task was named: pass tasks=('caption', 'ocr', ...)"
            )


def _check_is_new(adapter: str, base: nn.Module) -> None:
    """Raise ValueError if a grafted model has an adapter of the name."""
    if isinstance(base, PeftModel) and adapter in base.peft_config:
        raise ValueError(
            f"adapter={adapter!r}: the model has an adapter of that name ("
            f"{', '.join(base.peft_config)}); give another"
        )


@contextmanager
def observe(model: nn.Module, *, features: bool = False) -> Iterator[Tape]:
    """Record the routing of every mixture in the calls inside the `with` block.

    Losses on the tape reach the gates, also with gradient checkpointing; a second call inside
    overwrites the first. Of several adapters at one module, the last to run is recorded.
    With `features`, the layers' inputs are recorded, too, for losses such as `Decouple`.
    The recording is this thread's: warns if only another one ran the model. Raises ValueError if
    `model` has no mixtures, or if blocks overlap and do not nest, as those of coroutines may.
    """
    if not any(isinstance(module, CoterieLayer) for module in model.modules()):
        raise ValueError(f"{type(model).__name__} has no mixtures: graft it first")
    outer = RUNTIME.tape
    RUNTIME.tape, started_s = Tape(), time.monotonic()
    tape = RUNTIME.tape
    tape.keeps_features = features
    try:
        yield tape
    finally:
        is_mixed_up = RUNTIME.tape is not tape
        RUNTIME.tape = None if is_mixed_up else outer
    if is_mixed_up:
        raise ValueError(
            "two blocks of coterie.observe overlap, as where a coroutine awaits inside of one: "
            "their tapes are mixed up. Run the forward passes of a block without await between"
        )
    if not tape:
        _warn_of_other_thread(model, started_s)


def _warn_of_other_thread(model: nn.Module, started_s: float) -> None:
    """Warn if a model that nothing was recorded of ran in another thread since then."""
    hook = next((hook for each in model.modules() if (hook := find_hook(each))), None)
    if hook is None or hook.last_pass_s < started_s or hook.last_thread == threading.get_ident():
        return
    warnings.warn(
        "coterie.observe recorded nothing, since the model ran in another thread: call observe in "
        "the thread that calls the model",
        stacklevel=4,
    )
