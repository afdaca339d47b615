"""Try every kind of gate on a tiny model of each transformers model type.

`python -m tools.model_types [TYPE ...]` writes benchmarks/results/model-types.json and the table in
docs/families.md. A trial grafts experts at every linear layer of the model's blocks, and compares
the answers of two samples of two tasks with those of each sample alone, in a forward pass and, for
models of text, in greedy `generate`. Models are random and small.
"""

import json
import re
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "model-types.json"
PAGE = ROOT / "docs" / "families.md"
START, END = "<!-- model types: made by `python -m tools.model_types` -->", "<!-- end -->"
TASKS = ("first", "second")
TOLERANCE = 2e-3
"""Of logits whose scale is about 1; a wrong task changes them by about 1."""

WIDTH = 32
GROUPS: Mapping[int, str] = {
    WIDTH: "hidden_size n_embd d_model dim embed_dim word_embed_proj_dim embedding_size lru_width",
    64: "intermediate_size ffn_dim n_inner d_ff ffn_hidden_size ff_dim encoder_ffn_dim "
    "decoder_ffn_dim dim_ff block_ff_dim sliding_window attention_window window_size index_topk",
    2: "num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers depth "
    "num_decoder_layers eos_token_id num_experts_per_tok moe_k moe_topk num_key_value_heads "
    "num_kv_heads linear_num_key_heads index_n_heads num_global_key_value_heads",
    4: "num_attention_heads n_head n_heads num_heads decoder_attention_heads "
    "encoder_attention_heads num_experts num_local_experts n_routed_experts moe_num_experts "
    "conv_kernel linear_num_value_heads mamba_n_heads mamba_d_conv mamba_num_heads laurel_rank "
    "time_step_rank patch_size",
    8: "head_dim state_size ssm_state_size linear_key_head_dim linear_value_head_dim mamba_d_state "
    "qk_rope_head_dim qk_nope_head_dim v_head_dim hidden_size_per_layer_input rotary_dim "
    "global_head_dim o_lora_rank o_groups",
    16: "moe_intermediate_size q_lora_rank kv_lora_rank qk_head_dim index_head_dim mamba_d_head "
    "mamba_head_dim chunk_size mamba_chunk_size image_size",
    1: "bos_token_id n_shared_experts num_shared_experts moe_num_shared_experts n_group topk_group "
    "first_k_dense_replace moe_layer_start_index num_dense_layers n_groups mamba_n_groups",
    0: "pad_token_id",
    128: "vocab_size max_position_embeddings n_positions n_ctx max_seq_len "
    "vocab_size_per_layer_input",
    32: "shared_expert_intermediate_size shared_intermediate_size "
    "moe_shared_expert_intermediate_size hidden_size",
}
SIZES = {name: size for size, names in GROUPS.items() for name in names.split()}

LATENT = ("axk1", "axk2", "deepseek_v2", "deepseek_v3", "deepseek_v32", "dots3_note_text",
          "glm4_moe_lite", "glm_moe_dsa", "kimi_linear", "longcat_flash", "minicpm3",
          "youtu")  # fmt: skip
OWN: Mapping[str, Mapping[str, Any]] = {
    **{model_type: {"num_key_value_heads": 4} for model_type in LATENT},
    **{
        name: {"layer_types": ["linear_attention", "full_attention"]}
        for name in ("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text")
    },
    "bamba": {"attn_layer_indices": [1]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "gemma3n_text": {
        "num_kv_shared_layers": 0, "layer_types": ["sliding_attention", "full_attention"],
        "intermediate_size": [64, 64], "activation_sparsity_pattern": [0.0, 0.0],
    },
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
}  # fmt: skip
"""What some model types need besides `SIZES`."""


def make_config(model_type: str) -> Any:
    """Make a configuration with the sizes that this model type knows."""
    from transformers import AutoConfig

    probe = AutoConfig.for_model(model_type)
    names = {
        name
        for name, value in vars(probe).items()
        if name not in probe.attribute_map and not isinstance(value, list | tuple)
    }
    sizes = {name: size for name, size in SIZES.items() if name in names}
    return AutoConfig.for_model(model_type, **sizes | dict(OWN.get(model_type, {})))


def build(model_type: str) -> nn.Module:
    """Build a random model whose layers neither shrink nor grow what passes through them.

    Raises ValueError if these sizes do not make it tiny.
    """
    from transformers import AutoModel, AutoModelForCausalLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    kind = AutoModelForCausalLM if model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else AutoModel
    config = make_config(model_type)
    with torch.device("meta"):
        count = sum(each.numel() for each in kind.from_config(config).parameters())
    if count > 3e7:
        raise ValueError(f"{count} parameters: not tiny")
    torch.manual_seed(0)
    model = kind.from_config(config).float().eval()
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
    return model


def make_batch(model: Any) -> dict[str, Tensor]:
    """Make two samples: tokens, or images."""
    generator = torch.Generator().manual_seed(1)
    if model.main_input_name == "pixel_values":
        side = getattr(model.config, "image_size", 16)
        side = side[0] if isinstance(side, list | tuple) else side
        noise = torch.randn(2, 3, side, side, generator=generator)
        return {"pixel_values": noise.to(model.dtype)}
    ids = torch.randint(4, 120, (2, 7), generator=generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def list_places(model: nn.Module) -> list[str]:
    """List the linear layers of the model's numbered blocks, without routers."""
    return [
        name
        for name, module in model.named_modules()
        if type(module) is nn.Linear
        and re.search(r"\.\d+\.", name)
        and not re.search(r"(gate|router|shared_expert_gate)$", name)
    ]


def make_gates(is_text: bool) -> dict[str, Any]:
    """Make one gate of each kind, whose weights matter."""
    from coterie import InstanceGate, TaskGate, TokenGate

    gates = {
        "token": TokenGate(init_std=1.0),
        "task": TaskGate(init_std=1.0),
        "static task": TaskGate(per_token=False, init_std=1.0),
        "prompt, hidden": InstanceGate(pool="hidden", init_std=1.0),
    }
    return gates | ({"prompt, embedding": InstanceGate(init_std=1.0)} if is_text else {})


def read_output(model: Any, batch: Mapping[str, Tensor], tasks: Tensor | None) -> Tensor:
    """Run the model and return its logits, or its last hidden states."""
    given = {} if tasks is None else {"task_ids": tasks}
    with torch.no_grad():
        output = model(**batch, **given)
    found = getattr(output, "logits", None)
    return output[0] if found is None else found


def measure(model: Any, batch: Mapping[str, Tensor], tasks: Tensor | None) -> float:
    """Measure the largest difference between samples together and each alone."""
    mixed, differences = read_output(model, batch, tasks), []
    for i in range(2):
        part = {name: value[i : i + 1] for name, value in batch.items()}
        alone = read_output(model, part, None if tasks is None else tasks[i : i + 1])
        differences.append((mixed[i] - alone[0]).abs().max().item())
    return max(differences)


def compare_generated(model: Any, batch: Mapping[str, Tensor], tasks: Tensor | None) -> float:
    """Measure the same for the logits of two greedily generated tokens."""
    settings = {"max_new_tokens": 2, "min_new_tokens": 2, "do_sample": False, "pad_token_id": 0,
                "output_logits": True, "return_dict_in_generate": True}  # fmt: skip

    def generate(part: Mapping[str, Tensor], ids: Tensor | None) -> Tensor:
        given = {} if ids is None else {"task_ids": ids}
        return torch.stack(model.generate(**part, **given, **settings).logits, 1)

    mixed, differences = generate(batch, tasks), []
    for i in range(2):
        part = {name: value[i : i + 1] for name, value in batch.items()}
        alone = generate(part, None if tasks is None else tasks[i : i + 1])[0]
        differences.append((mixed[i] - alone).abs().max().item())
    return max(differences)


def judge(model: Any, batch: Mapping[str, Tensor], is_text: bool, own: float) -> str:
    """Compare a grafted model's answers with those of each sample alone."""
    tasks = torch.tensor([0, 1])
    found = measure(model, batch, tasks)
    if found > TOLERANCE + 2 * own:
        return f"wrong: forward differs by {found:.2g}"
    if is_text:
        found = compare_generated(model, batch, tasks)
        if found > TOLERANCE + 2 * own:
            return f"wrong: generate differs by {found:.2g}"
    return "ok"


def try_gate(model_type: str, kind: str, dtype: torch.dtype = torch.float32) -> str:
    """Return "ok", "refused: ...", "wrong: ..." or "fails: ..." for one kind of gate.

    What is wrong in float32 is tried again in float64: there the noise that some recurrent models
    amplify is gone, and another sample's expert is not.
    """
    import coterie
    from coterie import Lora, Mixture, Softmax

    model = build(model_type).to(dtype)
    batch, is_text = make_batch(model), callable(getattr(model, "generate", None))
    own = measure(model, batch, None)
    if is_text:
        own = max(own, compare_generated(model, batch, None))
    gate = make_gates(is_text)[kind]
    mixture = Mixture(
        at=tuple(list_places(model)), experts=Lora(ranks=(2, 2)), gate=gate, router=Softmax()
    )
    try:
        grafted = coterie.graft(model, mixture, tasks=TASKS).eval()
        generator = torch.Generator().manual_seed(2)
        for name, weight in grafted.named_parameters():
            if name.endswith(".up"):  # experts start at zero
                weight.data.normal_(std=0.3, generator=generator)
        verdict = judge(grafted, batch, is_text, own)
        if verdict.startswith("wrong") and dtype is torch.float32:
            return try_gate(model_type, kind, torch.float64)
        if kind == "task" and verdict == "ok":
            both = [read_output(grafted, batch, torch.tensor(ids)) for ids in ((0, 1), (1, 0))]
            if torch.allclose(*both, atol=10 * TOLERANCE):
                return "fails: the tasks change nothing"
        return verdict
    except ValueError as error:
        return f"refused: {str(error).partition(chr(10))[0]}"


def try_model_type(model_type: str) -> dict[str, str]:
    """Return the verdict on each kind of gate; of a model that is not built, the reason."""
    try:
        model = build(model_type)
        batch = make_batch(model)
        if not list_places(model):
            return {"not built": "no linear layer in its blocks"}
        if read_output(model, batch, None).abs().max() < 10 * TOLERANCE:
            return {"not built": "its random answers are 0, on which no mistake would show"}
        own = measure(model, batch, None)
        if own > 0.1:
            return {"not built": f"its own answers depend on the batch ({own:.2g})"}
    except Exception as error:  # whatever a model type raises that these sizes do not fit
        reason = str(error).strip().partition("\n")[0]
        return {"not built": f"{type(error).__name__}: {reason[:100]}"}
    found = {}
    for kind in make_gates(callable(getattr(model, "generate", None))):
        try:
            found[kind] = try_gate(model_type, kind)
        except Exception as error:  # any, to be listed
            found[kind] = f"fails: {type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
    return found


def list_model_types() -> list[str]:
    """List the causal language models and the image encoders of transformers."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    )

    return sorted(
        {*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, *MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES}
    )


def make_table(results: Mapping[str, Mapping[str, str]]) -> str:
    """Make the part of docs/families.md that lists the results."""
    right = [name for name, found in results.items() if set(found.values()) == {"ok"}]
    missing = {name: found["not built"] for name, found in results.items() if "not built" in found}
    others = {
        name: found for name, found in results.items() if name not in right and name not in missing
    }
    verdicts = [verdict for found in results.values() for verdict in found.values()]
    wrong = sum(verdict.startswith("wrong") for verdict in verdicts)
    lines = [
        f"{len(right) + len(others)} model types were built; {wrong} of their trials are wrong.",
        "",
        f"Right with every gate ({len(right)}): {', '.join(f'`{name}`' for name in right)}.",
        "",
        f"Right, but for what is refused or fails with an error ({len(others)}):",
        "",
        "| model type | gate | verdict |",
        "|---|---|---|",
    ]
    for name, found in others.items():
        by_verdict: dict[str, list[str]] = {}
        for gate, verdict in found.items():
            by_verdict.setdefault(verdict, []).append(gate)
        for verdict, gates in by_verdict.items():
            text = re.sub(r" at \S+", "", verdict).replace("|", "\\|")
            lines += [f"| `{name}` | {', '.join(gates)} | {text} |"] if verdict != "ok" else []
    names = ", ".join(f"`{name}`" for name in missing)
    lines += ["", f"Not built by the script ({len(missing)}): {names}."]
    return "\n".join(lines)


def write_page(results: Mapping[str, Mapping[str, str]]) -> None:
    """Write the results into their place in docs/families.md."""
    before, _, rest = PAGE.read_text().partition(START)
    PAGE.write_text(f"{before}{START}\n{make_table(results)}\n{END}{rest.partition(END)[2]}")


def main(names: Iterable[str]) -> None:
    """Try the named model types, or all, and write the results."""
    warnings.simplefilter("ignore")
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for model_type in names or list_model_types():
        known[model_type] = try_model_type(model_type)
        print(model_type, known[model_type], flush=True)
        RESULTS.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    write_page(known)


if __name__ == "__main__":
    main(sys.argv[1:])
