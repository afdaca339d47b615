import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import coterie
from coterie import Copies, Lora, Mixture, Recipe, Stage, TokenGate, TopK
from coterie.train import Run, expert_sources
from coterie.train.assembly import assemble
from coterie.train.expert_sources import find_adapter, read_source
from coterie.train.inputs import BASE_WEIGHTS
from coterie.train.run_directory import RunDirectory
from tests.train import small

ALONE = Mixture(at="text.mlp", experts=Lora(ranks=(2,)), gate=None)


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = Recipe(name="alone", mixtures=(ALONE,), stages=(Stage(learning_rate=0.1),))
    return small.trained(tmp_path_factory.mktemp("lora") / "run", recipe, steps=2)


def load_model():
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(small.base())


@pytest.mark.parametrize("kind", [Copies(count=2), Copies(count=2, trained="lora", start_rank=2)])
def test_an_expert_alone_is_the_mlp_of_its_run(lora: Run, kind: Copies) -> None:
    base = load_model()
    found = read_source(lora.folder, base, lora.directory)
    assert len(found.changes) == 6 and {each.rank for each in found.changes.values()} == {2}
    router = TopK(k=1, normalize="selected")
    mixture = Mixture(at="text.mlp", experts=kind, gate=TokenGate(), router=router)
    model = coterie.graft(base, mixture)
    assemble(model, [found])
    trained = lora.load(device="cpu").model
    x = torch.randn(3, 5, 32)
    for number in range(2):
        name = f"base_model.model.model.layers.{number}.mlp"
        mine, theirs = model.get_submodule(name), trained.get_submodule(name)
        # Both experts are this run's, so that the choice, of weight 1, does not matter.
        torch.testing.assert_close(mine(x), theirs(x), rtol=1e-4, atol=1e-6)
        assert not torch.allclose(theirs(x), mine.get_base_layer()(x), atol=1e-3)


def test_a_whole_model_is_read_by_its_mlps(lora: Run, tmp_path: Path) -> None:
    base = load_model()
    changed = load_model()
    with torch.no_grad():
        changed.model.layers[1].mlp.up_proj.weight[0, 0] += 0.5
        changed.model.norm.weight += 1
    changed.save_pretrained(tmp_path)
    found = read_source(tmp_path, base, lora.directory)
    assert list(found.changes) == ["model.layers.1.mlp.up_proj"]
    (change,) = found.changes.values()
    matrix = change.compute_matrix()
    assert matrix[0, 0].item() == pytest.approx(0.5) and matrix.count_nonzero() == 1
    assert found.notes == ("1 other weights differ and are not taken: model.norm.weight ...",)

    weights = load_file(tmp_path / "model.safetensors")
    first = "model.layers.0.mlp.up_proj.weight"
    save_file(weights | {first: weights[first][:, :3].clone()}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"up_proj.weight is \(64, 3\), and \(64, 32\) in"):
        read_source(tmp_path, base, lora.directory)
    del weights[first]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"has no model.layers.0.mlp.up_proj.weight"):
        read_source(tmp_path, base, lora.directory)


def test_wrong_sources(lora: Run, tmp_path: Path) -> None:
    base, own = load_model(), lora.directory
    with pytest.raises(ValueError, match="is no folder: give a run, or a stage's folder"):
        read_source(tmp_path / "none", base, own)
    with pytest.raises(ValueError, match=r"has neither an adapter of coterie nor a model"):
        read_source(tmp_path, base, own)
    routed = coterie.graft(load_model(), small.plain().mixtures)
    routed.save_pretrained(tmp_path / "routed")
    with pytest.raises(ValueError, match=r"routed has a mixture of 2 experts at 'text.mlp'"):
        read_source(tmp_path / "routed", base, own)
    unfinished = RunDirectory(tmp_path / "run")
    unfinished.folder.mkdir()
    unfinished.config_file.write_text(own.config_file.read_text())
    with pytest.raises(ValueError, match="is not finished: go on with"):
        find_adapter(unfinished.folder)


def test_damaged_weights_are_refused(lora: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(lora.folder / "adapter", tmp_path / "adapter")
    (file,) = folder.glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"adapter was changed or damaged .* copy it again; or,"):
        find_adapter(folder)
    (folder / "checksums.json").unlink()  # as of one that was meant
    assert find_adapter(folder) == folder


def test_another_base_is_refused(
    lora: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = {lora.folder: {BASE_WEIGHTS: "a"}, tmp_path: {BASE_WEIGHTS: "b"}}
    monkeypatch.setattr(expert_sources, "read_input_digests", lambda run: digests[run.folder])
    with pytest.raises(ValueError, match="trained on another base model than this run's"):
        read_source(lora.folder, load_model(), RunDirectory(tmp_path))
