"""Llama and decoders with its layout."""

from coterie.families.base import ModelFamily, Role, make_block_roles, make_role

MLP_LINEARS = r"(gate|up|down|gate_up)_proj"


def make_decoder_roles(prefix: str) -> dict[str, Role]:
    """Return the text roles of a llama-like decoder; `prefix` is a regular expression.

    It matches the module name before `layers`. Query, key and value may be fused (Phi-3), as may
    gate and up (Phi-3, GLM).
    """
    layer = prefix + r"layers\.\d+\."
    return make_block_roles("text", layer, "self_attn", r"(q|k|v|o|qkv)_proj", MLP_LINEARS)


def make_mixture_roles(prefix: str) -> dict[str, Role]:
    """Return the text roles of a llama-like decoder whose MLPs are mixtures of its own.

    text.mlp are its dense MLPs and shared experts; routed experts are stacked parameters, to which
    no expert can be added. `prefix` as in `make_decoder_roles`.
    """
    roles = make_decoder_roles(prefix)
    layer = prefix + r"layers\.\d+\."
    return {**roles, "text.mlp": make_role(layer + r"mlp(\.shared_experts?)?", MLP_LINEARS)}


class Llama(ModelFamily):
    """Decoders with `layers.N.self_attn` and a dense `layers.N.mlp`, and no other tower."""

    model_types = (
        "apertus", "arcee", "cohere", "cohere2", "ernie4_5", "exaone4", "gemma", "gemma2",
        "gemma3_text", "glm", "glm4", "granite", "helium", "hunyuan_v1_dense", "llama", "ministral",
        "ministral3", "mistral", "nemotron", "olmo", "olmo2", "olmo3", "phi3", "qwen2", "qwen3",
        "seed_oss", "smollm3", "stablelm",
    )  # fmt: skip
    roles = make_decoder_roles(r"(model\.)?")
