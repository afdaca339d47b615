"""`StudyFolder`: the files of a study beside its runs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coterie import serialization
from coterie.io import explain_write_errors, write_json
from coterie.study.cost import StudyCost
from coterie.study.plan import StudyPlan
from coterie.train.run_directory import RunDirectory


@dataclass(frozen=True)
class StudyFolder:
    """The folder of a study, which is created for it."""

    folder: Path

    @classmethod
    def open(cls, plan: StudyPlan) -> "StudyFolder":
        """Create the folder. Raises ValueError if it holds another base's or other tasks' study."""
        found = cls(plan.out)
        if not found.facts_file.is_file():
            if plan.out.is_file() or (plan.out.is_dir() and any(plan.out.iterdir())):
                raise ValueError(
                    f"{plan.out} exists and holds no study: give the folder of one, or a new one"
                )
            with explain_write_errors(plan.out):
                plan.out.mkdir(parents=True, exist_ok=True)
            facts = {"base": plan.base, "tasks": serialization.dump(plan.tasks)}
            write_json(found.facts_file, facts)
        facts = found.read_facts()
        saved = {"base": facts.get("base"), "tasks": serialization.load(facts.get("tasks"))}
        for name, value in saved.items():
            if value != getattr(plan, name):
                raise ValueError(
                    f"{plan.out} holds a study with other {name} ({found.facts_file.name} has "
                    "them): give another folder, or repeat the command that began it"
                )
        return found

    @property
    def facts_file(self) -> Path:
        """The base, the tasks and the measured cost."""
        return self.folder / "study.json"

    @property
    def conflict_file(self) -> Path:
        """The conflict between the tasks before training."""
        return RunDirectory(self.folder).conflict_file

    @property
    def table_file(self) -> Path:
        """The table of all systems as JSON; beside it as markdown."""
        return self.folder / "table.json"

    @property
    def report_file(self) -> Path:
        """The report."""
        return self.folder / "report.html"

    def read_facts(self) -> dict[str, Any]:
        """Read what study.json holds. Raises ValueError if it is damaged."""
        try:
            facts = json.loads(self.facts_file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{self.facts_file} is damaged ({error}): remove it") from error
        if not isinstance(facts, dict):
            raise ValueError(f"{self.facts_file} is damaged: remove it")
        return facts

    def read_cost(self) -> StudyCost | None:
        """Read the cost that was measured before; None if it was not."""
        cost = self.read_facts().get("cost")
        return StudyCost(**cost) if isinstance(cost, dict) else None

    def write_cost(self, cost: StudyCost) -> None:
        """Add the cost to study.json."""
        write_json(self.facts_file, self.read_facts() | {"cost": vars(cost)})
