"""What `coterie demo` does, step by step; each step is left out where its result is there."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coterie.data.mix import Mix
from coterie.diagnose import diagnose
from coterie.embedded import fetch
from coterie.evaluate import compare, evaluate
from coterie.graft import graft
from coterie.pretrained import EMBEDDED, load
from coterie.recipe import Recipe
from coterie.recipes import moelora, shared_lora
from coterie.report import report
from coterie.tasks import Task, read_tasks
from coterie.tasks.listed import PANTRY
from coterie.train import Plan, Run, follow
from coterie.train.prepare import prepare
from coterie.train.run import ADAPTER

# Chosen so that the whole takes about a quarter of an hour on two cores.
TASKS = ("group", "food_group", "spoken", "spoken_initial", "spoken_question")
SPARES = ("counting", "chart", "naming", "ocr")
"""They come with coterie, and take the place of what could not be fetched."""
STEPS = 64
BATCH_SIZE = 16
LEARNING_RATE = 1e-3
LIMIT = 75  # rows a task that are scored
BATCHES = 2  # a task, for the conflict
# The last third of the language model: what is below stays as it is, and runs once a sample.
LAYERS = r"model\.language_model\.layers\.2\d\."
AT = (LAYERS + r"self_attn\.(q|k|v|o)_proj", LAYERS + r"mlp\.(gate|up|down)_proj")
# One adapter of rank 32, or eight experts of rank 4 that the task mixes: as many weights, and at
# equal shares the same scale.
RANK = 32
EXPERTS = 8

SPREAD = 0.01


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
    say: Callable[[str], object] = print
    base: str = EMBEDDED
    tasks: str = PANTRY
    at: tuple[str, ...] = AT

    def run(self) -> Path:
        """Does what is not done yet; the report's path.

        Raises ValueError if the two models' trainable parameters differ by more than SPREAD.
        """
        out = Path(self.out)
        if self.base == EMBEDDED:
            with self.step("fetch weights and data, or find them"):
                fetch(say=self.say)
        tasks = self.chosen()
        with self.step("diagnose: do the tasks pull in different directions?"):
            self.diagnosed(tasks, out / "conflict.json")
        self.check_sizes(tasks)
        with self.step("run the frozen layers once over the training rows"):
            self.prepared(tasks)
        runs = [self.trained(name, recipe, tasks) for name, recipe in recipes(self.at).items()]
        self.evaluated(runs[0], untrained=True)  # before training, both are one model
        for run in runs:
            self.evaluated(run)
            self.evaluated(run, blind=True)
        with self.step("compare and report"):
            table = compare(runs, baseline=runs[0])
            table.save(out / "table.json")
            table.save(out / "table.md")
            page = report(
                dict(zip(recipes(self.at), runs, strict=True)),
                out=out / "report.html",
                title="One shared adapter, or a mixture of experts?",
                conflict=out / "conflict.json",
                command=f"coterie demo --steps {self.steps} --seed {self.seed}",
            )
        self.say(table.markdown())
        return page

    def chosen(self) -> tuple[Task, ...]:
        """The tasks, in order; says which are missing, and what takes their place."""
        tasks = read_tasks(self.tasks)
        if self.tasks != PANTRY:
            return tasks
        named = {task.name: task for task in tasks}
        spares = iter([name for name in SPARES if name in named])
        found = []
        for name in TASKS:
            other = name if name in named else next(spares, None)
            if other != name:
                place = "" if other is None else f", with {other} in its place"
                self.say(f"   without {name}, whose pictures or sounds could not be fetched{place}")
            if other is not None:
                found.append(named[other])
        return tuple(found)

    def diagnosed(self, tasks: tuple[Task, ...], file: Path) -> None:
        """The conflict before training, once."""
        if file.is_file():
            self.say(f"   done before: {file}")
            return
        conflict = diagnose(self.base, tasks, batches=BATCHES, seed=self.seed, at=self.at)
        file.parent.mkdir(parents=True, exist_ok=True)
        conflict.save(file)
        self.say(f"   {conflict.sentence}")

    def check_sizes(self, tasks: tuple[Task, ...]) -> None:
        """Raises ValueError unless the recipes train equally many parameters, within SPREAD."""
        sizes = trainable(self.base, recipes(self.at), [task.name for task in tasks])
        said = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        self.say(f"trainable parameters: {said}")
        if max(sizes.values()) > (1 + SPREAD) * min(sizes.values()):
            raise ValueError(
                f"the demo compares equal sizes, and these differ by more than {SPREAD:.0%}: "
                f"{said}; change RANK or EXPERTS in {__file__}"
            )

    def plan(self, recipe: Recipe, tasks: tuple[Task, ...]) -> Plan:
        """What is trained with a recipe."""
        return Plan(
            recipe=recipe,
            base=self.base,
            tasks=tasks,
            mix=Mix(temperature="equal"),
            steps=self.steps,
            batch_size=BATCH_SIZE,
            seed=self.seed,
        )

    def prepared(self, tasks: tuple[Task, ...]) -> None:
        """What is frozen in both trainings, so that neither's time has it."""
        runs = {Path(self.out) / name: each for name, each in recipes(self.at).items()}
        if all((folder / ADAPTER).is_dir() for folder in runs):
            self.say("   done before")
            return
        count = prepare(self.plan(next(iter(runs.values())), tasks))
        self.say(f"   {count:,} samples")

    def trained(self, name: str, recipe: Recipe, tasks: tuple[Task, ...]) -> Run:
        """A recipe's run, trained to its end; it goes on where it was stopped."""
        with self.step(f"train {name}"):
            return follow(self.plan(recipe, tasks), out=Path(self.out) / name, resume=True)

    def evaluated(self, run: Run, *, blind: bool = False, untrained: bool = False) -> None:
        """A run's scores, or those of a control; answers that are there are taken as they are."""
        control = "blind" if blind else "untrained" if untrained else ""
        with self.step(f"evaluate {run.folder.name} {control}".rstrip()):
            evaluate(run, limit=LIMIT, blind=blind, untrained=untrained)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Says what begins, and how long it took."""
        self.say(f"== {what}")
        start = time.monotonic()
        yield
        self.say(f"   {time.monotonic() - start:.0f} s")


def recipes(at: tuple[str, ...] = AT) -> Mapping[str, Recipe]:
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


def trainable(base: str, recipes: Mapping[str, Recipe], tasks: list[str]) -> dict[str, int]:
    """Name -> how many parameters each recipe trains, counted on the model itself."""
    sizes = {}
    for name, recipe in recipes.items():
        model = graft(load(base).model, recipe.mixtures, tasks=tasks)
        sizes[name] = sum(each.numel() for each in model.parameters() if each.requires_grad)
    return sizes
