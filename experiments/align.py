"""Trains the embedded host's connectors, which the package ships: `make align`.

As in LLaVA's first stage (Liu et al. 2023, arXiv:2304.08485, section 4.2) only the connectors
learn; encoders and language model stay frozen. They see the training splits of pantry's naming and
spoken tasks, so no held-out style, word, food or voice reaches them.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

import coterie.omni
from benchmarks.provenance import provenance
from coterie.data.collate import Collator
from coterie.data.mix import Mix
from coterie.embedded.home import home
from coterie.omni import FeatureCache
from coterie.omni.assemble import fresh_connectors
from coterie.pretrained import load
from coterie.tasks import read_tasks

SHIPPED = Path(coterie.omni.__file__).with_name("connectors.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=["naming", "spoken"])
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    pretrained = load(home() / "omni", dtype=torch.float32)
    model, processor = pretrained.model, pretrained.processor
    # Not on from those that are shipped: the same command gives the same connectors.
    embeddings = model.get_input_embeddings().weight.detach()
    model.load_state_dict(fresh_connectors(model.base_model.encoders, embeddings), strict=False)
    processor.features = FeatureCache(model, home() / "features")
    tasks = [task for task in read_tasks("pantry") if task.name in arguments.tasks]
    losses = align(model, Collator(processor, arguments.tasks), tasks, arguments)
    weights = {
        name.split("connectors.")[1]: weight.detach().half().contiguous()
        for name, weight in model.named_parameters()
        if "connectors." in name
    }
    facts = provenance(torch.device("cpu")) | {
        "seed": arguments.seed,
        "tasks": arguments.tasks, "steps": arguments.steps, "batch_size": arguments.batch_size,
        "learning_rate": arguments.learning_rate, "loss": losses,
    }  # fmt: skip
    save_file(weights, arguments.out, metadata={"provenance": json.dumps(facts)})


def align(model, collate, tasks, arguments):
    """The loss over training, a mean over each twentieth of the steps."""
    for name, weight in model.named_parameters():
        weight.requires_grad = "connectors." in name
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=arguments.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, arguments.learning_rate, total_steps=arguments.steps, pct_start=0.03
    )
    rows = [task.samples("train") for task in tasks]
    plan = Mix().batches(
        [len(each) for each in rows],
        batch_size=arguments.batch_size, steps=arguments.steps, seed=arguments.seed,
    )  # fmt: skip
    started, losses = time.perf_counter(), []
    for step, batch in enumerate(plan):
        inputs = collate([rows[int(task)][int(row)] for task, row in batch])
        inputs.pop("task_ids")
        loss = model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if (step + 1) % max(arguments.steps // 20, 1) == 0:
            recent = losses[-max(arguments.steps // 20, 1) :]
            mean, elapsed_s = sum(recent) / len(recent), time.perf_counter() - started
            print(f"step {step + 1}: loss {mean:.3f}, {elapsed_s:.0f} s", flush=True)
    size = max(arguments.steps // 20, 1)
    return [round(sum(losses[i : i + size]) / size, 4) for i in range(0, len(losses), size)]


if __name__ == "__main__":
    main()
