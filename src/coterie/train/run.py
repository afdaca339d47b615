"""`Run`: the folder of a training run, its configuration and its trained model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from coterie.data.dataset import BadRow
from coterie.devices import choose_device
from coterie.models.loading import LoadedModel
from coterie.models.quantization import is_quantized
from coterie.third_party_warnings import suppress_third_party_warnings
from coterie.train import adapter_weights
from coterie.train.config import RunConfig
from coterie.train.run_directory import RunDirectory
from coterie.train.run_entries import check_entries
from coterie.tuner.config import CoterieConfig


@dataclass(frozen=True)
class Run:
    """A training run, finished or not; `config`, as run.json holds it, is all it depends on."""

    folder: Path
    config: RunConfig = field(repr=False)

    @classmethod
    def read(cls, folder: str | Path) -> "Run":
        """Open the run in a folder. Raises ValueError if there is none, or it is damaged."""
        directory = RunDirectory(Path(folder))
        if not directory.is_run:
            raise ValueError(
                f"{folder} is not a run: it has no {directory.config_file.name}; "
                "coterie.train(out=...) writes one"
            )
        check_entries(directory.folder)
        return cls(directory.folder, RunConfig.read(directory.config_file))

    @property
    def directory(self) -> RunDirectory:
        """The names and formats of the files in the folder."""
        return RunDirectory(self.folder)

    @property
    def is_finished(self) -> bool:
        """Whether the last stage is finished."""
        return self.directory.is_finished

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names, in the order of task ids."""
        return self.config.task_names

    def load(self, *, device: str | torch.device | None = None) -> LoadedModel:
        """Load the base model with the trained mixture in it, in eval mode, and its processor.

        For a dense run, a `MultiTaskVisionModel` and the `DenseCollator` of its batches.

        Args:
            device: see `coterie.devices.choose_device`; None for an accelerator where there is one.

        Raises ValueError if the run is not finished, or the device is not on this machine.
        """
        if not self.is_finished:
            raise ValueError(
                f"{self.folder} is not finished: go on with coterie.train(..., resume=True), or "
                "`coterie train --resume`"
            )
        chosen, adapter = choose_device(device), self.directory.adapter_folder
        adapter_weights.check_tensors(adapter)
        with suppress_third_party_warnings():
            config = CoterieConfig.from_pretrained(adapter)
            base = self.config.load_base(chosen)
            with adapter_weights.explain_misfit(adapter):
                model: Any = PeftModel.from_pretrained(base.model, str(adapter), config=config)
        adapter_weights.check_names(model, adapter)
        if not is_quantized(base.model):  # else it lies there already, and may not be moved
            model = model.to(chosen)
        return LoadedModel(model.eval(), base.processor, str(self.folder))

    def read_bad_rows(self) -> tuple[BadRow, ...]:
        """Read the rows that training skipped because of `skip_bad_rows`, and why."""
        return self.directory.read_bad_rows()

    def read_log(self) -> list[dict[str, Any]]:
        """Read the records of the log."""
        return self.directory.read_log()
