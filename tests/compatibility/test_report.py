"""The report of a check, for people and as JSON."""

from coterie.compatibility.finding import Finding
from coterie.compatibility.report import CompatibilityReport

REPORT = CompatibilityReport(
    folder="x",
    kind="a LORA adapter",
    host="Model",
    modules={"a.q": "text", "b.q": "vision", "b.k": "vision"},
    num_tensors=6,
    findings={"PEFT": [], "SGLang": [Finding(effect="dropped", reason="towers", names=["b.q"])]},
    commands={"PEFT": "load x"},
)


def test_lines() -> None:
    assert REPORT.format().splitlines() == [
        "x: a LORA adapter for Model",
        "6 tensors at 3 modules (1 in text, 2 in vision)",
        "PEFT: uses all",
        "  load x",
        "SGLang:",
        "  dropped (1): towers: b.q",
    ]


def test_who_uses_all() -> None:
    assert REPORT.is_used("PEFT") and not REPORT.is_used("SGLang") and not REPORT.is_used()


def test_json() -> None:
    programs = REPORT.dump()["programs"]
    assert programs["PEFT"] == {"uses_all": True, "findings": [], "command": "load x"}
    finding = {"effect": "dropped", "reason": "towers", "names": ["b.q"]}
    assert programs["SGLang"]["findings"] == [finding]
