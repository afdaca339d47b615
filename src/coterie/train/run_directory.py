"""`RunDirectory`: every file name of a run's folder, and methods that read its formats."""

import json
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from coterie.data.dataset import BadRow
from coterie.file_names import check_file_name
from coterie.io import PARTIAL, read_json_lines, write
from coterie.train.controls import CONTROLS, WITHOUT
from coterie.train.run_entries import check_entries


class MissingFile(NamedTuple):
    """A file of a run that is missing or damaged: a sentence, and the command that writes it."""

    message: str
    command: str = ""


class _RunPath:
    """The path of a file or folder that has the same name in every `RunDirectory`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, run: "RunDirectory", kind: type) -> Path:
        return run.folder / self.name


@dataclass(frozen=True)
class RunDirectory:
    """The folder of a run. Attributes and methods named *_file and *_folder are paths.

    No other source file contains a file name of the folder. Paths are created when written.

    Attributes:
        folder: the run's folder; it need not exist.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder).expanduser())

    config_file = _RunPath("run.json")
    """The `RunConfig`, complete: `coterie train RUN/run.json` repeats the run."""
    adapter_folder = _RunPath("adapter")
    """The trained adapter; exists once the last stage is finished."""
    log_file = _RunPath("log.jsonl")
    """Losses and rates, a JSON line every `log_every` steps."""
    environment_file = _RunPath("environment.jsonl")
    """Machine, device and versions, a JSON line for each start."""
    progress_file = _RunPath("progress.json")
    """The finished stages, with a checksum."""
    inputs_file = _RunPath("inputs.json")
    """Digests of the rows and of the base model that training started with."""
    expert_usage_file = _RunPath("routing.json")
    """Which experts each task uses, by layer; `coterie evaluate` writes it."""
    composition_file = _RunPath("composition.json")
    """The runs that a run was composed of, their weights, and where each tensor is from."""
    conflict_file = _RunPath("conflict.json")
    """The conflict between tasks after training, as `coterie diagnose` measures it."""

    _checkpoints = _RunPath("checkpoints")

    def checkpoints_folder(self, number: int, stage: str) -> Path:
        """Return the folder of a stage's checkpoints; `number` counts from 0."""
        return self._checkpoints / f"{number + 1}-{_check_name(stage, 'stage')}"

    def stage_adapter_folder(self, stage: str) -> Path:
        """Return the folder of the adapter of a finished stage with mixtures of its own."""
        return self.folder / "stages" / _check_name(stage, "stage")

    def events_folder(self, stage: str) -> Path:
        """Return the folder of a stage's TensorBoard events."""
        return self.folder / "events" / _check_name(stage, "stage")

    def lock_file(self, work: str) -> Path:
        """Return the file that a process locks while it trains or evaluates the run."""
        return self.folder / f".{work}.lock"

    def bad_rows_file(self, split: str = "") -> Path:
        """Return the list of the rows that training skipped, or with a split its evaluation."""
        name = f"bad_rows.{_check_name(split, 'split')}.jsonl" if split else "bad_rows.jsonl"
        return self.folder / name

    def scores_file(self, control: str = "") -> Path:
        """Return the file of the last evaluation's scores, or of a control's."""
        return self.folder / (f"scores.{control}.json" if control else "scores.json")

    def list_controls(self) -> list[str]:
        """List the controls that there are scores of: `CONTROLS`, then those of sensors."""
        found = [control for control in CONTROLS if self.scores_file(control).is_file()]
        sensors = self.folder.glob(f"scores.{WITHOUT}*.json")
        return found + sorted(each.name[len("scores.") : -len(".json")] for each in sensors)

    def predictions_folder(self, split: str, control: str = "") -> Path:
        """Return the folder of the predictions on a split, a file for each task."""
        name = f"predictions-{control}" if control else "predictions"
        return self.folder / name / _check_name(split, "split")

    def predictions_file(self, split: str, task: str, control: str = "") -> Path:
        """Return the file of a task's predictions. Raises ValueError for a path as a name."""
        return self.predictions_folder(split, control) / f"{_check_name(task, 'task')}.jsonl"

    def predictions_cache_file(self, split: str, task: str, control: str = "") -> Path:
        """Return the file of a task's prediction cache: the key, and what was measured."""
        return self.predictions_folder(split, control) / f"{_check_name(task, 'task')}.meta.json"

    def cost_cache_file(self, split: str, control: str = "") -> Path:
        """Return the file of the cached cost, with its key."""
        return self.predictions_folder(split, control) / ".cost.json"

    def examples_file(self, split: str) -> Path:
        """Return the index of the example images of dense tasks' predictions, in its folder."""
        return self.predictions_folder(split) / "examples" / "examples.json"

    def routing_trace_file(self, split: str, task: str) -> Path:
        """Return the file of what the gates decided for each token of a task's first sample."""
        return self.predictions_folder(split) / f"{_check_name(task, 'task')}.routing.json"

    @property
    def is_run(self) -> bool:
        """Whether the folder is a run's: it has a configuration."""
        return self.config_file.is_file()

    @property
    def is_started(self) -> bool:
        """Whether training took a step: a log, a checkpoint, a finished stage or an adapter."""
        files = (self.adapter_folder, self.progress_file, self.log_file)
        return any(each.exists() for each in files) or any(self._checkpoints.glob("*/*-[0-9]*"))

    @property
    def is_composed(self) -> bool:
        """Whether `coterie.compose` wrote the run, which has no training to go on with."""
        return self.composition_file.is_file()

    @property
    def resumption(self) -> str:
        """What ends a run that has no weights, for messages."""
        if self.is_composed:
            return f"remove {self.folder}, and compose its runs again"
        return f"go on with `coterie train {shlex.quote(str(self.folder))} --resume`"

    @property
    def has_other_files(self) -> bool:
        """Whether the folder has anything but locks and what an interruption left unfinished."""
        if not self.folder.is_dir():
            return False
        ours = (PARTIAL, ".lock", ".lock.json")
        return any(not each.name.endswith(ours) for each in self.folder.iterdir())

    def list_results(self) -> list[Path]:
        """List the files of scores and measurements of the trained weights."""
        scores = [self.scores_file(), self.scores_file("blind")]
        return [*scores, self.expert_usage_file, self.conflict_file]

    @property
    def is_finished(self) -> bool:
        """Whether the last stage is finished."""
        return self.adapter_folder.is_dir()

    def check(self) -> None:
        """Raise ValueError unless the folder has a run's configuration, log or scores."""
        files = (self.config_file, self.log_file, self.scores_file())
        if not any(each.is_file() for each in files):
            names = ", ".join(each.name for each in files)
            raise ValueError(
                f"{self.folder} is not a run's folder: it has none of {names}; give the folder "
                "that `coterie train` wrote"
            )
        check_entries(self.folder)

    def write_bad_rows(self, bad: Iterable[BadRow], split: str = "") -> int:
        """Write skipped rows, each once, and return their number; remove the file for none."""
        file, once = self.bad_rows_file(split), dict.fromkeys(bad)
        if once:
            write(file, "\n".join(json.dumps(vars(row)) for row in once))
        else:
            file.unlink(missing_ok=True)
        return len(once)

    def read_bad_rows(self) -> tuple[BadRow, ...]:
        """Read the rows that training skipped; empty if there is no file.

        Raises ValueError, naming file and line, if it is damaged.
        """
        file = self.bad_rows_file()
        lines = file.read_bytes().removesuffix(b"\n").split(b"\n") if file.is_file() else []
        rows = []
        for number, line in enumerate(lines, 1):
            try:
                rows.append(BadRow(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise ValueError(f"{file}:{number} is damaged ({error}): remove the line") from None
        return tuple(rows)

    def describe_bad_rows(self) -> str:
        """Return how many rows training skipped and the file that lists them; empty for none."""
        count = len(self.read_bad_rows())
        many = f"{count} bad row{'s' if count > 1 else ''}"
        return f"left out {many}, named in {self.bad_rows_file()}" if count else ""

    def read_log(self) -> list[dict[str, Any]]:
        """Read the records of the log; an incomplete one is skipped."""
        return read_json_lines(self.log_file)

    def read_environments(self) -> list[dict[str, Any]]:
        """Read the machine, device and versions of each start of the run."""
        return read_json_lines(self.environment_file)

    def try_read_json(self, file: Path) -> Any:
        """Read a JSON file of the run; None if it is missing or damaged, see `explain`."""
        with suppress(OSError, ValueError, RecursionError):
            return json.loads(file.read_text(encoding="utf-8"))

    def try_read_mapping(self, file: Path) -> Mapping[str, Any]:
        """Read a JSON object; empty if the file is missing, damaged or holds something else."""
        data = self.try_read_json(file)
        return data if isinstance(data, Mapping) else {}

    def try_read_predictions(self, split: str, task: str) -> list[dict[str, Any]]:
        """Read a task's rows of predictions; none if its name has path separators."""
        with suppress(ValueError):
            return read_json_lines(self.predictions_file(split, task))
        return []

    def explain(self, file: Path, what: str) -> MissingFile:
        """Return the reason why `what` is missing, and the command that writes its file."""
        state = "cannot be read" if file.is_file() else "is not there"
        name = file.relative_to(self.folder).as_posix()
        run, config = shlex.quote(str(self.folder)), shlex.quote(str(self.config_file))
        again = shlex.quote(f"{self.folder}-again")
        flags = [flag for name, flag in CONTROLS.items() if file == self.scores_file(name)]
        commands = {
            self.config_file: "",
            self.composition_file: "",
            self.log_file: f"coterie train {config} --out {again}",
            self.conflict_file: f"coterie diagnose {run} --to {shlex.quote(str(file))}",
        }
        command = commands.get(file, " ".join(["coterie evaluate", run, *flags]))
        return MissingFile(f"{what}: {name} of {self.folder.name} {state}", command)


def _check_name(name: str, what: str) -> str:
    check_file_name(name, what, kind=what)
    return name
