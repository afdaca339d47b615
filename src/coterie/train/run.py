"""`Run`: the folder of a training run, and what is in it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from coterie.data.rows import BadRow
from coterie.recipe import FILE
from coterie.train import left_out
from coterie.train.plan import Plan
from coterie.train.whole import write

if TYPE_CHECKING:
    from coterie.pretrained import Pretrained

STATE = "state.json"
ADAPTER = "adapter"
PRECISION = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Done:
    """A stage that was trained to its end.

    Attributes:
        stage: its name.
        steps: how many it took; fewer than planned where it was ended early.
        weights: the folder with its weights, relative to the run's.
        host: names of the host's parameters that it or a stage before it trained.
    """

    stage: str
    steps: int
    weights: str
    host: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A training run, finished or not.

    The folder has recipe.json (the plan), adapter/ (once finished; `PeftModel.from_pretrained`
    loads it), checkpoints/, log.jsonl, events/ (TensorBoard), bad_rows.jsonl, made_on.jsonl (the
    machine, a line a start) and state.json.
    """

    folder: Path
    plan: Plan = field(repr=False)

    @classmethod
    def read(cls, folder: str | Path) -> "Run":
        """The run in a folder. Raises ValueError if there is none."""
        folder = Path(folder)
        if not (folder / FILE).is_file():
            raise ValueError(
                f"{folder} is no run: it has no {FILE}; coterie.train(out=...) makes one"
            )
        return cls(folder, Plan.read(folder))

    @property
    def finished(self) -> bool:
        """Whether the last stage is done and adapter/ is there."""
        return (self.folder / ADAPTER).is_dir()

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names, in the order of task ids."""
        return self.plan.names

    def load(self, *, device: str | torch.device | None = None) -> "Pretrained":
        """The base model with the trained mixture in it, in eval mode, and its processor.

        Of a run on pictures, `MultiTaskVision`, and the `PictureCollator` of its batches.

        Raises ValueError if the run is not finished.
        """
        from peft import PeftModel

        from coterie.pretrained import Pretrained
        from coterie.quiet import quiet
        from coterie.train import assembly

        if not self.finished:
            raise ValueError(
                f"{self.folder} is not finished: go on with coterie.train(..., resume=True), or "
                "`coterie train --resume`"
            )
        with quiet():
            base = assembly.lesson(self.plan).load()
            host, adapter = base.model, str(self.folder / ADAPTER)
            model = PeftModel.from_pretrained(host, adapter).to(device or "cpu")  # pyright: ignore[reportArgumentType]
        return Pretrained(model.eval(), base.processor, str(self.folder))

    def left_out(self) -> tuple[BadRow, ...]:
        """The rows in bad_rows.jsonl: what `skip_bad_rows` has left out, and why."""
        return left_out.read(self.folder / left_out.FILE)

    def log(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl."""
        from coterie.train import journal

        return journal.read(self.folder)

    def done(self) -> list[Done]:
        """The stages that are done, in their order."""
        path = self.folder / STATE
        if not path.is_file():
            return []
        stages = json.loads(path.read_text(encoding="utf-8"))["stages"]
        return [Done(**{**each, "host": tuple(each["host"])}) for each in stages]

    def add(self, done: Done) -> None:
        """Notes in state.json that a stage is done."""
        stages = [{**vars(each), "host": list(each.host)} for each in (*self.done(), done)]
        write(self.folder / STATE, json.dumps({"stages": stages}, indent=1))
