"""`RoutingFormat`: which experts the tokens of a prompt and its answer used, as JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coterie.serve.routing_record import RoutedLayer, RoutingPass
from coterie.tuner.forward_hooks import find_hook

DECIMALS = 4


@dataclass(frozen=True, kw_only=True)
class RoutingFormat:
    """The format of the routing of one model's answers.

    Attributes:
        decode: makes text of tokens.
        modalities: token -> the modality for which it stands, as of an image; others are text.
    """

    decode: Callable[[list[int]], str]
    modalities: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Any, decode: Callable[[list[int]], str]) -> "RoutingFormat":
        """Return the format of a model, grafted or not."""
        hook = find_hook(model)
        placeholders = {} if hook is None else hook.family.get_placeholder_ids(model.config)
        return cls(decode=decode, modalities={token: name for name, token in placeholders.items()})

    def format_pass(self, read: RoutingPass, *, is_first: bool) -> dict[str, Any]:
        """Return what one forward pass read; the first also has the layers.

        A layer decides by "token", and its weights are with each token, in the order of such
        layers; or by "prompt", and its weights, of all tokens, are with the layer. A token beyond
        `MAX_WEIGHTS` has null for its weights.
        """
        found: dict[str, Any] = {"tokens": self._list_tokens(read)}
        if is_first:
            found = {"layers": [_describe(*each) for each in read.weights.items()]} | found
        return found

    def format_all(self, passes: Sequence[RoutingPass]) -> dict[str, Any]:
        """Return what all forward passes of an answer read."""
        found: dict[str, Any] = {"layers": [], "tokens": []}
        for number, each in enumerate(passes):
            part = self.format_pass(each, is_first=number == 0)
            found["layers"] += part.get("layers", [])
            found["tokens"] += part["tokens"]
        return found

    def _list_tokens(self, read: RoutingPass) -> list[dict[str, Any]]:
        lists = [_round(each) for layer, each in read.weights.items() if layer.by_token]
        known = min(map(len, lists), default=len(read.ids))
        return [
            {
                "text": self.decode([token]),
                "modality": self.modalities.get(token, "text"),
                "weights": [each[place] for each in lists] if place < known else None,
            }
            for place, token in enumerate(read.ids)
        ]


def _describe(layer: RoutedLayer, weights: Any) -> dict[str, Any]:
    own = {} if layer.by_token else {"weights": _round(weights)[0]}
    decides = "token" if layer.by_token else "prompt"
    return {"name": layer.name, "experts": layer.experts, "decides_by": decides, **own}


def _round(weights: Any) -> list[list[float]]:
    return weights.double().round(decimals=DECIMALS).tolist()
