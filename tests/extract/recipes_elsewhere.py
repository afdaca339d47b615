"""Run as a script, in a process that cannot import coterie: do the exports answer as the mixtures?

Reads FOLDER/cases.json, writes FOLDER/errors.json: "recipe format" -> largest difference of an
output, by the largest output.
"""

import importlib.util
import json
import sys
from pathlib import Path

import torch


class NoCoterie:
    """A finder that finds no coterie, as where it is not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("coterie", "coterie_demo"):
            raise ImportError(f"there is no {name} here")


def load_adapters(case, base, names):
    """All adapters in one model, active together."""
    from peft import PeftModel

    first, *others = names
    model = PeftModel.from_pretrained(base, f"{case['to']}/{first}", adapter_name=first)
    for name in others:
        model.load_adapter(f"{case['to']}/{name}", adapter_name=name)
    model.base_model.set_adapter(names)
    return model.eval()


def set_scales(model, find):
    """The factor of each adapter at each module; the adapters' own scale is 1."""
    from peft.tuners.lora import LoraLayer

    for name, module in model.get_base_model().named_modules():
        for adapter in module.lora_A if isinstance(module, LoraLayer) else ():
            module.scaling[adapter] = find(name, adapter)


def run(case, samples):
    """The export's outputs."""
    if case["format"] == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(f"{case['to']}/model.onnx")
        return torch.from_numpy(session.run(None, {"pixel_values": samples.numpy()})[0])
    import transformers
    from peft import PeftModel

    kind = getattr(transformers, case["kind"])
    if case["format"] in ("merged", "native"):
        return kind.from_pretrained(case["to"]).eval()(input_ids=samples).logits
    base = kind.from_pretrained(case["base"])
    if case["format"] == "adapter":
        return PeftModel.from_pretrained(base, case["to"]).eval()(input_ids=samples).logits
    if case["format"] == "adapters":
        scales = json.loads(Path(case["to"], "scales.json").read_text())
        model = load_adapters(case, base, scales["adapters"])
        if "scales" in scales:
            own = scales["scales"][case["task"]]
            set_scales(model, lambda name, adapter: own[adapter])
        else:
            own = scales["module_scales"][case["task"]]
            set_scales(model, lambda name, adapter: own[adapter][name])
        return model(input_ids=samples).logits
    return run_routed(case, base, samples)


def run_routed(case, base, samples):
    """Each prompt with the weights that route.py computes for it."""
    place = Path(case["to"], "route.py")
    spec = importlib.util.spec_from_file_location("route", place)
    route = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(route)
    router = route.PromptRouter(case["to"])
    names = sorted({name for each in router.settings["groups"] for name in each["adapters"]})
    model = load_adapters(case, base, names)
    outputs = []
    for sample in samples:
        weights = router(router.embed(case["base"], sample.tolist()))
        set_scales(model, lambda name, adapter, own=weights: own[name][adapter].item())
        outputs.append(model(input_ids=sample[None]).logits)
    return torch.cat(outputs)


if __name__ == "__main__":
    sys.meta_path.insert(0, NoCoterie())
    torch.set_num_threads(1)
    folder, errors = Path(sys.argv[1]), {}
    for case in json.loads((folder / "cases.json").read_text()):
        known = torch.load(case["known"])
        with torch.no_grad():
            found = run(case, known["samples"])
        difference = (found - known["wanted"]).abs().max() / known["wanted"].abs().max()
        errors[f"{case['name']} {case['format']}"] = difference.item()
    assert "coterie" not in sys.modules
    (folder / "errors.json").write_text(json.dumps(errors))
