"""The published checkpoint's layout at a tiny width, and the released layer written out plainly."""

from pathlib import Path

import peft
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coterie.awaker_checkpoint import PREFIX, convert_awaker
from tests.tiny import TINY

RANK, EXPERTS = 4, 4
PLAIN, GATED, FOLLOWING = (
    ("q_proj", "k_proj", "v_proj"),
    ("o_proj", "gate_proj"),
    ("up_proj", "down_proj"),
)


class ReleasedLayer(nn.Module):
    """A linear layer of the released code: y = W x + G (G s B_e A_e x) + (1 - G) s B_g A_g x."""

    def __init__(self, host: nn.Linear, parts: dict[str, Tensor], state: dict[str, Tensor]):
        super().__init__()
        self.host, self.parts, self.state = host, parts, state

    def lora(self, x: Tensor, kind: str, expert: str) -> Tensor:
        down, up = (self.parts[f"{kind}_{half}.{expert}.weight"] for half in "AB")
        return 2.0 * F.linear(F.linear(x, down), up)

    def forward(self, x: Tensor) -> Tensor:
        y = self.host(x)
        if "lora_A.default.weight" in self.parts:
            return y + self.lora(x, "lora", "default")
        if "w_gate.weight" in self.parts:
            mean = self.state["mean"]
            normed = mean / (mean.square().mean(-1, keepdim=True) + 1e-6).sqrt()
            normed = normed * self.parts["ln.weight"]
            logits = F.linear(normed, self.parts["w_gate.weight"], self.parts["w_gate.bias"])
            self.state["probs"] = logits.softmax(-1)
        top, chosen = self.state["probs"].max(-1)
        for row, (weight, expert) in enumerate(zip(top, chosen, strict=True)):
            routed = weight * self.lora(x[row], "lora_moe", str(int(expert)))
            always = self.lora(x[row], "lora_moe", "g")
            y[row] = y[row] + weight * routed + (1 - weight) * always
        return y


def released(model: nn.Module) -> dict[str, Tensor]:
    """Random weights of all adapters, by the names of the released code."""
    found: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        end = name.rpartition(".")[2]
        if not isinstance(module, nn.Linear) or end not in (*PLAIN, *GATED, *FOLLOWING):
            continue
        place = PREFIX + name.replace("model.language_model.", "model.")
        kind, experts = (
            ("lora", ["default"])
            if end in PLAIN
            else ("lora_moe", [*map(str, range(EXPERTS)), "g"])
        )
        for expert in experts:
            found[f"{place}.{kind}_A.{expert}.weight"] = torch.randn(RANK, module.in_features) * 0.3
            found[f"{place}.{kind}_B.{expert}.weight"] = (
                torch.randn(module.out_features, RANK) * 0.3
            )
        if end in GATED:
            width = model.get_input_embeddings().weight.shape[1]
            found[f"{place}.w_gate.weight"] = torch.randn(EXPERTS, width)
            found[f"{place}.w_gate.bias"] = torch.randn(EXPERTS)
            found[f"{place}.ln.weight"] = 1 + 0.1 * torch.randn(width)
    return found


def base_names(model: nn.Module) -> dict[str, Tensor]:
    """The base model's weights, by the names of the released code."""
    return {
        PREFIX
        + name.replace("model.language_model.", "model.").replace("model.visual.", "visual."): each
        for name, each in model.state_dict().items()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny Qwen2-VL's folder, and the checkpoint's tensors on it."""
    folder = tmp_path_factory.mktemp("awaker")
    torch.manual_seed(0)
    model = TINY["qwen2_vl"]().model
    model.save_pretrained(folder / "base")
    return folder, base_names(model) | released(model)


def saved(folder: Path, tensors: dict[str, Tensor]) -> Path:
    torch.save(tensors, folder / "pytorch_model.bin")
    return folder


def test_it_computes_what_the_released_code_does(made, tmp_path) -> None:
    folder, tensors = made
    to = convert_awaker(saved(tmp_path, tensors), base=folder / "base", to=tmp_path / "adapter")
    tiny = TINY["qwen2_vl"]()
    batch = {name: each for name, each in tiny.batch.items() if name != "labels"}
    model = peft.PeftModel.from_pretrained(tiny.model, str(to)).eval()
    with torch.no_grad():
        found = model(**batch).logits

    plain = TINY["qwen2_vl"]().model
    state: dict[str, Tensor] = {}
    for name, module in list(plain.named_modules()):
        place = PREFIX + name.replace("model.language_model.", "model.") + "."
        parts = {
            key.removeprefix(place): each
            for key, each in tensors.items()
            if key.startswith((f"{place}lora", f"{place}w_gate", f"{place}ln."))
        }
        if parts and isinstance(module, nn.Linear):
            parent, _, last = name.rpartition(".")
            setattr(plain.get_submodule(parent), last, ReleasedLayer(module, parts, state))

    def average(_: nn.Module, args: tuple, kwargs: dict) -> None:
        embedded = args[0] if args else kwargs["hidden_states"]
        seen = batch["attention_mask"][..., None].float()
        state["mean"] = (embedded * seen).sum(1) / seen.sum(1)

    plain.get_decoder().layers[0].register_forward_pre_hook(average, with_kwargs=True)
    with torch.no_grad():
        wanted = plain(**batch).logits
        unchanged = TINY["qwen2_vl"]().model(**batch).logits
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert (wanted - unchanged).abs().max() > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda names: names[:-1], r"1 missing \(base_model.*ln\.weight\)"),
        (
            lambda names: [*names, "base_model.model.extra"],
            r"1 unexpected \(base_model.model.extra\)",
        ),
        (
            lambda names: [name for name in names if "lora_moe_A" not in name],
            "none of Awaker2.5-VL",
        ),
        (lambda names: [name for name in names if "lora_moe_B" not in name], r"40 missing"),
    ],
)
def test_names_that_do_not_fit_are_told(made, tmp_path, change, message) -> None:
    # 40: o_proj, gate, up, down in two layers with five experts each
    folder, tensors = made
    kept = {
        name: tensors.get(name, torch.zeros(1))
        for name in change(sorted(tensors, key=lambda n: (".ln." in n, n)))
    }
    with pytest.raises(ValueError, match=message):
        convert_awaker(saved(tmp_path, kept), base=folder / "base", to=tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_other_base_weights_and_other_files_are_refused(made, tmp_path) -> None:
    folder, tensors = made
    key = "base_model.model.model.norm.weight"
    other = saved(tmp_path, tensors | {key: tensors[key] + 1})
    with pytest.raises(ValueError, match=r"norm\.weight of the base model is not the checkpoint's"):
        convert_awaker(other, base=folder / "base", to=tmp_path / "to")
    torch.save({"x": Path("a")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="cannot be read as tensors alone"):
        convert_awaker(tmp_path, base=folder / "base", to=tmp_path / "to")
    torch.save([torch.ones(1)], tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="no mapping of names to tensors"):
        convert_awaker(tmp_path, base=folder / "base", to=tmp_path / "to")
    with pytest.raises(ValueError, match="is there already"):
        convert_awaker(tmp_path, base=folder / "base", to=tmp_path)
    with pytest.raises(ValueError, match=r"no \*\.safetensors"):
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty" / "config.json").write_bytes(
            (folder / "base" / "config.json").read_bytes()
        )
        convert_awaker(saved(tmp_path, tensors), base=tmp_path / "empty", to=tmp_path / "to")
