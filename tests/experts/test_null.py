import pytest
from torch import nn

from coterie.experts.null import Null


def test_holds_nothing_at_any_host() -> None:
    assert Null().build(nn.Linear(2, 2), None) is None
    assert Null(count=2).build(nn.Identity(), Null()) is None
    assert (Null().attaches_to, Null(count=3).count) == ("block", 3)


def test_refuses_no_experts() -> None:
    with pytest.raises(ValueError, match="count=0"):
        Null(count=0)
