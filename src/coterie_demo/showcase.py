"""What `coterie demo` does, step by step; each step is left out where its result is there."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coterie.data.task_sampling import TaskSampling
from coterie.diagnose import diagnose
from coterie.evaluate import compare, evaluate
from coterie.graft import graft
from coterie.models.loading import EMBEDDED, load
from coterie.recipe import Recipe
from coterie.recipes import moelora, shared_lora
from coterie.report import report
from coterie.task_file import PANTRY, read_tasks
from coterie.tasks import TextTask
from coterie.train import Run, RunConfig, train_from_config
from coterie.train.frozen_caches import precompute_caches
from coterie.train.run_directory import RunDirectory
from coterie_demo import fetch

# Chosen so that the whole takes about a quarter of an hour on two cores.
TASKS = ("group", "food_group", "spoken", "spoken_initial", "spoken_question")
FALLBACK_TASKS = ("counting", "chart", "naming", "ocr")
"""They come with coterie, and take the place of what could not be fetched."""
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
    """A demonstration in a folder.

    Attributes:
        out: the folder; what is there is kept.
        steps: of each training.
        seed: of everything random.
        say: where lines for the reader go.
        base: the model that is trained.
        tasks: what `read_tasks` takes; of "pantry", those of TASKS that could be fetched.
        at: what is adapted.
    """

    out: str
    steps: int = STEPS
    seed: int = 0
    report_progress: Callable[[str], object] = print
    base: str = EMBEDDED
    tasks: str = PANTRY
    at: tuple[str, ...] = TARGET_MODULES

    def run(self) -> Path:
        """Does what is not done yet; the report's path.

        Raises ValueError if the two models' trainable parameters differ by more than SPREAD.
        """
        out = Path(self.out)
        if self.base == EMBEDDED:
            with self.time_step("fetch weights and data, or find them"):
                fetch(log=self.report_progress)
        tasks = self.select_tasks()
        with self.time_step("diagnose: do the tasks pull in different directions?"):
            self.diagnose(tasks, RunDirectory(out).conflict_file)
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
                conflict=RunDirectory(out).conflict_file,
                command=f"coterie demo --steps {self.steps} --seed {self.seed}",
            )
        self.report_progress(table.to_markdown())
        return page

    def select_tasks(self) -> tuple[TextTask, ...]:
        """The tasks, in order; says which are missing, and what takes their place."""
        tasks = read_tasks(self.tasks)
        if self.tasks != PANTRY:
            return tasks
        named = {task.name: task for task in tasks}
        spares = iter([name for name in FALLBACK_TASKS if name in named])
        found = []
        for name in TASKS:
            other = name if name in named else next(spares, None)
            if other != name:
                place = "" if other is None else f", with {other} in its place"
                self.report_progress(
                    f"   without {name}, whose pictures or sounds could not be fetched{place}"
                )
            if other is not None:
                found.append(named[other])
        return tuple(found)

    def diagnose(self, tasks: tuple[TextTask, ...], file: Path) -> None:
        """The conflict before training, once."""
        if file.is_file():
            self.report_progress(f"   done before: {file}")
            return
        conflict = diagnose(self.base, tasks, batches=BATCHES, seed=self.seed, at=self.at)
        file.parent.mkdir(parents=True, exist_ok=True)
        conflict.save(file)
        self.report_progress(f"   {conflict.summary}")

    def check_sizes(self, tasks: tuple[TextTask, ...]) -> None:
        """Raises ValueError unless the recipes train equally many parameters, within SPREAD."""
        sizes = count_trainable(self.base, build_recipes(self.at), [task.name for task in tasks])
        said = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        self.report_progress(f"trainable parameters: {said}")
        if max(sizes.values()) > (1 + PARAMETER_TOLERANCE) * min(sizes.values()):
            raise ValueError(
                f"the demo compares equal sizes, and these differ by more than {PARAMETER_TOLERANCE:.0%}: "
                f"{said}; change RANK or EXPERTS in {__file__}"
            )

    def build_config(self, recipe: Recipe, tasks: tuple[TextTask, ...]) -> RunConfig:
        """What is trained with a recipe."""
        return RunConfig(
            recipe=recipe,
            base=self.base,
            tasks=tasks,
            mix=TaskSampling(temperature="equal"),
            steps=self.steps,
            batch_size=BATCH_SIZE,
            seed=self.seed,
        )

    def prepare_frozen_parts(self, tasks: tuple[TextTask, ...]) -> None:
        """What is frozen in both trainings, so that neither's time has it."""
        runs = {Path(self.out) / name: each for name, each in build_recipes(self.at).items()}
        if all(RunDirectory(folder).is_finished for folder in runs):
            self.report_progress("   done before")
            return
        count = precompute_caches(self.build_config(next(iter(runs.values())), tasks))
        self.report_progress(f"   {count:,} samples")

    def train(self, name: str, recipe: Recipe, tasks: tuple[TextTask, ...]) -> Run:
        """A recipe's run, trained to its end; it goes on where it was stopped."""
        with self.time_step(f"train {name}"):
            return train_from_config(
                self.build_config(recipe, tasks), out=Path(self.out) / name, resume=True
            )

    def evaluate(self, run: Run, *, blind: bool = False, untrained: bool = False) -> None:
        """A run's scores, or those of a control; answers that are there are taken as they are."""
        control = "blind" if blind else "untrained" if untrained else ""
        with self.time_step(f"evaluate {run.folder.name} {control}".rstrip()):
            evaluate(run, limit=EVALUATION_LIMIT, blind=blind, untrained=untrained)

    @contextmanager
    def time_step(self, what: str) -> Iterator[None]:
        """Says what begins, and how long it took."""
        self.report_progress(f"== {what}")
        start = time.monotonic()
        yield
        self.report_progress(f"   {time.monotonic() - start:.0f} s")


def build_recipes(at: tuple[str, ...] = TARGET_MODULES) -> Mapping[str, Recipe]:
    """Name of the run -> what is compared: the usual answer first."""
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
    """Name -> how many parameters each recipe trains, counted on the model itself."""
    sizes = {}
    for name, recipe in recipes.items():
        model = graft(load(base).model, recipe.mixtures, tasks=tasks)
        sizes[name] = sum(each.numel() for each in model.parameters() if each.requires_grad)
    return sizes
