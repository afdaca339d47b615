"""Adapters side by side, on and off, saved and loaded, on halved and quantised hosts."""

import copy
import json

import peft
import pytest
import torch
from packaging.version import Version
from transformers import AutoModelForCausalLM
from transformers.integrations.peft import MIN_PEFT_VERSION

import coterie
from coterie import Copies, InstanceGate, Lora, Mixture, Rectified, Softmax, TaskGate, TopK
from coterie.tuner.config import CoterieConfig
from coterie.tuner.four_bit import keep_four_bit_layout
from tests.tiny import TINY
from tests.tuner.checks import IDS, TASKS, awake, gradients, grafted, logits

FIRST = Mixture(at="text.mlp", experts=Lora(ranks=(2, 4)), gate=TaskGate(), router=Softmax())
SECOND = Mixture(at="text.attn", experts=Lora(ranks=(8,)), gate=None)
INSTANCE = Mixture(at="text.mlp", gate=InstanceGate(), router=TopK(k=1))
# On a CPU, bitsandbytes 0.46 has no other type of 4 bits.
NF4 = {"bnb_4bit_compute_dtype": "float32", "bnb_4bit_quant_type": "nf4"}


def two_adapters():
    tiny = TINY["llama"]()
    with torch.no_grad():
        bare = tiny.model(**tiny.batch).logits
    model = grafted(tiny, FIRST)
    first = logits(model, tiny.batch)
    coterie.graft(model, SECOND, tasks=TASKS, adapter="other")
    for name, weights in model.named_parameters():
        if ".coterie_" in name and ".other." in name:
            weights.data.normal_(std=0.1)
    return tiny, model.eval(), bare, first


def test_two_adapters_switch_add_and_go_off():
    tiny, model, bare, first = two_adapters()
    second = logits(model, tiny.batch)
    assert not torch.allclose(second, first)
    model.set_adapter("default")
    torch.testing.assert_close(logits(model, tiny.batch), first)
    model.base_model.set_adapter(["default", "other"])
    both = logits(model, tiny.batch)
    assert not torch.allclose(both, first) and not torch.allclose(both, second)
    with model.disable_adapter():
        assert torch.equal(logits(model, tiny.batch), bare)
    model.set_adapter("other")
    torch.testing.assert_close(logits(model, tiny.batch), second)
    model.delete_adapter("default")
    torch.testing.assert_close(logits(model, tiny.batch), second)
    assert not any(".default." in name for name, _ in model.named_parameters())


def test_two_adapters_at_one_module_add_their_deltas():
    tiny = TINY["llama"]()
    linear = Mixture(at=r".*\.0\.mlp\.up_proj", experts=Lora(ranks=(4,)), gate=None)
    model = grafted(tiny, linear)
    layer = model.get_submodule("base_model.model.model.layers.0.mlp.up_proj")
    x = torch.randn(3, layer.base_layer.in_features)
    host, first = layer.base_layer(x), layer(x)
    coterie.graft(model, linear, adapter="other")
    awake(model, seed=2)
    model.base_model.set_adapter(["other"])
    second = layer(x)
    model.base_model.set_adapter(["default", "other"])
    awake_first = layer(x) - second
    model.base_model.set_adapter(["default"])
    torch.testing.assert_close(layer(x) - host, awake_first, atol=1e-5, rtol=1e-4)
    assert not torch.equal(first, host)


def test_adapters_have_no_weighted_sum():
    _, model, _, _ = two_adapters()
    with pytest.raises(ValueError, match=r"no mixture equals the sum of two\. Run .*set_adapter"):
        model.add_weighted_adapter(["default", "other"], [0.5, 0.5], "sum")
    assert set(model.peft_config) == {"default", "other"}


def test_a_mixed_batch_gives_each_sample_its_adapter():
    tiny, model, bare, first = two_adapters()
    second = logits(model, tiny.batch)
    with torch.no_grad():
        mixed = model(**tiny.batch, task_ids=IDS, adapter_names=["default", "other"]).logits
        with_base = model(**tiny.batch, task_ids=IDS, adapter_names=["__base__", "default"]).logits
    torch.testing.assert_close(mixed[0], first[0])
    torch.testing.assert_close(mixed[1], second[1])
    torch.testing.assert_close(with_base[0], bare[0])
    torch.testing.assert_close(with_base[1], first[1])


def test_a_mixed_batch_generates_with_beams_and_prompt_decisions():
    tiny = TINY["llama"]()
    model = grafted(tiny, INSTANCE)
    coterie.graft(model, INSTANCE, tasks=TASKS, adapter="other")
    awake(model, seed=3)
    model.eval()
    ids = torch.randint(5, 60, (2, 6))
    options = dict(max_new_tokens=4, num_beams=2, do_sample=False, eos_token_id=None)
    mixed = model.generate(input_ids=ids, adapter_names=["default", "other"], **options)
    for row, name in enumerate(["default", "other"]):
        model.set_adapter(name)
        alone = model.generate(input_ids=ids[row : row + 1], **options)
        assert torch.equal(mixed[row : row + 1], alone)


@pytest.mark.parametrize(
    ("names", "message"),
    [(["default", "nobody"], "nobody"), (["default"] * 3, "got 3 and 2 respectively")],
)
def test_bad_adapter_names(names, message):
    tiny, model, *_ = two_adapters()
    with pytest.raises(ValueError, match=message):
        model(**tiny.batch, task_ids=IDS, adapter_names=names)


def test_mixing_adapters_is_for_inference():
    tiny, model, *_ = two_adapters()
    with pytest.raises(ValueError, match="in training mode"):
        model.train()(**tiny.batch, task_ids=IDS, adapter_names=["default", "other"])


def test_merged_adapters_are_in_every_sample():
    model = grafted(TINY["llama"](), SECOND)
    model.merge_adapter()
    with pytest.raises(ValueError, match=r"there are merged adapters.*`unmerge_adapter` first"):
        model(**TINY["llama"]().batch, task_ids=IDS, adapter_names=["default", "__base__"])


def test_transformers_loads_the_folder_and_adds_adapters(tmp_path):
    tiny = TINY["llama"]()
    plain = copy.deepcopy(tiny.model)
    plain.save_pretrained(tmp_path / "base")
    model = grafted(tiny, FIRST)
    wanted = logits(model, tiny.batch)
    model.save_pretrained(tmp_path / "adapter")
    saved = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert "import coterie" in saved["peft_type"] and "import coterie" in saved["library"]
    saved["base_model_name_or_path"] = str(tmp_path / "base")
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(saved))

    plain.load_adapter(tmp_path / "adapter")
    assert torch.equal(logits(plain, tiny.batch), wanted)
    auto = AutoModelForCausalLM.from_pretrained(tmp_path / "adapter").eval()
    assert torch.equal(logits(auto, tiny.batch), wanted)
    auto_peft = peft.AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter").eval()
    with torch.no_grad():  # PEFT's class for this task type takes `task_ids` away
        out = auto_peft(**tiny.batch, coterie_task_ids=IDS)
    assert torch.equal(out.logits, wanted)
    low = AutoModelForCausalLM.from_pretrained(tmp_path / "base").eval()
    low = peft.PeftModel.from_pretrained(
        low, tmp_path / "adapter", adapter_name="renamed", low_cpu_mem_usage=True
    )
    assert torch.equal(logits(low, tiny.batch), wanted)
    # transformers 5.24 loads with PEFT 0.21, but deletes with 0.22 and later only.
    if Version(peft.__version__) >= Version(MIN_PEFT_VERSION):
        plain.delete_adapter("default")


def test_modules_to_save_travel_with_the_adapter(tmp_path):
    tiny = TINY["vit"]()
    at = Mixture(at="vision.mlp", router=Rectified(bias=0.1))
    model = coterie.graft(tiny.model, at, modules_to_save=["classifier"])
    awake(model)
    head = model.get_base_model().classifier.modules_to_save["default"]
    head.weight.data.normal_()
    assert head.weight.requires_grad
    model.save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(TINY["vit"]().model, tmp_path).eval()
    assert torch.equal(logits(again, tiny.batch), logits(model.eval(), tiny.batch))


@pytest.mark.parametrize("experts", [Lora(ranks=(2, 4)), Copies(count=2)])
def test_a_bfloat16_host_keeps_its_activations_and_float32_experts(experts, tmp_path):
    tiny = TINY["llama"]()
    tiny.model.to(torch.bfloat16)
    mixture = Mixture(at="text.mlp", experts=experts, router=TopK(k=1, normalize="selected"))
    model = grafted(tiny, mixture).train()
    weights = dict(model.named_parameters())
    assert {w.dtype for name, w in weights.items() if ".coterie_" in name} == {torch.float32}
    out = model(**tiny.batch)
    assert out.logits.dtype == torch.bfloat16
    out.loss.backward()
    assert all(w.grad is not None for w in weights.values() if w.requires_grad)
    half = coterie.graft(TINY["llama"]().model.bfloat16(), mixture, autocast_adapter_dtype=False)
    for layer in half.modules():
        if type(layer).__name__ == "LoraLayer":
            assert layer.down.dtype == torch.bfloat16


def test_autocast_runs_experts_in_half_precision():
    tiny = TINY["llama"]()
    model = grafted(tiny, FIRST)
    wanted = logits(model, tiny.batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model.train()(**tiny.batch, task_ids=IDS)
    assert out.logits.dtype == torch.bfloat16
    torch.testing.assert_close(out.logits.float(), wanted, atol=0.05, rtol=0.05)
    out.loss.backward()
    assert gradients(model)


def quantised(how, folder):
    from transformers import BitsAndBytesConfig, TorchAoConfig

    options = {
        "4 bit": lambda: BitsAndBytesConfig(load_in_4bit=True, **NF4),
        "8 bit": lambda: BitsAndBytesConfig(load_in_8bit=True),
        "int8": lambda: TorchAoConfig(int8_weight_only()),
    }[how]()
    model = AutoModelForCausalLM.from_pretrained(folder, quantization_config=options)
    keep_four_bit_layout(model)  # its forward pass without an adapter is compared, too
    return model


def int8_weight_only():
    from torchao.quantization import Int8WeightOnlyConfig

    return Int8WeightOnlyConfig()


@pytest.mark.filterwarnings("ignore")  # bitsandbytes and torchao warn about this CPU
@pytest.mark.parametrize("how", ["4 bit", "8 bit", "int8"])
def test_quantised_hosts_train_save_and_load(how, tmp_path):
    tiny = TINY["llama"]()
    tiny.model.save_pretrained(tmp_path / "base")
    model = coterie.graft(quantised(how, tmp_path / "base"), FIRST, tasks=TASKS)
    with torch.no_grad():
        bare = quantised(how, tmp_path / "base")(**tiny.batch).logits
    torch.testing.assert_close(logits(model, tiny.batch), bare)
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    losses = []
    for _ in range(3):
        loss = model.train()(**tiny.batch, task_ids=IDS).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    model.eval().save_pretrained(tmp_path / "adapter")
    again = peft.PeftModel.from_pretrained(
        quantised(how, tmp_path / "base"), tmp_path / "adapter"
    ).eval()
    torch.testing.assert_close(logits(again, tiny.batch), logits(model, tiny.batch))


def test_a_copied_model_is_a_model_of_its_own():
    tiny = TINY["llama"]()
    model = grafted(tiny, INSTANCE)
    twin = copy.deepcopy(model)
    ids = torch.randint(5, 60, (1, 6))
    options = dict(max_new_tokens=3, do_sample=False, eos_token_id=None)
    wanted = model.generate(input_ids=ids, **options)
    for weights in model.parameters():
        weights.data.zero_()
    assert torch.equal(twin.generate(input_ids=ids, **options), wanted)


def test_a_compiled_model_gets_the_experts_of_a_plain_one():
    config = coterie.tuner.config.CoterieConfig.from_mixtures((SECOND,), ())
    plain = peft.inject_adapter_in_model(config, TINY["llama"]().model)
    names = peft.get_peft_model_state_dict(plain)
    for given in (None, names):
        compiled = torch.compile(TINY["llama"]().model, backend="eager")
        peft.inject_adapter_in_model(config, compiled, state_dict=given)
        found = peft.get_peft_model_state_dict(compiled)
        assert {name.removeprefix("_orig_mod.") for name in found} == set(names)


def test_an_unknown_family_works_with_a_regular_expression():
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    config = GPTNeoXConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4,
    )  # fmt: skip
    mixture = Mixture(at=r".*\.mlp\.dense_\w+", gate=TaskGate(), router=Softmax())
    model = coterie.graft(GPTNeoXForCausalLM(config), mixture, tasks=TASKS)
    ids = torch.randint(0, 64, (2, 5))
    with coterie.observe(model) as tape:
        model(input_ids=ids, labels=ids, task_ids=IDS).loss.backward()
    assert len(tape) == 4


@pytest.mark.parametrize("experts", [Lora(ranks=(4, 4)), Copies(count=2)])
def test_unloading_gives_the_host_back(experts):
    tiny = TINY["llama"]()
    names = [name for name, _ in tiny.model.named_modules()]
    with torch.no_grad():
        bare = tiny.model(**tiny.batch).logits
    mixture = Mixture(at="text.mlp", experts=experts, router=TopK(k=1))
    host = grafted(tiny, mixture).unload()
    assert [name for name, _ in host.named_modules()] == names
    assert "generate" not in vars(host) and not host._forward_pre_hooks
    with torch.no_grad():
        assert torch.equal(host(**tiny.batch).logits, bare)


def test_pictures_may_be_given_by_position():
    tiny = TINY["vit"]()
    model = grafted(tiny, Mixture(at="vision.mlp", gate=TaskGate()))
    pixels = tiny.batch["pixel_values"]
    with torch.no_grad():
        by_position = model.get_base_model()(pixels, task_ids=IDS).logits
        by_name = model(pixel_values=pixels, task_ids=IDS).logits
    assert torch.equal(by_position, by_name)


@pytest.mark.parametrize("blend", ["add", "complement"])
def test_a_mixture_without_a_gate_merges_as_a_plain_lora(blend):
    shared = Lora(ranks=(3,))
    mixture = Mixture(
        at="text.mlp", experts=Lora(ranks=(2, 4)), gate=None, shared=shared, blend=blend
    )
    model = grafted(TINY["llama"](), mixture)
    batch = TINY["llama"]().batch
    wanted = logits(model, batch)
    weights = {name: each.clone() for name, each in model.named_parameters()}
    model.merge_adapter()
    assert all(not torch.equal(each, weights[name]) for name, each in model.named_parameters()
               if name.endswith("up_proj.base_layer.weight"))  # fmt: skip
    torch.testing.assert_close(logits(model, batch), wanted, atol=1e-5, rtol=1e-4)
    model.unmerge_adapter()
    for name, each in model.named_parameters():
        torch.testing.assert_close(each, weights[name], atol=1e-6, rtol=0)
    plain = model.merge_and_unload(safe_merge=True)
    assert not any("coterie" in name for name, _ in plain.named_modules())
    with torch.no_grad():
        torch.testing.assert_close(plain(**batch).logits, wanted, atol=1e-5, rtol=1e-4)


def test_a_merge_that_is_not_exact_changes_nothing():
    mixed = Mixture(at="text.mlp", experts=Lora(ranks=(2,)), router=TopK(k=1))
    model = grafted(TINY["llama"](), SECOND, mixed)
    weights = {name: each.clone() for name, each in model.named_parameters()}
    with pytest.raises(ValueError, match=r"'default' cannot be merged: .*a TokenGate, which reads"):
        model.merge_adapter()
    assert all(torch.equal(each, weights[name]) for name, each in model.named_parameters())
    model.add_adapter("plain", CoterieConfig.from_mixtures((SECOND,), ()))
    model.set_adapter("plain")
    with pytest.raises(ValueError, match="'default' cannot be merged"):  # named, not active
        model.merge_adapter(["plain", "default"])
    assert all(
        torch.equal(each, weights.get(name, each)) for name, each in model.named_parameters()
    )
    broken = grafted(TINY["llama"](), SECOND)
    for name, each in broken.named_parameters():
        if "coterie_experts" in name:
            each.data[0] = float("inf")
    with pytest.raises(ValueError, match="The adapter default seems to be broken: a merged"):
        broken.merge_and_unload(safe_merge=True)


def test_static_gates_merge_for_an_adapter_of_one_task():
    static = Mixture(at="text.mlp", experts=Lora(ranks=(2, 4)), gate=TaskGate(per_token=False))
    torch.manual_seed(0)
    model = coterie.graft(TINY["llama"]().model, static, tasks=("ocr",)).eval()
    awake(model)
    batch, tasks = TINY["llama"]().batch, torch.tensor([0, 0])
    wanted = logits(model, batch, tasks)
    model.merge_adapter()
    torch.testing.assert_close(logits(model, batch, tasks), wanted, atol=1e-5, rtol=1e-4)
    model.unmerge_adapter()
    plain = model.merge_and_unload()
    with torch.no_grad():
        torch.testing.assert_close(plain(**batch).logits, wanted, atol=1e-5, rtol=1e-4)


def test_a_static_gate_of_several_tasks_is_no_single_weight():
    static = Mixture(at="text.mlp", experts=Lora(ranks=(2, 4)), gate=TaskGate(per_token=False))
    model = grafted(TINY["llama"](), static)
    with pytest.raises(ValueError, match=r"of its 2 tasks.*extract\(model, task="):
        model.merge_and_unload()
