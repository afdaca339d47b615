import pytest
import torch

from coterie.routing.routers.top_p import TopP

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0]])


def test_uni_moe_2_takes_two_to_reach_seventy_percent():
    # softmax .6439 .2369 .0871 .0321: .6439 < .7, .8808 >= .7, so k = 2
    weights, _ = TopP(p=0.7, normalize=False)(LOGITS, None)
    torch.testing.assert_close(weights, torch.tensor([[0.6439, 0.2369, 0, 0]]), atol=5e-5, rtol=0)


def test_normalised_weights_sum_to_one():
    # .6439 / .8808 = .7311, as a softmax over the two
    weights, _ = TopP(p=0.7)(LOGITS, None)
    torch.testing.assert_close(weights, torch.tensor([[0.7311, 0.2689, 0, 0]]), atol=5e-5, rtol=0)


def test_order_does_not_matter_and_p_1_keeps_all():
    shuffled = LOGITS[:, [3, 0, 2, 1]]
    weights, _ = TopP(p=0.7, normalize=False)(shuffled, None)
    assert (weights > 0).tolist() == [[False, True, False, True]]
    assert (TopP(p=1.0)(LOGITS, None)[0] > 0).all()


def test_one_expert_suffices_where_it_alone_reaches_p():
    weights, _ = TopP(p=0.6)(LOGITS, None)
    assert (weights > 0).sum() == 1


@pytest.mark.parametrize("p", [0.0, 1.1])
def test_p_is_a_share(p):
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        TopP(p=p)
