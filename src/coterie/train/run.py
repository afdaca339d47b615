"""`Run`: the folder of a training run, and what is in it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from coterie.data.dataset import BadRow
from coterie.io import write
from coterie.recipe import RECIPE_FILE
from coterie.train import bad_rows
from coterie.train.config import RunConfig

if TYPE_CHECKING:
    from coterie.models.loading import LoadedModel

PROGRESS_FILE = "state.json"
ADAPTER_FOLDER = "adapter"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class FinishedStage:
    """A stage that was trained to its end.

    Attributes:
        stage: its name.
        steps: how many it took; fewer than planned where it was ended early.
        weights: the folder with its weights, relative to the run's.
        host: names of the host's parameters that it or a stage before it trained.
    """

    stage: str
    steps: int
    weights_folder: str
    base_parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A training run, finished or not.

    The folder has recipe.json (the plan), adapter/ (once finished; `PeftModel.from_pretrained`
    loads it), checkpoints/, log.jsonl, events/ (TensorBoard), bad_rows.jsonl, made_on.jsonl (the
    machine, a line a start) and state.json.
    """

    folder: Path
    config: RunConfig = field(repr=False)

    @classmethod
    def read(cls, folder: str | Path) -> "Run":
        """The run in a folder. Raises ValueError if there is none."""
        folder = Path(folder)
        if not (folder / RECIPE_FILE).is_file():
            raise ValueError(
                f"{folder} is no run: it has no {RECIPE_FILE}; coterie.train(out=...) makes one"
            )
        return cls(folder, RunConfig.read(folder))

    @property
    def is_finished(self) -> bool:
        """Whether the last stage is done and adapter/ is there."""
        return (self.folder / ADAPTER_FOLDER).is_dir()

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names, in the order of task ids."""
        return self.config.task_names

    def load(self, *, device: str | torch.device | None = None) -> "LoadedModel":
        """The base model with the trained mixture in it, in eval mode, and its processor.

        Of a run on pictures, `MultiTaskVision`, and the `PictureCollator` of its batches.

        Raises ValueError if the run is not finished.
        """
        from peft import PeftModel

        from coterie.models.loading import LoadedModel
        from coterie.third_party_warnings import suppress_third_party_warnings
        from coterie.train import stage_setup

        if not self.is_finished:
            raise ValueError(
                f"{self.folder} is not finished: go on with coterie.train(..., resume=True), or "
                "`coterie train --resume`"
            )
        with suppress_third_party_warnings():
            base = stage_setup.make_task_set(self.config).load_model()
            host, adapter = base.model, str(self.folder / ADAPTER_FOLDER)
            model = PeftModel.from_pretrained(host, adapter).to(device or "cpu")  # pyright: ignore[reportArgumentType]
        return LoadedModel(model.eval(), base.processor, str(self.folder))

    def read_bad_rows(self) -> tuple[BadRow, ...]:
        """The rows in bad_rows.jsonl: what `skip_bad_rows` has left out, and why."""
        return bad_rows.read_bad_rows(self.folder / bad_rows.BAD_ROWS_FILE)

    def read_log(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl."""
        from coterie.train import metric_log

        return metric_log.read_log(self.folder)

    def list_finished_stages(self) -> list[FinishedStage]:
        """The stages that are done, in their order."""
        path = self.folder / PROGRESS_FILE
        if not path.is_file():
            return []
        stages = json.loads(path.read_text(encoding="utf-8"))["stages"]
        return [
            FinishedStage(**{**each, "base_parameters": tuple(each["base_parameters"])})
            for each in stages
        ]

    def add_finished_stage(self, done: FinishedStage) -> None:
        """Notes in progress.json that a stage is done."""
        stages = [
            {**vars(each), "base_parameters": list(each.base_parameters)}
            for each in (*self.list_finished_stages(), done)
        ]
        write(self.folder / PROGRESS_FILE, json.dumps({"stages": stages}, indent=1))
