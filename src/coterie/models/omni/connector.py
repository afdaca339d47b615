"""`Connector`: the projection of an encoder's tokens to the language model's width."""

from jaxtyping import Float
from torch import Tensor, nn


class Connector(nn.Module):
    """LayerNorm, linear map, GELU, linear map.

    The norm is needed because encoder outputs have very different scales.
    """

    def __init__(self, width: int, hidden: int, out: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear_1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.linear_2 = nn.Linear(hidden, out)

    def forward(self, x: Float[Tensor, "*tokens width"]) -> Float[Tensor, "*tokens out"]:
        return self.linear_2(self.act(self.linear_1(self.norm(x))))
