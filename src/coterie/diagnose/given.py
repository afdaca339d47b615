"""What a diagnosis is of, found out from what it was given: a run or model, and tasks."""

from collections.abc import Sequence
from pathlib import Path

import torch

from coterie import recipes
from coterie.diagnose.pictures import DenseGradientSource
from coterie.diagnose.spaces import GradientSource
from coterie.diagnose.words import DEFAULT_MODULES, TextGradientSource
from coterie.models import loading
from coterie.models.loading import LoadedModel
from coterie.tasks.dense import task_set as lessons
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.dense.vision_config import VisionConfig
from coterie.tasks.text.task import TextTask
from coterie.train.config import RunConfig
from coterie.train.run import Run
from coterie.train.run_directory import RunDirectory

Device = str | torch.device | None


def subject(
    what: LoadedModel | Run | str | Path,
    tasks: Sequence[TextTask] | DenseDataset | None,
    *,
    at: Sequence[str] | None,
    vision: VisionConfig | None,
    split: str,
    seed: int,
    device: Device,
) -> GradientSource:
    """The tasks and the loaded model; see `coterie.diagnose` for the arguments.

    Raises ValueError for fewer than two tasks, and for what does not go together.
    """
    if isinstance(what, str | Path) and RunDirectory(Path(what)).is_run:
        what = Run.read(what)
    if tasks is None:
        tasks = own(what)
    compared = tasks.tasks if isinstance(tasks, DenseDataset) else tasks
    if len(compared) < 2:
        count = len(compared)
        raise ValueError(f"diagnose compares tasks, and was given {count}: give two or more")
    if isinstance(tasks, DenseDataset):
        if at is not None:
            raise ValueError(
                f"at={tuple(at)}: tasks on pictures are compared in the backbone's blocks; leave "
                "at out"
            )
        return on_pictures(what, tasks, vision=vision, split=split, seed=seed, device=device)
    if vision is not None:
        raise ValueError(
            f"vision={vision!r} is for a dense data set, and the tasks are answered in words: "
            "leave vision out"
        )
    return in_words(
        what, tasks, at=DEFAULT_MODULES if at is None else at, split=split, device=device
    )


def own(what: LoadedModel | Run | str | Path) -> Sequence[TextTask] | DenseDataset:
    """What a run learned. Raises ValueError for a model, which has not learned tasks."""
    if not isinstance(what, Run):
        raise ValueError("tasks: give the tasks whose conflict is to be measured")
    return what.config.tasks if what.config.pictures is None else what.config.pictures


def in_words(
    what: LoadedModel | Run | str | Path,
    tasks: Sequence[TextTask],
    *,
    at: Sequence[str],
    split: str,
    device: Device,
) -> TextGradientSource:
    """Tasks that are answered in words. Raises ValueError for a run on pictures."""
    ids = [task.name for task in tasks]
    if isinstance(what, Run):
        if what.config.pictures is not None:
            raise ValueError(
                f"{what.folder} is a run on pictures, and the tasks are answered in words: give a "
                "dense data set, or leave tasks out for the run's own"
            )
        loaded, ids = what.load(device=device), list(what.task_names)
    elif isinstance(what, LoadedModel):
        loaded = what
    else:
        # Processors seldom multiply bfloat16, which most models are saved in.
        dtype = torch.float32 if torch.device(device or "cpu").type == "cpu" else None
        loaded = loading.load(what, dtype=dtype, device=device)
    return TextGradientSource(loaded, tasks, ids=ids, split=split, at=at)


def on_pictures(
    what: LoadedModel | Run | str | Path,
    dataset: DenseDataset,
    *,
    vision: VisionConfig | None,
    split: str,
    seed: int,
    device: Device,
) -> DenseGradientSource:
    """Tasks on pictures. Raises ValueError for a run on words, or one and a `vision` beside it."""
    skip = False
    if isinstance(what, Run):
        if what.config.pictures is None:
            raise ValueError(
                f"{what.folder} is a run on tasks in words, and tasks is a dense data set: give "
                "tasks in words, or leave tasks out for the run's own"
            )
        if vision is not None:
            raise ValueError(f"vision={vision!r}: {what.folder} has its own; leave vision out")
        vision, skip = what.config.vision, what.config.skip_bad_rows
        loaded = what.load(device=device)
        loaded.model.float()  # a small step would be lost in bfloat16 weights
    elif isinstance(what, LoadedModel):
        loaded = what
    else:
        base = str(Path(what).expanduser()) if Path(what).expanduser().is_dir() else str(what)
        plan = RunConfig(
            recipe=recipes.dense(), base=base, pictures=dataset, seed=seed,
            vision=vision or VisionConfig(),
        )  # fmt: skip
        loaded = lessons.DenseTasks(plan, dataset).load_model()
        loaded.model.to(device or "cpu")  # pyright: ignore[reportArgumentType]
    return DenseGradientSource(
        loaded, dataset, vision=vision or VisionConfig(), split=split, skip_bad_rows=skip
    )
