"""Pictures, then speech: `python -m experiments.grow --seeds 0 1 2`, 20 minutes a seed on one core.

A shared LoRA is trained on three tasks on pictures, over a base model that has encoders of pictures
alone. Then come two tasks on speech, over a base model that contains the first one and encoders of
video and sounds. Compared are `coterie.add_tasks` (PathWeave, and without its gate, and without its
view of the older experts), the shared LoRA trained on the new tasks alone (sequential fine-tuning),
and an adapter of the new tasks alone. A second call goes on where the first was stopped. The result
is benchmarks/results/grow-cpu.json, which keeps the seeds that a call does not measure.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor

import coterie
from benchmarks.provenance import provenance
from coterie import Recipe, Run, recipes
from coterie.evaluate.cost import count_total_parameters
from coterie.evaluate.scores import Scores
from coterie.models.omni.assembly import assemble, make_processor
from coterie.models.omni.configuration import OmniConfig
from coterie.models.omni.encoders.base import parse_encoders
from coterie.train.frozen_check import check_old_answers
from coterie_demo.assemble_omni import FOLDERS
from coterie_demo.locations import CONNECTORS, find_omni_model
from coterie_demo.showcase import TARGET_MODULES

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "grow-cpu.json"
PICTURES = ("group", "food_group", "naming")
SPEECH = ("spoken", "spoken_initial")
RANK = 16
STEPS = 48
OPTIONS: dict[str, Any] = {"steps": STEPS, "batch_size": 8, "learning_rate": 1e-3}
LIMIT = 30


def make_base(folder: Path, modality: str = "image") -> Path:
    """Assemble the embedded model without its encoders of other modalities."""
    if (folder / "config.json").is_file():
        return folder
    omni = find_omni_model()
    weights, processor = omni.parent / "weights", AutoProcessor.from_pretrained(omni)
    every = parse_encoders(OmniConfig.from_pretrained(omni).encoders)
    kinds = [each for each in every if each.modality == modality]
    names = tuple(f"{each.name}." for each in kinds)
    own = {key: each for key, each in load_file(CONNECTORS).items() if key.startswith(names)}
    connectors = folder.with_suffix(".connectors.safetensors")
    folder.parent.mkdir(parents=True, exist_ok=True)
    save_file(own, connectors)
    return assemble(
        folder, language_model=weights / "llm", connectors=connectors, dtype=torch.float32,
        encoders=[(each, weights / FOLDERS[each.name]) for each in kinds],
        processor=make_processor(processor.tokenizer, kinds),
    )  # fmt: skip


def make_lora(**stage: Any) -> Recipe:
    recipe = recipes.shared_lora(rank=RANK, alpha=2.0 * RANK, at=TARGET_MODULES)
    return replace(recipe, stages=(replace(recipe.stages[0], **stage),))


def make_growth() -> Mapping[str, Recipe]:
    """System -> the recipe of the new tasks."""
    woven, summed = (
        recipes.pathweave(rank=RANK, alpha=2.0 * RANK, gated=gated, at=TARGET_MODULES)
        for gated in (True, False)
    )
    return {"grown": woven, "no_gate": summed, "no_bridge": make_lora()}


def train_seed(out: Path, seed: int, growth: Sequence[str]) -> dict[str, Run]:
    """Train the systems of a seed, or read them."""
    every = coterie.read_tasks("pantry")
    old, new, both = (every.select(names) for names in (PICTURES, SPEECH, (*PICTURES, *SPEECH)))
    options, small = {**OPTIONS, "seed": seed, "resume": True}, make_base(out / "base")
    runs = {"old": coterie.train(make_lora(), base=small, tasks=old, out=out / "old", **options)}
    for name, recipe in ((name, make_growth()[name]) for name in growth):
        runs[name] = coterie.add_tasks(
            runs["old"], tasks=new, out=out / name, base=find_omni_model(), recipe=recipe, **options
        )
    # The control's two steps: the same two groups, one adapter for all.
    first, last = (
        make_lora(tasks=names, adapter_from=source)
        for names, source in ((PICTURES, ""), (SPEECH, str(out / "first")))
    )
    for name, recipe in (("first", first), ("sequential", last)):
        runs[name] = coterie.train(recipe, base="embedded", tasks=both, out=out / name, **options)
    runs["alone"] = coterie.train(
        make_lora(), base="embedded", tasks=new, out=out / "alone", **options
    )
    return runs


def measure(run: Run, *, blind: bool = False) -> dict[str, Any]:
    """Score a run on its tasks' test rows, or read its scores."""
    file = run.directory.scores_file("blind" if blind else "")
    if not file.is_file():
        coterie.evaluate(run, limit=LIMIT, blind=blind)
    found = Scores.read(file).tasks
    return {
        name: {"score": each.score, "low": each.low, "high": each.high}
        for name, each in found.items()
    }


def measure_seed(out: Path, seed: int, growth: Sequence[str]) -> dict[str, Any]:
    runs = train_seed(out, seed, growth)
    old, grown = runs["old"], runs["grown"]
    model = grown.load(device="cpu").model
    trained = {
        name: each.numel() for name, each in model.named_parameters() if "coterie_" in name
        and ("_experts_1" in name or "_gate_1" in name)
    }  # fmt: skip
    host = count_total_parameters(old.load_base("cpu").model)
    return {
        "seed": seed,
        "scores": {name: measure(run) for name, run in runs.items()},
        "blind": measure(grown, blind=True),
        "rows_with_equal_logits": check_old_answers(old, grown, device="cpu"),
        "trained_parameters": sum(trained.values()),
        "host_parameters": host,
        "trained_share": sum(trained.values()) / host,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/grow"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--growth", nargs="+", default=list(make_growth()), choices=make_growth())
    given = parser.parse_args()
    torch.set_num_threads(1)
    before = json.loads(RESULT.read_text("utf-8"))["runs"] if RESULT.is_file() else []
    found = {each["seed"]: each for each in before}
    for seed in given.seeds:
        found[seed] = measure_seed(given.out / f"seed{seed}", seed, given.growth)
        facts = provenance(torch.device("cpu")) | {
            "pictures": PICTURES, "speech": SPEECH, "rank": RANK, "limit": LIMIT, **OPTIONS,
            "runs": [found[each] for each in sorted(found)],
        }  # fmt: skip
        RESULT.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
