"""What a diagnosis is of, found out from what it was given: a run or model, and tasks."""

from collections.abc import Sequence
from pathlib import Path

import torch

from coterie import pretrained, recipes
from coterie.dense.rows import DenseSet
from coterie.dense.vision import Vision
from coterie.diagnose.pictures import Pictures
from coterie.diagnose.subject import Subject
from coterie.diagnose.words import AT, Words
from coterie.pretrained import Pretrained
from coterie.recipe import FILE
from coterie.tasks.task import Task
from coterie.train import pictures as lessons
from coterie.train.plan import Plan
from coterie.train.run import Run

Device = str | torch.device | None


def subject(
    what: Pretrained | Run | str | Path,
    tasks: Sequence[Task] | DenseSet | None,
    *,
    at: Sequence[str] | None,
    vision: Vision | None,
    split: str,
    seed: int,
    device: Device,
) -> Subject:
    """The tasks and the loaded model; see `coterie.diagnose` for the arguments.

    Raises ValueError for fewer than two tasks, and for what does not go together.
    """
    if isinstance(what, str | Path) and (Path(what) / FILE).is_file():
        what = Run.read(what)
    if tasks is None:
        tasks = own(what)
    compared = tasks.tasks if isinstance(tasks, DenseSet) else tasks
    if len(compared) < 2:
        count = len(compared)
        raise ValueError(f"diagnose compares tasks, and was given {count}: give two or more")
    if isinstance(tasks, DenseSet):
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
    return in_words(what, tasks, at=AT if at is None else at, split=split, device=device)


def own(what: Pretrained | Run | str | Path) -> Sequence[Task] | DenseSet:
    """What a run learned. Raises ValueError for a model, which has not learned tasks."""
    if not isinstance(what, Run):
        raise ValueError("tasks: give the tasks whose conflict is to be measured")
    return what.plan.tasks if what.plan.pictures is None else what.plan.pictures


def in_words(
    what: Pretrained | Run | str | Path,
    tasks: Sequence[Task],
    *,
    at: Sequence[str],
    split: str,
    device: Device,
) -> Words:
    """Tasks that are answered in words. Raises ValueError for a run on pictures."""
    ids = [task.name for task in tasks]
    if isinstance(what, Run):
        if what.plan.pictures is not None:
            raise ValueError(
                f"{what.folder} is a run on pictures, and the tasks are answered in words: give a "
                "dense data set, or leave tasks out for the run's own"
            )
        loaded, ids = what.load(device=device), list(what.tasks)
    elif isinstance(what, Pretrained):
        loaded = what
    else:
        # Processors seldom multiply bfloat16, which most models are saved in.
        dtype = torch.float32 if torch.device(device or "cpu").type == "cpu" else None
        loaded = pretrained.load(what, dtype=dtype, device=device)
    return Words(loaded, tasks, ids=ids, split=split, at=at)


def on_pictures(
    what: Pretrained | Run | str | Path,
    pictures: DenseSet,
    *,
    vision: Vision | None,
    split: str,
    seed: int,
    device: Device,
) -> Pictures:
    """Tasks on pictures. Raises ValueError for a run on words, or one and a `vision` beside it."""
    skip = False
    if isinstance(what, Run):
        if what.plan.pictures is None:
            raise ValueError(
                f"{what.folder} is a run on tasks in words, and tasks is a dense data set: give "
                "tasks in words, or leave tasks out for the run's own"
            )
        if vision is not None:
            raise ValueError(f"vision={vision!r}: {what.folder} has its own; leave vision out")
        vision, skip = what.plan.vision, what.plan.skip_bad_rows
        loaded = what.load(device=device)
        loaded.model.float()  # a small step would be lost in bfloat16 weights
    elif isinstance(what, Pretrained):
        loaded = what
    else:
        base = str(Path(what).expanduser()) if Path(what).expanduser().is_dir() else str(what)
        plan = Plan(
            recipe=recipes.dense(), base=base, pictures=pictures, seed=seed,
            vision=vision or Vision(),
        )  # fmt: skip
        loaded = lessons.Pictures(plan, pictures).load()
        loaded.model.to(device or "cpu")  # pyright: ignore[reportArgumentType]
    return Pictures(loaded, pictures, vision=vision or Vision(), split=split, skip_bad_rows=skip)
