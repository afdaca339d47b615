"""Quantised base models: their configurations, and packages that are missing."""

import sys

import pytest
import torch

from coterie.models.loading import load
from coterie.models.options import ModelOptions
from coterie.models.quantization import is_quantized, make_quantization_config
from tests.train.small import base


def test_four_bits_are_those_of_qlora() -> None:
    pytest.importorskip("bitsandbytes")
    config = make_quantization_config("4bit", torch.bfloat16)
    assert config.load_in_4bit and config.bnb_4bit_quant_type == "nf4"
    assert config.bnb_4bit_use_double_quant and config.bnb_4bit_compute_dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("kind", "package"), [("4bit", "bitsandbytes"), ("8bit", "bitsandbytes"), ("int8", "torchao")]
)
def test_a_missing_package_is_named_with_its_extra(kind, package, monkeypatch) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"this needs {package}, .*coterie\[quantized\]"):
        make_quantization_config(kind, None)


@pytest.mark.filterwarnings("ignore")  # bitsandbytes and torchao warn about this CPU
@pytest.mark.parametrize(
    ("kind", "linear"), [("4bit", "Linear4bit"), ("8bit", "Linear8bitLt"), ("int8", "Linear")]
)
def test_all_but_the_output_head_is_quantised(kind, linear, caplog) -> None:
    pytest.importorskip("torchao" if kind == "int8" else "bitsandbytes")
    model = load(base(), device="cpu", options=ModelOptions(quantize=kind)).model
    layer = model.get_submodule("model.layers.0.mlp.up_proj")
    assert is_quantized(model) and type(layer).__name__ == linear
    plain = load(base(), device="cpu").model
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        wanted, found = plain(input_ids=ids).logits, model(input_ids=ids).logits
    assert type(model.lm_head) is torch.nn.Linear
    assert torch.equal(model.lm_head.weight, plain.lm_head.weight)
    # NF4 is off by a tenth of a weight's standard deviation, which the layers add up.
    assert 0 < (found - wanted).norm() < 0.25 * wanted.norm()
    assert not is_quantized(plain)
    assert "will be cast" not in caplog.text  # bitsandbytes says so in every layer
