"""A tiny Llama is written as llama.cpp does, converted, and compared tensor by tensor."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from coterie_demo.smollm2 import MODULES, OUTSIDE, convert, undo_rotary_permutation

gguf = pytest.importorskip("gguf")

TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "1", "2", "h", "i", "\u0120", "hi"]
"""The last but one is the byte-level space; "hi" is the one merge."""


@pytest.fixture
def model() -> LlamaForCausalLM:
    """Width 32, two heads that share one key, two layers; all weights fit into bfloat16."""
    config = LlamaConfig(
        vocab_size=len(TOKENS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    model = LlamaForCausalLM(config).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter).mul(0.5).bfloat16().float()
    return model


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """As llama.cpp's converter has it (convert_hf_to_gguf.py, LlamaModel.permute)."""
    out, width = weight.shape
    return weight.reshape(heads, 2, out // heads // 2, width).swapaxes(1, 2).reshape(out, width)


def write(model: LlamaForCausalLM, file: Path, architecture: str = "llama") -> None:
    config = model.config
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(1000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3, 3, 1, 1, 1, 1, 1, 1])
    writer.add_token_merges(["h i"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m['content'] }}{% endfor %}")
    names = {ours: theirs for theirs, ours in {**MODULES, **OUTSIDE}.items()}
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for name, weight in model.state_dict().items():
        module = name.removesuffix(".weight")
        values = weight.float().numpy()
        if module == "lm_head":
            continue
        if module in names:
            theirs = names[module]
        else:
            _, _, layer, inside = module.split(".", 3)
            kind = names[inside]
            theirs = f"blk.{layer}.{kind}"
            values = permuted(values, heads[kind]) if kind in heads else values
        writer.add_tensor(f"{theirs}.weight", np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_the_model_comes_back(model: LlamaForCausalLM, tmp_path: Path) -> None:
    write(model, tmp_path / "m.gguf")
    convert(tmp_path / "m.gguf", tmp_path)
    back, info = LlamaForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    assert back.dtype == torch.bfloat16
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name].float(), weight, rtol=0, atol=0)
    ids = torch.tensor([[5, 6, 7, 3]])
    with torch.no_grad():
        logits = back.float()(ids).logits
        torch.testing.assert_close(logits, model(ids).logits, rtol=0, atol=0)
    assert back.config.rope_parameters["rope_theta"] == 1000.0
    assert back.config.rms_norm_eps == 1e-5
    assert back.generation_config.eos_token_id == 2


def test_the_tokenizer_comes_back(model: LlamaForCausalLM, tmp_path: Path) -> None:
    write(model, tmp_path / "m.gguf")
    convert(tmp_path / "m.gguf", tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    # Digits one by one; h and i merge; a special token is one number.
    assert tokenizer("<|im_start|>hi 12").input_ids == [1, 8, 7, 3, 4]
    assert tokenizer.decode([1, 8, 7, 3, 4], skip_special_tokens=True) == "hi 12"
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
    assert chat == "<|im_start|>hi"
    assert (tokenizer.pad_token, tokenizer.model_max_length) == ("<|im_end|>", 128)


def test_unpermuted_puts_pairs_apart() -> None:
    # One head of four features: llama.cpp has pairs (0, 2) and (1, 3) side by side.
    rows = np.array([[0.0], [2.0], [1.0], [3.0]])
    np.testing.assert_array_equal(undo_rotary_permutation(rows, 1), [[0.0], [1.0], [2.0], [3.0]])


def test_another_architecture_is_refused(model: LlamaForCausalLM, tmp_path: Path) -> None:
    write(model, tmp_path / "m.gguf", "gemma")
    with pytest.raises(ValueError, match=r"m.gguf is of architecture 'gemma'; 'llama' is what"):
        convert(tmp_path / "m.gguf", tmp_path)


def test_without_gguf_the_error_names_the_extra(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ValueError, match=r"pip install 'coterie\[demo\]'"):
        convert(tmp_path / "m.gguf", tmp_path)
