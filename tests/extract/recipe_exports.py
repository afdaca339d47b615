"""Every recipe on a tiny base model, with 50 samples that no weight has seen."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from coterie import graft
from coterie.extract import extract
from coterie.extract.verify import draw_tokens
from tests.extract.dense import NAMES as DENSE_TASKS
from tests.recipes.test_recipes import NAMES, made, shaken
from tests.tasks.dense.tiny import model as dense_host
from tests.tiny import TINY

SAMPLES, BATCH = 50, 10
TASKS, TASK = ("first", "second"), "second"
DENSE = ("dense", "m3vit", "mod_squad", "plain_moe")
HOSTS = {"awaker": "qwen2_vl", "uni_moe": "llava"}
"""Recipes for models with images; the others are on a language model alone."""
TEXT_FORMATS = ("adapter", "adapters", "merged", "native", "router")
FORMATS = {name: ("onnx",) if name in DENSE else TEXT_FORMATS for name in NAMES}
REFUSED = (
    "which reads the input",
    "whose weights are others for each modality",
    "which neither Mixtral nor Qwen2-MoE computes",
    "and there are none",
    "is for an InstanceGate",
    "which are no change of a linear layer's weight",
)


def make_model(name: str) -> PeftModel:
    """The recipe's model in eval mode, whose experts and gates are no longer as they started."""
    torch.manual_seed(0)
    if name in DENSE:
        host, tasks = dense_host(), DENSE_TASKS
    else:
        host, tasks = TINY[HOSTS.get(name, "llama")]().model, TASKS
    model = graft(host, made(name).mixtures, tasks=tasks)
    shaken(model)
    return model.eval()


def make_samples(model: PeftModel) -> Tensor:
    """Fifty images, or fifty prompts."""
    base: Any = model.get_base_model()
    if base.main_input_name == "pixel_values":
        return torch.randn(SAMPLES, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    return draw_tokens(base, SAMPLES)


@torch.no_grad()
def predict(model: PeftModel, samples: Tensor) -> Tensor:
    """The routed model's logits for the second task, or its predictions for the first dense one."""
    if samples.ndim == 4:
        task, parts = DENSE_TASKS[0], samples.split(BATCH)
        found = [model(pixel_values=part, tasks=(task,)).predictions[task] for part in parts]
        return torch.cat(found)
    ids = torch.full((BATCH,), TASKS.index(TASK))
    return torch.cat([model(input_ids=part, task_ids=ids).logits for part in samples.split(BATCH)])


def try_formats(
    name: str, model: PeftModel, folder: Path, formats: tuple[str, ...]
) -> Iterator[tuple[str, str | None]]:
    """Each format, and the reason why it is refused; None if it is written to folder / format."""
    task = DENSE_TASKS[0] if name in DENSE else TASK
    for format in formats:
        try:
            extract(model, task=task, to=folder / format, format=format)  # pyright: ignore[reportArgumentType]
            yield format, None
        except ValueError as error:
            assert any(reason in str(error) for reason in REFUSED), error
            yield format, str(error)


def write_case(name: str, model: PeftModel, folder: Path) -> list[dict[str, str]]:
    """Writes base model, exports, samples and answers; the cases for another process."""
    samples = make_samples(model)
    torch.save({"samples": samples, "wanted": predict(model, samples)}, folder / "known.pt")
    if name not in DENSE:
        TINY[HOSTS.get(name, "llama")]().model.save_pretrained(folder / "base")
    kind = type(model.get_base_model()).__name__
    cases = []
    for format, problem in try_formats(name, model, folder, FORMATS[name]):
        if problem is None:
            report = json.loads((folder / format / "coterie_extract.json").read_text())
            own = {"kind": report.get("class", kind), "format": format, "task": TASK}
            paths = {"base": folder / "base", "to": folder / format, "known": folder / "known.pt"}
            cases.append({"name": name, **own, **{key: str(path) for key, path in paths.items()}})
    return cases
