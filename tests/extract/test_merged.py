"""The plain checkpoint: what is in it, and what is refused."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from coterie import Lora, Mixture, graft
from coterie.extract import extract
from coterie.extract.fixed_task import make_fixed_task_loras
from coterie.extract.merged import check, copy_without_mixtures, verify
from tests.extract.grafted import STATIC, grafted, only
from tests.tiny import TINY


def test_bare_is_the_host_as_it_was() -> None:
    model, tiny = grafted()
    host, fresh = copy_without_mixtures(model, "default"), TINY["llama"]().model
    assert host.state_dict().keys() == fresh.state_dict().keys()
    with torch.no_grad():
        assert torch.equal(host(**tiny.batch).logits, fresh(**tiny.batch).logits)
    assert not host._forward_pre_hooks and not host._forward_hooks
    assert "generate" not in vars(host) and "peft_config" not in vars(host)
    shared = {id(weight) for weight in model.parameters()}
    assert all(id(weight) in shared for weight in host.parameters())
    assert "generate" in vars(model.get_base_model())


def test_generation_config_is_kept(tmp_path: Path) -> None:
    model, tiny = grafted()
    tiny.model.generation_config = GenerationConfig(max_new_tokens=3, pad_token_id=0)
    folder = extract(model, task="ocr", to=tmp_path / "x", format="merged", probe=tiny.batch)
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    assert loaded.generation_config.max_new_tokens == 3
    ids = torch.tensor([[5, 6, 7]])
    mine = model.generate(input_ids=ids, task_ids=torch.tensor([1]), do_sample=False)
    assert torch.equal(loaded.generate(input_ids=ids, do_sample=False), mine)


def test_modules_saved_whole_go_in(tmp_path: Path) -> None:
    model, tiny = grafted(modules_to_save=["lm_head"])
    head = tiny.model.get_submodule("lm_head.modules_to_save.default")
    torch.nn.init.normal_(head.get_parameter("weight"))
    folder = extract(model, task="ocr", to=tmp_path / "x", format="merged", probe=tiny.batch)
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    assert torch.equal(loaded.lm_head.weight, head.get_parameter("weight"))


def test_bfloat16_is_exact_to_its_spacing(tmp_path: Path) -> None:
    tiny = TINY["llama"]()
    tiny.model.bfloat16()
    model = graft(tiny.model, Mixture(experts=Lora(ranks=(3,)), gate=None)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "coterie_experts" in name:
                weight.normal_(0, 0.1)
    extract(model, task="any", to=tmp_path / "x", format="merged")
    extract(model, task="any", to=tmp_path / "y", format="adapter", probe=tiny.batch)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_another_dtype_of_the_written_weights(tmp_path: Path, dtype: str) -> None:
    model, tiny = grafted()
    folder = extract(
        model, task="ocr", to=tmp_path / "x", format="merged", dtype=dtype, probe=tiny.batch
    )
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    kinds = {each.dtype for each in loaded.parameters()}
    assert kinds == {getattr(torch, dtype)} and loaded.config.dtype == getattr(torch, dtype)
    assert all(each.dtype == torch.float32 for each in model.parameters())  # as it was


def test_refuses_a_quantised_host(tmp_path: Path) -> None:
    model, tiny = only(Mixture(experts=Lora(ranks=(2, 2)), gate=STATIC))
    tiny.model.hf_quantizer = object()
    with pytest.raises(ValueError, match=r"quantised.*format='adapter'"):
        extract(model, task="ocr", to=tmp_path / "x", format="merged")
    tiny.model.hf_quantizer = None
    shares = make_fixed_task_loras(model, "default", "ocr")
    check(model, shares)
    linear = tiny.model.get_submodule("model.layers.1.mlp.up_proj.base_layer")
    whole = torch.zeros(64, 32, dtype=torch.int8)
    linear.weight = torch.nn.Parameter(whole, requires_grad=False)
    with pytest.raises(ValueError, match=r"layers\.1\.mlp\.up_proj is quantised"):
        check(model, shares)


def test_verify_finds_damage(tmp_path: Path) -> None:
    model, _ = grafted()
    folder = extract(model, task="ocr", to=tmp_path / "x", format="merged")
    shares = make_fixed_task_loras(model, "default", "ocr")
    host = copy_without_mixtures(model, "default")
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    assert verify(host, shares, loaded) < 1e-6
    with torch.no_grad():
        loaded.model.layers[0].mlp.up_proj.weight[0, 0] += 1
    assert verify(host, shares, loaded) > 0.1
    with torch.no_grad():
        loaded.model.norm.weight += 1
    with pytest.raises(RuntimeError, match=r"model\.norm\.weight changed"):
        verify(host, shares, loaded)
