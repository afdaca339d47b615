"""Uni-MoE, a dense model of equal active size, and the stages: `python -m experiments.uni_moe`.

Tasks of three modalities or more, on the real 135 M model; with sounds and videos of five, where
the fetched data has them. Every system takes as many steps and samples, three seeds each. Single-
task dense models, which share the steps out, are what scores are relative to. Besides the table:
how evenly a system serves the modalities, as the standard deviation and the range of the
modalities' means of score / single-task score. Minutes of a GPU, ten hours of one
core; a second call goes on where the first was stopped, and several processes share the work.
`--small` takes minutes. The connectors of the embedded model are aligned already, so the first
stage has less to do here than in the paper.
The result is benchmarks/results/uni-moe-cpu.json, or -cuda.json.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

import coterie
from coterie.data.task_sampling import TaskSampling
from coterie.evaluate import systems
from coterie.evaluate.estimates import RESAMPLES
from coterie.evaluate.intervals import compute_percentile_interval
from coterie.experts.lora import Lora
from coterie.mixture import Mixture
from coterie.recipe import Recipe
from coterie.recipes import uni_moe
from coterie.stage import Stage
from coterie.task_file import read_tasks
from coterie.tasks import TextTasks
from coterie.train.steps import split_steps
from coterie_demo.showcase import PANTRY
from experiments.parts import in_parts, read_provenance, share_work, write_provenance

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
MODALITIES: Mapping[str, tuple[str, ...]] = {
    "image": ("naming", "food_group", "chart"),
    "speech": ("spoken", "spoken_question"),
    "sound": ("drums", "instrument"),
    "video": ("moving", "direction"),
    "text": ("facts",),
}
"""Modality -> its tasks, those of them that the data has."""
TASKS = tuple(task for tasks in MODALITIES.values() for task in tasks)
RANK, EXPERT_RANK, SCALE = 8, 16, 2.0
ACTIVE = 2
"""Experts a token."""
LEARNING_RATE = 5e-4
PRECISION = "bfloat16"
"""Of the frozen weights; experts are in float32. CPUs without bfloat16 emulate it, slowly."""
SINGLE, DENSE, WHOLE = "single_task", "dense", "uni_moe"
STAGES = {
    WHOLE: "alignment,experts,unified",
    "without_alignment": "experts,unified",
    "without_experts": "alignment,unified",
    "unified_alone": "unified",
}
"""System -> the stages of Uni-MoE that it has."""
PAPER = "paper_formula"
"""Uni-MoE with the paper's weights, a softmax over all experts of which two are kept: with five
experts that are alike they sum to 0.4 at first, so that every MLP's output shrinks. The others have
the released code's, a softmax over the two."""
SHARES = {"alignment": 1, "experts": 4, "unified": 5}
"""The stages' steps, in this proportion; the branches of "experts" share theirs by tasks."""
Relative = Float[np.ndarray, "*draws tasks"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained and scored.

    Attributes:
        modalities: modality -> its tasks, a branch and an expert each.
        steps: of each system, of `batch_size` samples; single-task models share them.
        limit: test samples of a task.
        once: systems of the first seed alone, which are in no comparison.
    """

    tasks: TextTasks
    modalities: Mapping[str, tuple[str, ...]]
    base: str = "embedded"
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 400
    batch_size: int = 16
    limit: int = 100
    systems: tuple[str, ...] = (SINGLE, DENSE, *STAGES)
    once: tuple[str, ...] = (PAPER,)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One training and its evaluation; `task` is that of a single-task model."""

    plan: Plan = field(repr=False)
    system: str
    seed: int
    task: str | None = None

    @property
    def path(self) -> str:
        parts = [self.system, f"seed-{self.seed}", *([self.task] if self.task else [])]
        return "/".join(parts)


def make_plan(names: Sequence[str] = TASKS, *, small: bool = False) -> Plan:
    """Return the plan of these tasks; `small` for one task a modality and a few steps."""
    found = read_tasks(PANTRY)
    wanted = set(names).intersection(found.names)
    modalities = {
        name: tuple(task for task in tasks if task in wanted)[: 1 if small else None]
        for name, tasks in MODALITIES.items()
    }
    modalities = {name: tasks for name, tasks in modalities.items() if tasks}
    chosen = found.select([task for tasks in modalities.values() for task in tasks])
    assert isinstance(chosen, TextTasks)
    plan = Plan(tasks=chosen, modalities=modalities)
    return replace(plan, seeds=(0,), steps=12, batch_size=4, limit=4) if small else plan


def list_units(plan: Plan) -> Iterator[Unit]:
    """Yield all units seed by seed, as a seed counts whole; the long ones of each first."""
    for seed in plan.seeds:
        once = plan.once if seed == plan.seeds[0] else ()
        for system in sorted((*plan.systems, *once), key=SINGLE.__eq__):
            for task in plan.tasks.names if system == SINGLE else (None,):
                yield Unit(plan=plan, system=system, seed=seed, task=task)


def make_dense(plan: Plan) -> Recipe:
    """Return LoRAs with as many ranks as a token's experts have, after the same alignment."""
    rank = ACTIVE * (RANK + EXPERT_RANK)
    places = {"text.mlp": rank, "text.attn": RANK}
    mixtures = tuple(
        Mixture(at=at, experts=Lora(ranks=(size,), scale=SCALE), gate=None)
        for at, size in places.items()
    )
    parts = ("adapter", "connector")
    stages = (
        Stage(name="alignment", trains=("connector",), mixtures=()),
        Stage(name="joint", trains=parts, warmup=0.03),
    )
    recipe = Recipe(name=DENSE, role="baseline", mixtures=mixtures, stages=stages)
    return set_lengths(recipe, plan, steps=plan.steps)


def make_recipe(unit: Unit) -> Recipe:
    """Return the recipe of a unit, with the steps of each stage."""
    plan = unit.plan
    if unit.system == SINGLE:
        dense, steps = make_dense(plan), plan.steps // len(plan.tasks.names)
        return set_lengths(replace(dense, name=SINGLE), plan, steps=max(2, steps))
    if unit.system == DENSE:
        return make_dense(plan)
    recipe = uni_moe(
        experts=max(ACTIVE, len(plan.modalities)),
        rank=RANK,
        alpha=SCALE * RANK,
        expert_rank=EXPERT_RANK,
        dropout=0.0,
        stages=STAGES[WHOLE if unit.system == PAPER else unit.system],
        branches=plan.modalities,
        released=unit.system != PAPER,
    )
    return set_lengths(replace(recipe, name=unit.system), plan, steps=plan.steps)


def set_lengths(recipe: Recipe, plan: Plan, *, steps: int) -> Recipe:
    """Return the recipe with so many steps, shared out to its stages, and one learning rate."""
    num_tasks = len(plan.tasks.names)
    shares = {"joint": SHARES["experts"] + SHARES["unified"], **SHARES}
    wanted = [
        shares[stage.name.partition("-")[0]] * (len(stage.tasks) or num_tasks) / num_tasks
        for stage in recipe.stages
    ]
    stages = tuple(
        replace(stage, steps=length, epochs=None, batch_size=None, learning_rate=LEARNING_RATE)
        for stage, length in zip(recipe.stages, split_steps(steps, wanted), strict=True)
    )
    return replace(recipe, stages=stages)


def train_and_score(unit: Unit, out: Path) -> None:
    plan = unit.plan
    tasks = plan.tasks if unit.task is None else plan.tasks.select([unit.task])
    run = coterie.train(
        make_recipe(unit), base=plan.base, tasks=tasks, out=out / unit.path, resume=True,
        progress=False, seed=unit.seed, batch_size=plan.batch_size, precision=PRECISION,
        mix=TaskSampling(temperature="equal"),
    )  # fmt: skip
    coterie.evaluate(run, limit=plan.limit, batch_size=32)


def measure_spread(relative: Relative, groups: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    """Return the standard deviation and the range of the modalities' means, and their mean.

    `relative` are scores over the single-task scores; `groups` the columns of each modality.
    """
    means = np.stack([relative[..., list(group)].mean(-1) for group in groups], axis=-1)
    spread = {"std": means.std(-1), "range": means.max(-1) - means.min(-1)}
    return {"mean": means.mean(-1), **spread}


def compare_spreads(plan: Plan, groups: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return system -> modality -> its mean relative score, and the spread, with intervals.

    Intervals are a bootstrap over test samples, the same for all systems, of means over seeds.
    Where a single-task model has no point, its task is left out; without any task there is none.
    """
    found = [systems.load_system(name, list(runs)) for name, runs in groups.items()]
    drawn = systems.bootstrap_systems(found, resamples=RESAMPLES, seed=0)
    names = list(found[0].tasks)
    higher = np.array([each.metric.higher_is_better for each in found[0].tasks.values()])
    reference = drawn[list(groups).index(SINGLE)]
    defined = (reference.mean > 0) & (reference.mean_draws > 0).all(0)
    columns = {
        modality: [names.index(task) for task in tasks if defined[names.index(task)]]
        for modality, tasks in plan.modalities.items()
    }
    kept = {modality: each for modality, each in columns.items() if each}
    result: dict[str, Any] = {
        "left_out": [name for name, has in zip(names, defined, strict=True) if not has]
    }
    if not kept:
        return result
    for name, each in zip(groups, drawn, strict=True):
        pairs = ((each.mean, reference.mean), (each.mean_draws, reference.mean_draws))
        value, draws = (divide(mine, theirs, higher) for mine, theirs in pairs)
        spread, spreads = (measure_spread(x, list(kept.values())) for x in (value, draws))
        result[name] = {
            "modalities": {key: float(value[group].mean()) for key, group in kept.items()},
            **{k: compute_percentile_interval(float(spread[k]), spreads[k]) for k in spread},
        }
    return result


def divide(mine: Relative, theirs: Relative, higher: np.ndarray) -> Relative:
    """Return scores over the reference's, or its over them where lower is better."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(higher, mine / theirs, theirs / np.maximum(mine, 1e-9))


def summarize(plan: Plan, out: Path) -> dict[str, Any]:
    """Return the table and the spreads over the seeds that all systems have, and print both."""
    units = list(list_units(plan))
    missing = {u.seed for u in units if not (out / u.path / "scores.json").is_file()}
    groups: dict[str, list[Any]] = {name: [] for name in plan.systems}
    once: dict[str, Any] = {}
    for unit in units:
        if unit.seed in missing:
            continue
        run = coterie.Run.read(out / unit.path)
        if unit.system in plan.once:
            tasks = coterie.evaluate(run, limit=plan.limit, batch_size=32).tasks
            once[unit.system] = {name: task.score for name, task in tasks.items()}
        else:
            groups[unit.system].append(run)
    table = coterie.compare(groups, baseline=groups[SINGLE])
    spreads = compare_spreads(plan, groups)
    print(table.to_markdown())
    for name in spreads.keys() - {"left_out"}:
        mean, std, span = (spreads[name][key] for key in ("mean", "std", "range"))
        print(f"{name}: mean {mean[0]:.3f}, spread {std[0]:.3f} ({std[1]:.3f} to {std[2]:.3f}), "
              f"range {span[0]:.3f} ({span[1]:.3f} to {span[2]:.3f})")  # fmt: skip
    seeds = [seed for seed in plan.seeds if seed not in missing]
    return {"seeds": seeds, "table": table.dump(), "spreads": spreads, "once": once}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/uni-moe"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--until", type=float, default=1e18, help="start no unit after it, in Unix time"
    )
    parser.add_argument("--part", type=int, help="be one of the processes")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--steps", type=int, default=Plan.steps, help="of each system")
    parser.add_argument("--batch-size", type=int, default=Plan.batch_size)
    parser.add_argument("--limit", type=int, default=Plan.limit, help="test samples of a task")
    parser.add_argument("--small", action="store_true", help="minutes, and no result is written")
    given = parser.parse_args()
    torch.set_num_threads(1)
    plan = make_plan(given.tasks, small=given.small)
    size = {"steps": given.steps, "batch_size": given.batch_size, "limit": given.limit}
    if not given.small:
        plan = replace(plan, **size)
    if given.part is not None or given.small:
        write_provenance(given.out)
        units = {unit.path: unit for unit in list_units(plan)}
        share_work(
            units, given.out / "claims", lambda unit: train_and_score(unit, given.out), given.until
        )
        if not given.small:
            return
    if not given.small:
        sizes = [f"--{name.replace('_', '-')}={value}" for name, value in size.items()]
        in_parts(
            "experiments.uni_moe", given.out, given.processes, f"--until={given.until}", *sizes,
            "--tasks", *given.tasks,
        )  # fmt: skip
    facts = read_provenance(given.out)
    facts |= {
        "modalities": dict(plan.modalities), "steps": plan.steps,
        "batch_size": plan.batch_size, "limit": plan.limit, "learning_rate": LEARNING_RATE,
        "precision": PRECISION,
        "rank": RANK, "expert_rank": EXPERT_RANK, **summarize(plan, given.out),
    }  # fmt: skip
    if not given.small:
        file = RESULTS / f"uni-moe-{facts['device']}.json"
        file.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
