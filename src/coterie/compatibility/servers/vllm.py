"""vLLM."""

from collections.abc import Iterator

from coterie.compatibility.adapter_folder import AdapterFolder
from coterie.compatibility.finding import Finding
from coterie.compatibility.servers.base import (
    Server,
    find_other_scales,
    find_towers,
    find_unmatched,
)
from coterie.models.host import Host

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that --max-lora-rank allows."""
TOWER_FLAG = "--enable-tower-connector-lora"


def get_rank_flag(rank: int) -> int | None:
    """Return the smallest allowed --max-lora-rank; None for a rank above all of them."""
    return next((each for each in RANKS if each >= rank), None)


class VLlm(Server):
    """vLLM's `--enable-lora`: one alpha and rank for all modules, and no tensor but A and B."""

    name = "vLLM"
    source = (
        "vllm/lora/peft_helper.py, lora_model.py, model_manager.py and vllm/config/lora.py of the "
        "main branch, read in November 2026"
    )

    def find_problems(self, adapter: AdapterFolder, host: Host) -> Iterator[Finding]:
        """Yield what is not used."""
        yield from self.find_refusals(adapter)
        ends = {name.rsplit(".", 1)[-1] for name in host.linears}
        unmatched = find_unmatched(adapter, host)
        if strange := [name for name in unmatched if name.rsplit(".", 1)[-1] not in ends]:
            reason = "no linear layer of the model has such a name"
            yield Finding(effect="refused", reason=reason, names=strange)
        if dropped := [name for name in unmatched if name not in strange]:
            reason = "no module of the model has this full name, and vLLM says nothing"
            yield Finding(effect="dropped", reason=reason, names=dropped)
        if scaled := find_other_scales(adapter, host, rank="r", knows_rslora=True):
            reason = "rank_pattern and alpha_pattern are not read: all modules get lora_alpha / r"
            yield Finding(effect="wrong scale", reason=reason, names=scaled)

    def find_refusals(self, adapter: AdapterFolder) -> Iterator[Finding]:
        """Yield what makes vLLM refuse the adapter, whatever the model."""
        if adapter.get("modules_to_save"):
            yield Finding(effect="refused", reason="modules_to_save must be null")
        if adapter.get("use_dora"):
            yield Finding(effect="refused", reason="DoRA is not supported")
        if adapter.get("bias", "none") != "none":
            yield Finding(effect="refused", reason="bias must be 'none'")
        widest = max((adapter.get("r", 8), *adapter.ranks.values()))
        if get_rank_flag(widest) is None:
            reason = f"rank {widest} is above the {RANKS[-1]} that --max-lora-rank allows"
            yield Finding(effect="refused", reason=reason)
        if adapter.other_tensors:
            reason = "tensors that are no lora_A or lora_B"
            yield Finding(effect="refused", reason=reason, names=adapter.other_tensors)

    def get_command(self, adapter: AdapterFolder, host: Host, base: str) -> str:
        """Return the flags; those of towers where the adapter changes one."""
        widest = max((adapter.get("r", 8), *adapter.ranks.values()))
        tower = f" {TOWER_FLAG}" if find_towers(adapter, host) else ""
        return (
            f"vllm serve {base} --enable-lora --max-lora-rank {get_rank_flag(widest) or widest}"
            f"{tower} --lora-modules NAME={adapter.path}"
        )
