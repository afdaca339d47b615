"""`MlpConnector`: an embedding for each token of the encoder, by two linear maps."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from coterie.encoding.connector import Connector, Count, Features


@dataclass(frozen=True, kw_only=True)
class MlpConnector(Connector):
    """LayerNorm, linear map, GELU, linear map (LLaVA-1.5, 2310.03744, without the norm).

    The norm is needed because encoder outputs have very different scales.
    """

    def count_tokens(self, count: Count) -> Count:
        return count

    def build(self, width: int, hidden: int, out: int) -> nn.Module:
        return ConnectorMlp(width, hidden, out)

    def project(
        self, network: Any, features: Features, own: Tensor
    ) -> Float[Tensor, "rows seq out"]:
        return network(features)


class ConnectorMlp(nn.Sequential):
    """The network: norm, linear_1, act, linear_2."""

    def __init__(self, width: int, hidden: int, out: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear_1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.linear_2 = nn.Linear(hidden, out)
