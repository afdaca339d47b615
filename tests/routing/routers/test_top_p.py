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


def test_released_weights_are_equal_unless_logits_nearly_tie():
    # Two are kept. 1 is 50 % below 2, and 0 is 100 % below 1: each is alone, 1 / 2 each.
    weights, probs = TopP(p=0.7, weights="sparse_mixer")(LOGITS, None)
    torch.testing.assert_close(weights, torch.tensor([[0.5, 0.5, 0, 0]]), atol=1e-6, rtol=0)
    torch.testing.assert_close(probs, LOGITS.softmax(-1))


def test_released_weights_of_near_ties():
    # Softmax .4705 .4658 .0637: two are kept. .99 is 1 % below 1, so 1 has 1 / (1 + e^-.01) =
    # .502500 of both; then .99 is alone, with 1. Divided by their sum: .334443 and .665557.
    logits = torch.tensor([[-1.0, 1.0, 0.99]])
    weights, _ = TopP(p=0.7, weights="sparse_mixer")(logits, None)
    torch.testing.assert_close(weights, torch.tensor([[0, 0.334443, 0.665557]]), atol=2e-6, rtol=0)
    raw, _ = TopP(p=0.7, weights="sparse_mixer", normalize=False)(logits, None)
    torch.testing.assert_close(raw, torch.tensor([[0, 0.5025, 1]]), atol=1e-6, rtol=0)


def test_released_weights_of_equal_and_of_negative_logits():
    # All 0, p = .5: two of four are kept, with 1 / 4 and then 1 / 3: 3/7 and 4/7 of their sum.
    logits = torch.zeros(1, 4, requires_grad=True)
    weights, _ = TopP(p=0.5, weights="sparse_mixer")(logits, None)
    torch.testing.assert_close(weights, torch.tensor([[3 / 7, 4 / 7, 0, 0]]), atol=2e-6, rtol=0)
    weights[0, 0].backward()
    assert logits.grad is not None and logits.grad.isfinite().all()
    # -100 and -101: 1 / 101 of the larger in size, so they tie: 1 / (1 + e^-1) = .731059, then 1.
    weights, _ = TopP(p=1.0, weights="sparse_mixer")(torch.tensor([[-100.0, -101.0]]), None)
    expected = torch.tensor([[0.731059, 1.0]]) / 1.731059
    torch.testing.assert_close(weights, expected, atol=2e-6, rtol=0)


def test_weights_is_checked(unchecked):
    with pytest.raises(ValueError, match="allowed are 'probabilities' and 'sparse_mixer'"):
        TopP(weights="even")


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


def test_gradient_needs_sampled_weights(unchecked):
    with pytest.raises(ValueError, match="give weights='sparse_mixer'"):
        TopP(gradient="paper")
