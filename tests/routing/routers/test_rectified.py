import torch

from coterie.routing.routers.rectified import Rectified


def test_rode_keeps_what_is_positive_and_does_not_normalise():
    weights, probs = Rectified()(torch.tensor([[-1.0, 0.5, 2.0]]), None)
    assert weights.tolist() == [[0.0, 0.5, 2.0]]
    assert torch.equal(weights, probs)


def test_bias_moves_the_threshold():
    # -1 + .6 = -.4 -> 0; .5 + .6 = 1.1
    weights, _ = Rectified(bias=0.6)(torch.tensor([[-1.0, 0.5]]), None)
    torch.testing.assert_close(weights, torch.tensor([[0.0, 1.1]]))


def test_a_dead_token_has_no_gradient_which_the_bias_prevents():
    logits = torch.zeros(1, 2, requires_grad=True)
    Rectified()(logits, None)[0].sum().backward()
    assert logits.grad is not None and logits.grad.abs().sum() == 0
    logits.grad = None
    Rectified(bias=0.1)(logits, None)[0].sum().backward()
    assert logits.grad.tolist() == [[1.0, 1.0]]
