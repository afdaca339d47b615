"""What the tests of training share: a tiny model in a folder, two tasks in files, a hard recipe."""

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from coterie import (
    Importance,
    InstanceGate,
    Lora,
    Mixture,
    MutualInformation,
    Recipe,
    Stage,
    TokenGate,
    TopK,
    Uncertainty,
)
from coterie.tasks import TextTask
from coterie.train import Run, train
from tests.tinies.base import TEXT, tokenizer

NAMES = ("caption", "ocr")


@cache
def base() -> str:
    """A folder with a random Llama of two layers, its tokenizer, and no chat template."""
    folder = Path(mkdtemp())
    words = tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), **TEXT))
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)


@cache
def tasks() -> tuple[TextTask, ...]:
    """Two tasks: 12 and 6 rows to train on, 3 to validate, answers of unequal length."""
    folder = Path(mkdtemp())
    for name, rows in zip(NAMES, (12, 6), strict=True):
        for split, count in (("train", rows), ("validation", 3)):
            lines = [
                {"question": f"is this {i} {split}?", "answer": f"it is {name} {i}" * (1 + i % 2)}
                for i in range(count)
            ]
            text = "".join(f"{json.dumps(line)}\n" for line in lines)
            (folder / f"{name}-{split}.jsonl").write_text(text)
    return tuple(
        TextTask(
            name=name,
            rows={split: f"{name}-{split}.jsonl" for split in ("train", "validation")},
            folder=str(folder),
        )
        for name in NAMES
    )


def plain(**stage: Any) -> Recipe:
    """One stage of a token gate over two experts."""
    mixture = Mixture(at="text.mlp", experts=Lora(ranks=(2, 2)), gate=TokenGate())
    return Recipe(name="plain", mixtures=(mixture,), stages=(Stage(**stage),))


def hard() -> Recipe:
    """All that a resumed run could get wrong: stages, copies, noise, dropout, sigma, losses."""
    lora = Lora(ranks=(2, 2), dropout=0.1)
    alone = Lora(ranks=(2,), dropout=0.1)
    instance = Mixture(
        at="text.attn",
        experts=lora,
        gate=InstanceGate(tie="layer"),
        router=TopK(k=1, noise=0.1),
        shared=alone,
        blend="complement",
    )
    return Recipe(
        name="hard",
        mixtures=(instance, Mixture(at="text.mlp", experts=lora, gate=TokenGate())),
        losses=(MutualInformation(weight=0.1), Importance(weight=0.1)),
        balancing=Uncertainty(),
        stages=(
            Stage(name="one", trains=("experts",), steps=4, learning_rate=1e-2, routed=False),
            Stage(
                name="two",
                trains=("experts", "gates", r"model\.norm\.weight"),
                steps=6,
                learning_rate=1e-2,
                learning_rates={"gates": 3e-2},
                weight_decay=0.1,
                epsilon=1e-6,
                warmup=0.2,
                init="copy",
            ),
        ),
    )


OPTIONS: dict[str, Any] = {"batch_size": 4, "log_every": 3, "save_every": 2, "progress": False}


def trained(folder: Path, recipe: Recipe, **options: Any) -> Run:
    return train(recipe, base=base(), tasks=tasks(), out=folder, **(OPTIONS | options))


def lines(run: Run) -> list[dict[str, Any]]:
    """The log without what no two runs share."""
    return [{k: v for k, v in line.items() if k != "time_s"} for line in run.read_log()]


def adapter(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.folder / "adapter" / "adapter_model.safetensors")


def content(run: Run) -> bytes:
    return (run.folder / "adapter" / "adapter_model.safetensors").read_bytes()
