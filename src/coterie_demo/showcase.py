"""The study of `coterie demo`: tasks in conflict, one shared adapter, and a mixture."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from coterie.data.task_sampling import TaskSampling
from coterie.devices import choose_device
from coterie.recipe import Recipe
from coterie.recipes import moelora, shared_lora, single_task
from coterie.study import Study, StudyResult
from coterie.study.plan import StudyPlan
from coterie.study.systems import ALONE
from coterie.task_file import read_tasks
from coterie.tasks import TaskSet, TextTasks
from coterie.train.frozen_caches import precompute_caches
from coterie.train.run import make_absolute_base
from coterie_demo.fetch import fetch

EMBEDDED = "embedded"
PANTRY = "pantry"
TASKS = ("naming", "group", "food_group", "energy")
"""The name or the kind of a drawing, the group or the energy of a food."""
PROMPT = "Answer."
"""Of all these tasks, as in data sets that were labelled apart: no input says which is meant."""
FALLBACK_TASKS = ("counting", "chart", "ocr")
"""They are vendored, and replace tasks that could not be fetched; with questions of their own."""
# Chosen so that the demo takes about a quarter of an hour on two cores.
STEPS = 48
BATCH_SIZE = 16
LEARNING_RATE = 1e-3
EVALUATION_LIMIT = 75  # rows a task that are scored
BATCHES = 2  # a task, for the conflict
# The last third of the language model: what is below stays as it is, and runs once a sample.
LAYERS = r"model\.language_model\.layers\.2\d\."
TARGET_MODULES = (LAYERS + r"self_attn\.(q|k|v|o)_proj", LAYERS + r"mlp\.(gate|up|down)_proj")
# One adapter of rank 32, or eight experts of rank 4 that the task mixes: as many weights, and at
# equal shares the same scale.
MIXTURE = "moelora"
"""The name of the mixture's run."""
RANK = 32
EXPERTS = 8


@dataclass(frozen=True, kw_only=True)
class Showcase:
    """A study of tasks in conflict on embedded weights and data, written to a folder.

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

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps={self.steps}: it must be at least 1")

    def run(self) -> StudyResult:
        """Do what has no results yet.

        Raises ValueError if the models' trainable parameters differ too much.
        """
        if self.base == EMBEDDED:
            self.report_progress("fetch weights and data, or find them")
            fetch(tasks=TASKS, log=self.report_progress)
        return self.plan(self.select_tasks()).run()

    def plan(self, tasks: TaskSet) -> Study:
        """Plan the study."""
        settings = {
            "steps": self.steps, "batch_size": BATCH_SIZE, "precision": "float32",
            "mix": TaskSampling(temperature="equal"),
        }  # fmt: skip
        plan = StudyPlan(
            base=make_absolute_base(self.base), tasks=tasks, out=Path(self.out), seeds=(self.seed,),
            systems=build_recipes(self.at), settings=settings,
        )  # fmt: skip
        return Study(
            plan=plan,
            device=choose_device(),
            limit=EVALUATION_LIMIT,
            diagnosis={"batches": BATCHES, "seed": self.seed, "at": self.at},
            # So that no training's time includes it.
            prepare=lambda *configs: f"{precompute_caches(*configs):,} samples",
            tolerates_unequal=False,
            title="One shared adapter, or a mixture of experts?",
            command=f"coterie demo --steps {self.steps} --seed {self.seed}",
            report_progress=self.report_progress,
        )

    def select_tasks(self) -> TaskSet:
        """The tasks, in order; reports missing ones and their replacements."""
        tasks = read_tasks(self.tasks)
        if self.tasks != PANTRY:
            return tasks
        if not {*TASKS} <= {*tasks.names}:
            fetch([PANTRY], tasks=FALLBACK_TASKS, log=self.report_progress)
            tasks = read_tasks(self.tasks)
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
        chosen = [tasks.get_text_task(name) for name in found]
        return TextTasks(
            tasks=tuple(
                replace(task, prompt=PROMPT) if task.name in TASKS else task for task in chosen
            )
        )


def build_recipes(at: tuple[str, ...] = TARGET_MODULES) -> Mapping[str, Recipe]:
    """Name of the run -> its recipe; the baseline first."""
    lora = {"rank": RANK, "alpha": 2.0 * RANK, "at": at, "learning_rate": LEARNING_RATE}
    return {
        "shared_lora": shared_lora(**lora),
        ALONE: single_task(**lora),
        MIXTURE: moelora(
            experts=EXPERTS,
            rank=RANK // EXPERTS,
            alpha=2.0 * RANK,
            at=at,
            learning_rate=LEARNING_RATE,
        ),
    }
