"""What the gates of an evaluated run, given by its folder, chose for each task."""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from coterie.routing.mutual_information import TaskExpertMass, compute_mutual_information_by_layer


def read_information(run: Path, mass: TaskExpertMass) -> dict[str, float]:
    """Return layer -> mutual information of tasks and experts in nats; at most log(tasks)."""
    usage = {name: {mass: layer[mass]} for name, layer in read_layers(run).items()}
    return compute_mutual_information_by_layer(usage, mass)


def read_largest_share(run: Path) -> float:
    """Return the share of choices that a layer's most used expert has, the mean over layers.

    Tasks count alike. With E experts it is 1 / E or more; 1 where a layer uses one expert alone.
    Layers with one expert, which has all, are left out.
    """
    shares = [
        np.array(list(layer["chosen"].values())).mean(0)
        for layer in read_layers(run).values()
        if len(layer["experts"]) > 1
    ]
    return fmean(float(each.max() / each.sum()) for each in shares)


def read_layers(run: Path) -> Mapping[str, Any]:
    file = run / "routing.json"
    return json.loads(file.read_text())["layers"] if file.is_file() else {}
