"""llama.cpp."""

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

KEPT = ("_layernorm", ".norm")
"""In the names of whole tensors that the converter takes."""


class LlamaCpp(Server):
    """llama.cpp's `convert_lora_to_gguf.py`: the language model, alpha / rank of each module."""

    name = "llama.cpp"
    source = "convert_lora_to_gguf.py of the master branch, read in November 2026"

    def find_problems(self, adapter: AdapterFolder, host: Host) -> Iterator[Finding]:
        """Yield what is not used."""
        others = [name for name in adapter.other_tensors if ".base_layer.weight" not in name]
        if others := [name for name in others if not any(part in name for part in KEPT)]:
            reason = "the converter ends at tensors that are no lora_A or lora_B"
            yield Finding(effect="refused", reason=reason, names=others)
        if unmatched := find_unmatched(adapter, host):
            reason = "no weight of the model has this name"
            yield Finding(effect="refused", reason=reason, names=unmatched)
        if towers := find_towers(adapter, host):
            reason = "the GGUF of a language model has no weights of other towers"
            yield Finding(effect="dropped", reason=reason, names=towers)
        if scaled := find_other_scales(adapter, host, rank="own", knows_rslora=False):
            reason = "use_rslora and alpha_pattern are not read: each module gets lora_alpha / rank"
            yield Finding(effect="wrong scale", reason=reason, names=scaled)

    def get_command(self, adapter: AdapterFolder, host: Host, base: str) -> str:
        """Return the conversion and the flag of llama-server."""
        return (
            f"python convert_lora_to_gguf.py {adapter.path} --base {base} --outfile adapter.gguf "
            "&& llama-server -m model.gguf --lora adapter.gguf"
        )
