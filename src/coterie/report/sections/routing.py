"""Where each token of a sample goes: its words, and the tokens of its images, sounds and videos."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from coterie.report.context import ReportContext
from coterie.report.expert_layers import parse_layers
from coterie.report.formatting import strip_common_prefix
from coterie.report.heatmap import compute_largest, parse_matrix, render_choices_uri
from coterie.report.section import Section
from coterie.report.systems import ReportSystem, RunFiles
from coterie.routing.mutual_information import compute_mutual_information

MAX_TASKS = 12
Weights = Float64[Tensor, "layers tokens experts"]


class Token(NamedTuple):
    """A token's text, empty for media; its modality, and the expert that most layers choose.

    `share` is that of the layers that choose it, in [0, 1].
    """

    text: str
    modality: str
    expert: int
    share: float


class TracedSample(NamedTuple):
    """A prompt: its tokens, and for each layer and token the expert of the largest weight."""

    task: str
    tokens: Sequence[Token]
    picture: str
    layers: Sequence[str]


class RoutingOfSamples(Section):
    """Experts by modality, and token by token in a sample of each task, of the highlighted system.

    If its gates do not decide for single tokens, of the first system whose gates do.
    """

    title = "Routing"
    order = 35

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        systems = (context.highlighted, *context.systems)
        shown = (describe_routing(each) for each in systems)
        found = next((each for each in shown if each["samples"] or each["modalities"]), None)
        return found or describe_routing(context.highlighted)


def describe_routing(system: ReportSystem) -> dict[str, Any]:
    """Return what the template shows of a system."""
    traced = [read_trace(system, task) for task in list_tasks(system)[:MAX_TASKS]]
    found = [each for each in traced if each is not None]
    return {
        "system": system,
        "modalities": read_modalities(system),
        "samples": [sample for sample, _ in found],
        "experts": max((count for _, count in found), default=0),
    }


def list_tasks(system: ReportSystem) -> list[str]:
    """List the tasks of a system's runs, each once."""
    return list(dict.fromkeys(task for run in system.runs for task in run.metrics))


def read_modalities(system: ReportSystem) -> Mapping[str, Any] | None:
    """Read how the modalities of tokens use the experts; None for one modality alone."""
    for run in system.runs:
        data = run.directory.try_read_mapping(run.directory.expert_usage_file) or {}
        names, layers = parse_layers({"layers": data.get("modalities")})
        alike = [each for each in layers if each.experts == layers[0].experts]
        if len(names) > 1:
            weights = torch.stack([each.mean_weight for each in alike])
            mean = weights.nanmean(0)
            information = [compute_mutual_information(each).item() for each in weights]
            return {
                "names": names,
                "experts": [f"{number}. {each}" for number, each in enumerate(alike[0].experts, 1)],
                "mean": mean,
                "most": compute_largest(mean),
                "information": sum(information) / len(information),
                "layers": len(alike),
            }
    return None


def read_trace(system: ReportSystem, task: str) -> tuple[TracedSample, int] | None:
    """Return the trace of a task's first sample, of the first run with one.

    None if no run has one.
    """
    traced = (parse_trace(task, read_trace_file(run, task)) for run in system.runs)
    return next((each for each in traced if each is not None), None)


def read_trace_file(run: RunFiles, task: str) -> Mapping[str, Any]:
    """Read a run's file of a task; empty without one."""
    try:
        file = run.directory.routing_trace_file(run.split, task)
    except ValueError:  # the task's name comes from a file, and may be a path
        return {}
    return run.directory.try_read_mapping(file) or {}


def parse_trace(task: str, data: Mapping[str, Any]) -> tuple[TracedSample, int] | None:
    """Parse the contents of a file; None for anything else."""
    texts, modalities = data.get("tokens"), data.get("modalities")
    layers = data.get("layers")
    if not (isinstance(texts, list) and isinstance(modalities, list) and isinstance(layers, dict)):
        return None
    lines = {str(name): lines for name, lines in layers.items() if isinstance(lines, list)}
    widths = [len(each[0]) for each in lines.values() if each and isinstance(each[0], list)]
    parsed = {
        name: parse_matrix(each, len(texts), widths[0]) for name, each in lines.items() if widths
    }
    held = {name: each.nan_to_num(0.0) for name, each in parsed.items() if each is not None}
    if not held or len(modalities) != len(texts):
        return None
    weights: Weights = torch.stack(list(held.values()))
    chosen: Int64[Tensor, "layers tokens"] = weights.argmax(-1)
    tokens = [
        make_token(str(text), str(modality), column)
        for text, modality, column in zip(texts, modalities, chosen.unbind(1), strict=True)
    ]
    strength = weights.amax(-1) / compute_largest(weights.amax(-1))
    picture = render_choices_uri(chosen, strength)
    return TracedSample(task, tokens, picture, strip_common_prefix(list(held))), weights.shape[-1]


def make_token(text: str, modality: str, chosen: Int64[Tensor, " layers"]) -> Token:
    """Make a token of the experts that the layers choose for it."""
    counts = torch.bincount(chosen)
    expert = int(counts.argmax())
    return Token(
        text if modality == "text" else "", modality, expert, counts[expert].item() / len(chosen)
    )
