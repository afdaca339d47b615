"""`CompatibilityReport`: what of an adapter or checkpoint PEFT and each server use."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coterie.compatibility.finding import Finding

PEFT = "PEFT"


@dataclass(frozen=True, kw_only=True)
class CompatibilityReport:
    """The result of `check_folder`.

    Attributes:
        folder: as it was given.
        kind: what it holds, in words.
        host: the class of the base model.
        modules: names of the modules that the adapter changes -> their tower.
        num_tensors: tensors in the file.
        findings: program -> what it does not use; an empty list means that all is used.
        commands: program -> the command that loads the folder; only where it is not refused.
    """

    folder: str
    kind: str
    host: str
    modules: Mapping[str, str]
    num_tensors: int
    findings: Mapping[str, Sequence[Finding]]
    commands: Mapping[str, str] = field(default_factory=dict)

    def is_used(self, *programs: str) -> bool:
        """Return whether all is used, as it was trained, by these programs; none for all."""
        return not any(self.findings[name] for name in programs or self.findings)

    def format(self) -> str:
        """Return lines for people."""
        towers = Counter(self.modules.values())
        where = ", ".join(f"{count} in {tower}" for tower, count in sorted(towers.items()))
        lines = [
            f"{self.folder}: {self.kind} for {self.host}",
            f"{self.num_tensors} tensors at {len(self.modules)} modules"
            + (f" ({where})" if where else ""),
        ]
        for name, findings in self.findings.items():
            lines.append(f"{name}: {'' if findings else 'uses all'}".rstrip())
            lines += [f"  {finding.format()}" for finding in findings]
            if command := self.commands.get(name):
                lines.append(f"  {command}")
        return "\n".join(lines)

    def dump(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "folder": self.folder, "kind": self.kind, "host": self.host,
            "num_tensors": self.num_tensors, "modules": dict(self.modules),
            "programs": {
                name: {
                    "uses_all": not findings,
                    "findings": [
                        {"effect": each.effect, "reason": each.reason, "names": list(each.names)}
                        for each in findings
                    ],
                    "command": self.commands.get(name),
                }
                for name, findings in self.findings.items()
            },
        }  # fmt: skip
