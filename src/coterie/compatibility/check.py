"""`check_folder`: compare the folder of an adapter or a checkpoint with a base model."""

from pathlib import Path

from coterie.compatibility.adapter_folder import CONFIG, AdapterFolder
from coterie.compatibility.checkpoint import check_checkpoint
from coterie.compatibility.host import Host
from coterie.compatibility.peft_match import match
from coterie.compatibility.report import PEFT, CompatibilityReport
from coterie.compatibility.servers.base import list_servers
from coterie.models.base_config import CONFIG as MODEL_CONFIG


def check_folder(folder: str | Path, base: str | Path) -> CompatibilityReport:
    """Check which weights of a folder PEFT, vLLM, SGLang and llama.cpp would use with a base model.

    No weights of the base model are loaded, no server is run, and nothing is written.

    Args:
        folder: any PEFT adapter, of coterie or not, or a checkpoint that `coterie.extract` merged.
        base: a folder, a hub id, or the name of a model of an installed package.

    Raises ValueError, in one line, for files that are missing, damaged or pickles, and for a base
    model that there is not.
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ValueError(f"{folder} is no folder: give that of an adapter, or download it first")
    if (path / CONFIG).is_file():
        return check_adapter(AdapterFolder.read(path), base)
    if (path / MODEL_CONFIG).is_file():
        return check_checkpoint(path, base)
    inner = sorted(each.parent.name for each in path.glob(f"*/{CONFIG}"))
    meant = f"; did you mean {path / inner[0]}?" if inner else ""
    raise ValueError(f"{folder} has neither {CONFIG} nor {MODEL_CONFIG}{meant}")


def check_adapter(adapter: AdapterFolder, base: str | Path) -> CompatibilityReport:
    """Check an adapter against a base model."""
    host = Host.load(base)
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
