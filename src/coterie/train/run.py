"""`Run`: the folder of a training run, its configuration and its trained model."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from coterie.data.dataset import BadRow
from coterie.data.sample_check import SampleCheck
from coterie.devices import choose_device
from coterie.io import write
from coterie.models.loading import LoadedModel
from coterie.models.quantization import is_quantized
from coterie.tasks.task_set import TaskSet
from coterie.third_party_warnings import suppress_third_party_warnings
from coterie.train import adapter_weights
from coterie.train.checksums import check_undamaged
from coterie.train.config import RunConfig
from coterie.train.inputs import check_base, check_config_file
from coterie.train.run_directory import RunDirectory
from coterie.train.run_entries import check_entries
from coterie.tuner.config import CoterieConfig


@dataclass(frozen=True)
class Run:
    """A training run, finished or not; `config`, as run.json holds it, is all it depends on.

    Attributes:
        to: the folder of its evaluation, if that is not to be written into the run's.
    """

    folder: Path
    config: RunConfig = field(repr=False)
    to: Path | None = field(default=None, repr=False)

    @classmethod
    def read(
        cls,
        folder: str | Path,
        *,
        base: str | Path | None = None,
        tasks: TaskSet | None = None,
        to: str | Path | None = None,
    ) -> "Run":
        """Open the run in a folder.

        Args:
            folder: the run's.
            base: the base model, where it lies now; None for where it was in training.
            tasks: the tasks, as `coterie.read_tasks` returns them, where their rows are now; None
                for where they were. Settings such as image size stay the run's.
            to: a folder for what `coterie.evaluate` writes; None for the run's own. It becomes a
                folder that `coterie.compare` and `coterie.report` take.

        Raises ValueError if there is no run, it is damaged, or the tasks have other names.
        """
        directory = RunDirectory(Path(folder))
        if not directory.is_run:
            raise ValueError(
                f"{folder} is not a run: it has no {directory.config_file.name}; give the folder "
                "that training wrote (--out of `coterie train`, out of coterie.train)"
            )
        check_entries(directory.folder)
        config = RunConfig.read(directory.config_file)
        check_config_file(directory)
        if base is not None:
            config = replace(config, base=make_absolute_base(base))
        if tasks is not None:
            config = replace(config, tasks=_replace_tasks(config.tasks, tasks))
        return cls(directory.folder, config, None if to is None else Path(to).expanduser())

    @property
    def directory(self) -> RunDirectory:
        """The names and formats of the files in the folder."""
        return RunDirectory(self.folder)

    @property
    def results(self) -> RunDirectory:
        """The folder that evaluations are written into."""
        return self.directory if self.to is None else RunDirectory(self.to)

    @property
    def is_finished(self) -> bool:
        """Whether the last stage is finished."""
        return self.directory.is_finished

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names, in the order of task ids."""
        return self.config.task_names

    def check_finished(self) -> None:
        """Raise ValueError unless the run is finished."""
        if not self.is_finished:
            raise ValueError(f"{self.folder} is not finished: {self.directory.resumption}")

    def check_undamaged(self) -> None:
        """Raise ValueError if the adapter's files are not as they were written."""
        check_undamaged(self.directory.adapter_folder, self.directory.resumption)

    def check_adapter(self) -> None:
        """Raise ValueError unless the run is finished and its weights are as they were written."""
        self.check_finished()
        adapter_weights.check_tensors(self.directory.adapter_folder)
        self.check_undamaged()

    def load(self, *, device: str | torch.device | None = None) -> LoadedModel:
        """Load the base model with the trained mixture in it, in eval mode, and its processor.

        For a dense run, a `MultiTaskVisionModel` and the `DenseCollator` of its batches.

        Args:
            device: see `coterie.devices.choose_device`; None for an accelerator where there is one.

        Raises ValueError if the run is not finished, or the device is not on this machine.
        """
        self.check_finished()
        chosen, adapter = choose_device(device), self.directory.adapter_folder
        adapter_weights.check_tensors(adapter)
        with suppress_third_party_warnings():
            config = CoterieConfig.from_pretrained(adapter)
            base = self.load_base(chosen)
            with adapter_weights.explain_misfit(adapter):
                model: Any = PeftModel.from_pretrained(base.model, str(adapter), config=config)
        adapter_weights.check_names(model, adapter)
        self.check_undamaged()
        if not is_quantized(base.model):  # else it lies there already, and may not be moved
            model = model.to(chosen)
        return LoadedModel(model.eval(), base.processor, str(self.folder))

    def load_base(self, device: str | torch.device | None = None) -> LoadedModel:
        """Load the base model. Raises ValueError if it is not where it was in training."""
        base = self.config.base
        if Path(base).is_absolute() and not Path(base).exists():
            raise ValueError(
                f"{self.folder} was trained on the base model {base}, which is not there: if it "
                "was moved, give its folder, --base or Run.read(folder, base=...)"
            )
        check_base(self.directory, self.config)
        return self.config.load_base(device)

    def check_rows(self, split: str) -> None:
        """Raise ValueError if the rows of a split are not where they were in training."""
        if missing := self.config.tasks.find_missing_rows(split):
            raise ValueError(
                f"the tasks of {self.folder} have their rows in {missing}, which is not there: if "
                "it was moved, give the tasks' file, --tasks or Run.read(folder, tasks=...)"
            )

    def load_evaluation_check(self) -> SampleCheck | None:
        """Load what checks evaluation samples by the model's processor, without its weights.

        None if the base is gone: then only stored predictions can be scored.
        """
        try:
            return replace(self.config, max_length=None, packing=False).load_sample_check()
        except ValueError:
            return None

    def read_bad_rows(self) -> tuple[BadRow, ...]:
        """Read the rows that training skipped because of `skip_bad_rows`, and why."""
        return self.directory.read_bad_rows()

    def read_log(self) -> list[dict[str, Any]]:
        """Read the records of the log."""
        return self.directory.read_log()


def make_absolute_base(base: str | Path) -> str:
    """Return a folder by its absolute path, so that the configuration is valid everywhere."""
    if not isinstance(base, str | Path):
        raise ValueError(describe_loaded_base(base))
    path = Path(base).expanduser()
    return str(path.absolute()) if path.is_dir() else str(base)


def describe_loaded_base(base: Any) -> str:
    """Say why a loaded model is no base of a run, and what to give instead."""
    config = getattr(base, "config", None)  # a transformers model has one, other objects may not
    source = getattr(config, "_name_or_path", "") or "its folder or hub id"
    return (
        f"base is a {type(base).__name__}, and a run stores where its base model is, so that it "
        f"can be loaded again: give {source}, or save the model to a folder by save_pretrained "
        "and give that; to train a loaded model in your own loop, use coterie.graft"
    )


def _replace_tasks(trained: TaskSet, given: TaskSet) -> TaskSet:
    """Return the given tasks in place of a run's, in its order and with its settings."""
    if set(trained.names) <= set(given.names) and trained.names != given.names:
        given = given.select(trained.names)
    if given.names != trained.names:
        raise ValueError(
            f"tasks={', '.join(given.names)}: the run was trained on {', '.join(trained.names)}; "
            "give the same tasks, with their rows where they are now"
        )
    return given.with_settings_of(trained)


def copy_run_files(run: Run) -> None:
    """Copy what comparisons and the report read of a run beside its scores to `run.results`.

    Raises ValueError if another run is there.
    """
    source, target = run.directory, run.results
    if target.folder.absolute() == source.folder.absolute():
        return
    config = run.config.dumps()
    if target.is_run and RunConfig.read(target.config_file) != run.config:
        raise ValueError(f"{target.folder} has another run or its scores: give another folder")
    if not target.is_run and target.has_other_files:
        raise ValueError(f"{target.folder} is not empty: give a new folder")
    write(target.config_file, config)
    pairs = ((source.log_file, target.log_file), (source.environment_file, target.environment_file))
    for old, new in pairs:
        if old.is_file():
            write(new, old.read_text(encoding="utf-8"))
