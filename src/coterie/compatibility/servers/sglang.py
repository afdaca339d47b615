"""SGLang."""

from collections.abc import Iterator

from coterie.compatibility.adapter_folder import AdapterFolder
from coterie.compatibility.finding import Finding
from coterie.compatibility.servers.base import (
    Server,
    find_fused,
    find_other_scales,
    find_towers,
    find_unmatched,
)
from coterie.models.host import Host

SHORTHANDS = ("all", "all-linear")
KNOWN = frozenset({
    "q_proj", "k_proj", "v_proj", "qkv_proj", "qkvr", "o_proj", "wo_ud", "out_proj", "in_proj",
    "in_proj_qkv", "in_proj_q", "in_proj_k", "in_proj_v", "in_proj_z", "in_proj_qkvz",
    "gate_proj", "up_proj", "gate_up_proj", "down_proj", "fc1_latent_proj", "fc2_latent_proj",
    "embed_tokens", "vocab_emb", "embeddings", "word_embeddings", "lm_head", "output",
    "unembed_tokens", "q_a_proj", "kv_a_proj_with_mqa", "fused_qkv_a_proj_with_mqa", "q_b_proj",
    "kv_b_proj", "wq_b", "wk", "weights_proj",
})  # fmt: skip
"""Last parts of module names that `sglang/srt/lora/utils.py` has shapes for."""


class SGLang(Server):
    """SGLang's `--lora-paths`: the language model alone, one alpha and rank for all modules."""

    name = "SGLang"
    source = (
        "python/sglang/srt/lora/lora_config.py, utils.py, lora.py and lora_manager.py of the main "
        "branch and issue 28784, read in November 2026"
    )

    def find_problems(self, adapter: AdapterFolder, host: Host) -> Iterator[Finding]:
        """Yield what is not used."""
        targets = adapter.get("target_modules", [])
        if isinstance(targets, str) and targets not in SHORTHANDS:
            reason = "target_modules is a regular expression; give a list of names"
            yield Finding(effect="refused", reason=reason)
        if adapter.get("use_dora"):
            yield Finding(effect="refused", reason="DoRA is not supported")
        towers = find_towers(adapter, host)
        fused = find_fused(adapter, host)
        ends = {name: name.rsplit(".", 1)[-1] for name in adapter.ranks if name not in fused}
        if strange := [name for name, end in ends.items() if end not in KNOWN]:
            reason = "modules of these names have no LoRA in SGLang"
            yield Finding(effect="refused", reason=reason, names=strange)
        if towers := [name for name in towers if name not in strange]:
            reason = "modules outside the language model get no LoRA"
            yield Finding(effect="dropped", reason=reason, names=towers)
        if unmatched := [each for each in find_unmatched(adapter, host) if each not in strange]:
            reason = "no module of the model has this full name"
            yield Finding(effect="dropped", reason=reason, names=unmatched)
        if adapter.other_tensors:
            reason = "tensors that are no lora_A or lora_B (modules_to_save, bias)"
            yield Finding(effect="dropped", reason=reason, names=adapter.other_tensors)
        if scaled := find_other_scales(adapter, host, rank="r", knows_rslora=False):
            reason = (
                "use_rslora, rank_pattern and alpha_pattern are not applied: all modules get "
                "lora_alpha / r; newer versions refuse the patterns"
            )
            yield Finding(effect="wrong scale", reason=reason, names=scaled)

    def get_command(self, adapter: AdapterFolder, host: Host, base: str) -> str:
        """Return the flags."""
        widest = max((adapter.get("r", 8), *adapter.ranks.values()))
        return (
            f"python -m sglang.launch_server --model-path {base} --enable-lora "
            f"--max-lora-rank {widest} --lora-paths NAME={adapter.path}"
        )
