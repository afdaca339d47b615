"""`study`: compare ways to train one base model on several tasks, from rows to a report."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Unpack

import torch

from coterie import distributed
from coterie.devices import choose_device, choose_precision
from coterie.diagnose import diagnose
from coterie.evaluate import compare, evaluate
from coterie.evaluate.table import Table
from coterie.recipe import Recipe
from coterie.report import report, summarize
from coterie.study.cost import StudyCost, measure_cost
from coterie.study.folder import StudyFolder
from coterie.study.parts import Pace, Part
from coterie.study.plan import PlannedRun, StudyPlan
from coterie.study.systems import ALONE, choose_systems, load_base
from coterie.task_file import find_tasks
from coterie.tasks.task_set import TaskSet
from coterie.train import Run, train_from_config
from coterie.train.check import list_overlaps
from coterie.train.header import describe_finished
from coterie.train.run import make_absolute_base
from coterie.train.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """The end of a study: its sentence, the table of all systems, and the report's file."""

    headline: str
    table: Table = field(repr=False)
    report: Path


def study(
    base: str | Path,
    tasks: TaskSet | str | Path,
    *,
    out: str | Path,
    recipes: Sequence[Recipe | str | Path] | None = None,
    seeds: Sequence[int] = (0,),
    limit: int | None = None,
    device: str | torch.device | None = None,
    **settings: Unpack[TrainSettings],
) -> StudyResult:
    """Diagnose, train, score, compare and report in one call, which can be stopped and repeated.

    It trains one LoRA for all tasks, one for each task, and mixtures, each of as many trainable
    parameters as the first mixture where that can be, all for the same steps on the same rows. All
    are scored; so are the untrained model and, where rows have pictures or sounds, each model
    without them. The conflict between the tasks is measured before training, and afterwards in the
    shared LoRA and the first mixture; delta_m is relative to the models of one task. Results that
    are in `out` are used again.

    Args:
        base, tasks: as in `coterie.train`; two tasks or more.
        out: the folder of all runs, tables and the report.
        recipes: mixtures, by name, file or value; "remedies" for all those of
            `coterie.study.remedies`, as large as a LoRA of rank 32; None for the recommended one:
            moelora, or mod_squad for dense tasks.
        seeds: each system is trained with each.
        limit: rows a task that are scored; None for all.
        device: see `coterie.devices.choose_device`.
        settings: as in `coterie.train`; they hold for all systems. Without `steps`, they are those
            of the first mixture.

    Raises ValueError for one task alone, a folder with another study, and as `coterie.train` does.
    """
    return plan_study(
        base, tasks, out=out, recipes=recipes, seeds=seeds, limit=limit, device=device,
        settings=settings,
    ).run()  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Study:
    """A planned study, whose parts are done in order.

    Attributes:
        limit: rows a task that are scored; None for all.
        diagnosis: arguments of `coterie.diagnose`.
        prepare: called with the configurations of all runs before the trainings, and returns what
            is to be said of it; None for nothing.
        tolerates_unequal: whether systems may differ in size, which is said then.
        title, command: of the report.
        report_progress: receives lines.
    """

    plan: StudyPlan
    device: torch.device
    limit: int | None = None
    diagnosis: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[..., str] | None = None
    tolerates_unequal: bool = True
    title: str | None = None
    command: str | None = None
    report_progress: Callable[[str], object] = print

    @cached_property
    def folder(self) -> StudyFolder:
        """The folder, which holds this study and no other."""
        return StudyFolder.open(self.plan)

    def run(self) -> StudyResult:
        """Do what is left, and report all. Raises ValueError for a folder with another study."""
        self.announce()
        parts, pace = self.make_parts(), Pace()
        for number, part in enumerate(parts):
            self.report_progress(f"[{number + 1}/{len(parts)}] {part.name}")
            was_done, start = part.is_done(), time.monotonic()
            said = part.work()
            if not was_done:
                pace.add(part.kind, part.units, time.monotonic() - start)
            left = pace.describe([each for each in parts[number + 1 :] if not each.is_done()])
            took = "done before" if was_done else f"{time.monotonic() - start:.0f} s"
            self.report_progress("   " + "; ".join(each for each in (took, said, left) if each))
        groups, file = self.groups, self.folder.report_file
        return StudyResult(headline=summarize(groups), table=compare_all(groups), report=file)

    def announce(self) -> None:
        """Say what will be done, how large the systems are, and a guess of the time.

        Raises ValueError for what could only fail later: rows, splits, and unequal sizes if these
        are not tolerated.
        """
        self.plan.check()
        for line in self.plan.describe():
            self.report_progress(line)
        cost = self.measure()
        self.report_progress(cost.describe_sizes())
        if cost.is_unequal and not self.tolerates_unequal:
            raise ValueError(f"systems of equal size are compared: {cost.describe_sizes()}")
        steps = sum(each.steps for each in self.plan.runs if not each.is_finished)
        self.report_progress(cost.describe_time(steps))
        for notice in list_overlaps(self.plan.tasks):
            self.report_progress(f"note: {notice}")

    def measure(self) -> StudyCost:
        """Return the cost that was measured before, or measure it."""
        configs = {each.system: each.config for each in reversed(self.plan.runs)}
        ordered = {name: configs[name] for name in self.plan.systems}
        known = self.folder.read_cost()
        if known is None or set(known.parameters) != set(ordered):
            known = measure_cost(ordered, self.device)
            self.folder.write_cost(known)
        return known

    def make_parts(self) -> list[Part]:
        """Return all parts, in order."""
        file, plan, runs = self.folder.conflict_file, self.plan, self.plan.runs
        parts = [Part(kind="diagnose", name="diagnose: do the tasks pull in different directions?",
                      work=partial(self.diagnose, file, plan.base, plan.tasks),
                      is_done=file.is_file)]  # fmt: skip
        if self.prepare is not None:
            work = partial(self.prepare, *(run.config for run in runs))
            done = all(run.is_finished for run in runs)
            parts.append(Part(kind="prepare", name="run the frozen layers once over the rows",
                              work=work, is_done=lambda: done))  # fmt: skip
        for run in runs:
            work = partial(self.train, run)
            parts.append(Part(kind="train", name=f"train {run.name}", units=run.steps, work=work,
                              is_done=lambda run=run: run.is_finished))  # fmt: skip
        parts += [self.make_evaluation(runs[0], "untrained")]  # before training all are one model
        for run in runs:
            parts.append(self.make_evaluation(run))
            if plan.has_media and run.system != ALONE:
                parts.append(self.make_evaluation(run, "blind"))
        # The shared adapter and the first mixture.
        for system in [name for name in plan.systems if name != ALONE][:2]:
            run = next(each for each in runs if each.system == system)
            file = run.directory.conflict_file
            parts.append(Part(kind="diagnose", name=f"diagnose {run.name}: is the conflict gone?",
                              work=partial(self.diagnose, file, run.folder),
                              is_done=file.is_file))  # fmt: skip
        parts.append(Part(kind="report", name="compare and report", work=self.report,
                          is_done=lambda: False))  # fmt: skip
        return parts

    def make_evaluation(self, run: PlannedRun, control: str = "") -> Part:
        """Return the part that scores a run, or a control of it."""
        return Part(
            kind="evaluate",
            name=f"evaluate {run.name} {control}".rstrip(),
            units=len(run.config.task_names),
            work=partial(self.evaluate, run, control),
            is_done=run.directory.scores_file(control).is_file,
        )

    def diagnose(self, file: Path, *subject: Any) -> str:
        """Measure the conflict in a base model with tasks, or in a run, unless it was measured."""
        if file.is_file():
            return str(file)
        conflict = diagnose(*subject, device=self.device, **self.diagnosis)
        conflict.save(file)
        return conflict.summary

    def train(self, run: PlannedRun) -> str:
        """Train a run to its end; an interrupted one is resumed."""
        resume = run.directory.is_started
        done = train_from_config(run.config, out=run.folder, resume=resume, device=self.device)
        return describe_finished(done)

    def evaluate(self, run: PlannedRun, control: str = "") -> str:
        """Score a run or a control; predictions that are up to date are used again."""
        scores = evaluate(
            run.folder, limit=self.limit, blind=control == "blind",
            untrained=control == "untrained", device=self.device,
        )  # fmt: skip
        found = scores.tasks.items()
        return ", ".join(f"{name} {each.score:.3g} {each.unit}".rstrip() for name, each in found)

    def report(self) -> str:
        """Compare all systems, and write the tables and the report."""
        groups = self.groups
        table = compare_all(groups)
        table.save(self.folder.table_file)
        table.save(self.folder.table_file.with_suffix(".md"))
        report(
            groups, out=self.folder.report_file, title=self.title, command=self.command,
            conflict=self.folder.conflict_file,
        )  # fmt: skip
        return ""

    @property
    def groups(self) -> dict[str, list[Run]]:
        """System -> its runs."""
        runs = [(run.system, Run.read(run.folder)) for run in self.plan.runs]
        return {name: [run for system, run in runs if system == name] for name in self.plan.systems}


def compare_all(groups: Mapping[str, Sequence[Run]]) -> Table:
    """Compare systems with a model for each task, where there are some, else with the first."""
    return compare(groups, baseline=groups.get(ALONE, next(iter(groups.values()))))


def plan_study(
    base: str | Path,
    tasks: TaskSet | str | Path,
    *,
    recipes: Sequence[Recipe | str | Path] | None = None,
    out: str | Path,
    seeds: Sequence[int] = (0,),
    device: str | torch.device | None = None,
    settings: Mapping[str, Any],
    **options: Any,
) -> Study:
    """Plan what `study` does; `options` are fields of `Study`."""
    if distributed.get_world_size() > 1:
        raise ValueError(
            "a study runs in one process: start it without torchrun; single runs train and are "
            "evaluated in several"
        )
    found, chosen = find_tasks(tasks), choose_device(device)
    named, given = make_absolute_base(base), {"precision": choose_precision(chosen), **settings}
    systems = choose_systems(recipes, found, partial(load_base, named, found, given, chosen))
    plan = StudyPlan(
        base=named, tasks=found, out=Path(out), seeds=tuple(seeds), systems=systems, settings=given
    )
    return Study(plan=plan, device=chosen, **options)
