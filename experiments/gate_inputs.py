"""What Awaker's gate sees of a task: `python -m experiments.gate_inputs`, minutes on two cores.

Cosines between the inputs of the gate, for the same drawing with another question and for another
drawing with the same question, and the share of their variance that is between tasks; for each span
that `InstanceGate` can average. Rows are those of `experiments.habits`, the base is the embedded
model before any training, and the result is benchmarks/results/gate-inputs.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

import coterie
from benchmarks.provenance import provenance
from coterie import InstanceGate, Lora, Mixture, Recipe, Stage, TopK
from coterie.routing.gates.base import GateLayer
from coterie.task_file import read_tasks
from coterie.train import RunConfig
from coterie.train.datasets import MultiTaskDataset
from coterie.train.frozen_caches import cache_encoder_features
from experiments.habits import QUESTIONS, RESULTS, write_rows

DRAWINGS = 24
SPANS = ("instruction", "prompt", "media", "text")
LAYER = r"model\.language_model\.layers\.0\.self_attn\.o_proj"
MODEL_INPUTS = ("input_ids", "attention_mask", "labels", "image_features", "instruction_mask")


def read_gate_inputs(config: RunConfig) -> Float[Tensor, "drawings tasks width"]:
    """Return what the gate multiplies with its weights, for each drawing with each question."""
    samples, base = MultiTaskDataset(config, config.load_sample_check()), config.load_base()
    model = coterie.graft(base.model, config.recipe.mixtures, tasks=config.task_names)
    cache_encoder_features(model, base.processor)
    collate = config.make_collator(base.processor)
    seen: list[Tensor] = []
    real = GateLayer.compute_logits

    def record(gate: GateLayer, mean: Tensor) -> Tensor:
        seen.append(mean.detach())
        return real(gate, mean)

    with patch.object(GateLayer, "compute_logits", record), torch.no_grad():
        for drawing in range(DRAWINGS):
            batch = collate([samples[task, drawing, 0] for task in range(len(QUESTIONS))])
            model(**{name: batch[name] for name in MODEL_INPUTS})
    return F.normalize(torch.stack(seen), dim=-1)


def describe(inputs: Float[Tensor, "drawings tasks width"]) -> dict[str, float]:
    """Return mean cosines within drawings and within tasks, and shares of the variance."""
    centred = inputs - inputs.mean((0, 1))
    total = centred.square().sum(-1).mean()
    by_task, by_drawing = centred.mean(0), centred.mean(1)
    return {
        "cosine_other_question": compute_mean_cosine(inputs),
        "cosine_other_drawing": compute_mean_cosine(inputs.transpose(0, 1)),
        "variance_between_tasks": (by_task.square().sum(-1).mean() / total).item(),
        "variance_between_drawings": (by_drawing.square().sum(-1).mean() / total).item(),
    }


def compute_mean_cosine(groups: Float[Tensor, "groups members width"]) -> float:
    """Return the mean over pairs of different members of a group; rows have length 1."""
    size = groups.shape[1]
    cosines = groups @ groups.transpose(1, 2)
    return cosines[:, ~torch.eye(size, dtype=torch.bool)].mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of the rows, written if they are not there")
    tasks = read_tasks(write_rows(parser.parse_args().folder))
    facts: dict[str, Any] = {"questions": QUESTIONS, "drawings": DRAWINGS, "spans": {}}
    for span in SPANS:
        gate = InstanceGate(span=span)
        mixture = Mixture(at=LAYER, experts=Lora(ranks=(1, 1)), gate=gate, router=TopK(k=1))
        recipe = Recipe(name=f"{span}", mixtures=(mixture,), stages=(Stage(steps=1),))
        config = RunConfig(recipe=recipe, base="embedded", tasks=tasks, precision="float32")
        facts["spans"][span] = describe(read_gate_inputs(config))
        print(span, facts["spans"][span], flush=True)
    facts = provenance(torch.device("cpu")) | facts
    (RESULTS / "gate-inputs.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
