"""`check_folder`: compare the folder of an adapter or a checkpoint with a base model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from coterie.compatibility.adapter_folder import CONFIG, AdapterFolder
from coterie.compatibility.checkpoint import check_checkpoint
from coterie.compatibility.finding import Finding
from coterie.compatibility.patterns import check_patterns
from coterie.compatibility.peft_match import match
from coterie.compatibility.report import PEFT, CompatibilityReport
from coterie.compatibility.servers.base import list_servers
from coterie.io import read_text
from coterie.models.base_config import CONFIG as MODEL_CONFIG
from coterie.models.host import Host
from coterie.serialization import parse_json

EXTRACT_REPORT = "coterie_extract.json"
FOR_OTHERS = {
    "gguf": "llama.cpp loads it, and its matrices were compared when it was written",
    "onnx": "onnxruntime loads it, and its outputs were compared when it was written",
    "pruned": "coterie.models.pruned_vision loads it, and it was compared when it was written",
}
"""Formats of coterie.extract that are no adapter and no model of transformers alone."""


def check_folder(folder: str | Path, base: str | Path) -> CompatibilityReport:
    """Check which weights of a folder PEFT, vLLM, SGLang and llama.cpp would use with a base model.

    No weights of the base model are loaded, no server is run, and nothing is written.

    Args:
        folder: any PEFT adapter, of coterie or not, or what `coterie.extract` wrote.
        base: a folder, a hub id, or the name of a model of an installed package.

    Raises ValueError, in one line, for files that are missing, damaged or pickles, and for a base
    model that there is not.
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ValueError(f"{folder} is no folder: give that of an adapter, or download it first")
    if (path / CONFIG).is_file():
        return check_adapter(AdapterFolder.read(path), base)
    report = read_extract_report(path)
    if (form := report.get("form")) in FOR_OTHERS:
        raise ValueError(f"{folder} was extracted as {form}: {FOR_OTHERS[form]}")
    if (path / MODEL_CONFIG).is_file():
        return check_checkpoint(path, base, is_native=report.get("form") == "native")
    inner = sorted(each.parent for each in path.glob(f"*/{CONFIG}"))
    if inner and report:
        return join(str(path), [check_adapter(AdapterFolder.read(each), base) for each in inner])
    meant = f"; did you mean {inner[0]}?" if inner else ""
    raise ValueError(f"{folder} has neither {CONFIG} nor {MODEL_CONFIG}{meant}")


def read_extract_report(folder: Path) -> dict[str, Any]:
    """Read what `coterie.extract` wrote of a folder; empty for others' folders."""
    file = folder / EXTRACT_REPORT
    found = parse_json(read_text(file), name=str(file)) if file.is_file() else {}
    return found if isinstance(found, dict) else {}


def join(folder: str, reports: Sequence[CompatibilityReport]) -> CompatibilityReport:
    """Return one report on the adapters of a folder, which are used together."""
    findings: dict[str, list[Finding]] = {}
    for report in reports:
        name = Path(report.folder).name
        for program, found in report.findings.items():
            own = [replace(each, reason=f"{name}: {each.reason}") for each in found]
            findings.setdefault(program, []).extend(own)
    modules = {name: tower for report in reports for name, tower in report.modules.items()}
    return CompatibilityReport(
        folder=folder,
        kind=f"{len(reports)} LORA adapters",
        host=reports[0].host,
        modules=modules,
        num_tensors=sum(report.num_tensors for report in reports),
        findings=findings,
    )


def check_adapter(adapter: AdapterFolder, base: str | Path) -> CompatibilityReport:
    """Check an adapter against a base model."""
    host = Host.load(base)
    check_patterns(adapter, host.modules)
    servers = list_servers()
    findings = {each.name: each.check(adapter, host) for each in servers}
    commands = {
        each.name: each.get_command(adapter, host, str(base))
        for each in servers
        if not any(finding.effect == "refused" for finding in findings[each.name])
    }
    towers = {name: host.get_tower(name) for name in host.modules}
    found = match(adapter, host)  # last, as it changes the host
    return CompatibilityReport(
        folder=str(adapter.path),
        kind=f"a {adapter.peft_type} adapter",
        host=host.name,
        modules={name: towers.get(name, "text") for name in found.modules},
        num_tensors=len(adapter.shapes),
        findings={PEFT: found.findings, **findings},
        commands=commands,
    )
