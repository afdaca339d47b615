"""The steps of `coterie demo`; those whose results exist are skipped."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coterie.data.task_sampling import TaskSampling
from coterie.diagnose import diagnose
from coterie.evaluate import compare, evaluate
from coterie.graft import graft
from coterie.models.loading import load
from coterie.recipe import Recipe
from coterie.recipes import moelora, shared_lora
from coterie.report import report
from coterie.task_file import read_tasks
from coterie.tasks import TaskSet
from coterie.train import Run, RunConfig, train_from_config
from coterie.train.frozen_caches import precompute_caches
from coterie.train.run import ADAPTER_FOLDER
from coterie_demo.fetch import fetch

EMBEDDED = "embedded"
PANTRY = "pantry"
# Chosen so that the demo takes about a quarter of an hour on two cores.
TASKS = ("group", "food_group", "spoken", "spoken_initial", "spoken_question")
FALLBACK_TASKS = ("counting", "chart", "naming", "ocr")
"""They are vendored, and replace tasks that could not be fetched."""
STEPS = 64
BATCH_SIZE = 16
LEARNING_RATE = 1e-3
EVALUATION_LIMIT = 75  # rows a task that are scored
BATCHES = 2  # a task, for the conflict
# The last third of the language model: what is below stays as it is, and runs once a sample.
LAYERS = r"model\.language_model\.layers\.2\d\."
TARGET_MODULES = (LAYERS + r"self_attn\.(q|k|v|o)_proj", LAYERS + r"mlp\.(gate|up|down)_proj")
# One adapter of rank 32, or eight experts of rank 4 that the task mixes: as many weights, and at
# equal shares the same scale.
RANK = 32
EXPERTS = 8

PARAMETER_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Showcase:
    """A comparison of two recipes, written to a folder.

    Attributes:
        out: the folder; existing results in it are reused.
        steps: of each training.
        seed: of everything random.
        report_progress: receives lines of progress.
        base: the model that is trained.
        tasks: what `read_tasks` takes; of "pantry", those of TASKS that could be fetched.
        at: the modules that are adapted.
    """

    out: str
    steps: int = STEPS
    seed: int = 0
    report_progress: Callable[[str], object] = print
    base: str = EMBEDDED
    tasks: str = PANTRY
    at: tuple[str, ...] = TARGET_MODULES

    def run(self) -> Path:
        """Run the steps that have no results yet; returns the report's path.

        Raises ValueError if the two models' trainable parameters differ too much.
        """
        out = Path(self.out)
        if self.base == EMBEDDED:
            with self.time_step("fetch weights and data, or find them"):
                fetch(log=self.report_progress)
        tasks = self.select_tasks()
        with self.time_step("diagnose: do the tasks pull in different directions?"):
            self.diagnose(tasks, out / "conflict.json")
        self.check_sizes(tasks)
        with self.time_step("run the frozen layers once over the training rows"):
            self.prepare_frozen_parts(tasks)
        runs = [self.train(name, recipe, tasks) for name, recipe in build_recipes(self.at).items()]
        self.evaluate(runs[0], untrained=True)  # before training, both are one model
        for run in runs:
            self.evaluate(run)
            self.evaluate(run, blind=True)
        with self.time_step("compare and report"):
            table = compare(runs, baseline=runs[0])
            table.save(out / "table.json")
            table.save(out / "table.md")
            page = report(
                dict(zip(build_recipes(self.at), runs, strict=True)),
                out=out / "report.html",
                title="One shared adapter, or a mixture of experts?",
                conflict=out / "conflict.json",
                command=f"coterie demo --steps {self.steps} --seed {self.seed}",
            )
        self.report_progress(table.to_markdown())
        return page

    def select_tasks(self) -> TaskSet:
        """The tasks, in order; reports missing ones and their replacements."""
        tasks = read_tasks(self.tasks)
        if self.tasks != PANTRY:
            return tasks
        spares = iter([name for name in FALLBACK_TASKS if name in tasks.names])
        found = []
        for name in TASKS:
            other = name if name in tasks.names else next(spares, None)
            if other != name:
                place = "" if other is None else f", with {other} in its place"
                self.report_progress(
                    f"   without {name}, whose images or sounds could not be fetched{place}"
                )
            if other is not None:
                found.append(other)
        return tasks.select(found)

    def diagnose(self, tasks: TaskSet, file: Path) -> None:
        """Measure the gradient conflict before training, unless it was measured."""
        if file.is_file():
            self.report_progress(f"   done before: {file}")
            return
        conflict = diagnose(self.base, tasks, batches=BATCHES, seed=self.seed, at=self.at)
        file.parent.mkdir(parents=True, exist_ok=True)
        conflict.save(file)
        self.report_progress(f"   {conflict.summary}")

    def check_sizes(self, tasks: TaskSet) -> None:
        """Raise ValueError unless parameter counts agree within PARAMETER_TOLERANCE."""
        sizes = count_trainable(self.base, build_recipes(self.at), list(tasks.names))
        said = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        self.report_progress(f"trainable parameters: {said}")
        if max(sizes.values()) > (1 + PARAMETER_TOLERANCE) * min(sizes.values()):
            raise ValueError(
                f"the demo compares equal sizes, and these differ by more than "
                f"{PARAMETER_TOLERANCE:.0%}: {said}; change RANK or EXPERTS in {__file__}"
            )

    def build_config(self, recipe: Recipe, tasks: TaskSet) -> RunConfig:
        """The configuration of a recipe's run."""
        return RunConfig(
            recipe=recipe,
            base=self.base,
            tasks=tasks,
            mix=TaskSampling(temperature="equal"),
            steps=self.steps,
            batch_size=BATCH_SIZE,
            seed=self.seed,
        )

    def prepare_frozen_parts(self, tasks: TaskSet) -> None:
        """Fill the caches of frozen layers, so that neither training's time includes it."""
        runs = {Path(self.out) / name: each for name, each in build_recipes(self.at).items()}
        if all((folder / ADAPTER_FOLDER).is_dir() for folder in runs):
            self.report_progress("   done before")
            return
        count = precompute_caches(self.build_config(next(iter(runs.values())), tasks))
        self.report_progress(f"   {count:,} samples")

    def train(self, name: str, recipe: Recipe, tasks: TaskSet) -> Run:
        """Train a recipe to the end; an interrupted run is resumed."""
        with self.time_step(f"train {name}"):
            return train_from_config(
                self.build_config(recipe, tasks), out=Path(self.out) / name, resume=True
            )

    def evaluate(self, run: Run, *, blind: bool = False, untrained: bool = False) -> None:
        """Score a run or a control; existing predictions are reused."""
        control = "blind" if blind else "untrained" if untrained else ""
        with self.time_step(f"evaluate {run.folder.name} {control}".rstrip()):
            evaluate(run, limit=EVALUATION_LIMIT, blind=blind, untrained=untrained)

    @contextmanager
    def time_step(self, what: str) -> Iterator[None]:
        """Report the name of a step, and its duration."""
        self.report_progress(f"== {what}")
        start = time.monotonic()
        yield
        self.report_progress(f"   {time.monotonic() - start:.0f} s")


def build_recipes(at: tuple[str, ...] = TARGET_MODULES) -> Mapping[str, Recipe]:
    """Name of the run -> its recipe; the baseline first."""
    return {
        "shared_lora": shared_lora(rank=RANK, alpha=2.0 * RANK, at=at, learning_rate=LEARNING_RATE),
        "moelora": moelora(
            experts=EXPERTS,
            rank=RANK // EXPERTS,
            alpha=2.0 * RANK,
            at=at,
            learning_rate=LEARNING_RATE,
        ),
    }


def count_trainable(base: str, recipes: Mapping[str, Recipe], tasks: list[str]) -> dict[str, int]:
    """Name -> number of trainable parameters of each recipe's model."""
    sizes = {}
    for name, recipe in recipes.items():
        model = graft(load(base).model, recipe.mixtures, tasks=tasks)
        sizes[name] = sum(each.numel() for each in model.parameters() if each.requires_grad)
    return sizes
