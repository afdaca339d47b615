"""The context of a pass ends with it, also where it is interrupted or another fails within."""

import pytest
import torch

from coterie import Mixture, TaskGate
from coterie.routing.context import CachedDecision, RoutingContext
from coterie.tuner import runtime
from coterie.tuner.runtime import RUNTIME, GenerationSession
from tests.tiny import TINY
from tests.tuner.checks import IDS, grafted, logits

BY_TASK = Mixture(at="text.mlp", gate=TaskGate())


def interrupt(*_):
    raise KeyboardInterrupt


def test_nothing_is_left_of_an_interrupted_pass() -> None:
    tiny = TINY["llama"]()
    model = grafted(tiny, BY_TASK)
    ids = tiny.batch["input_ids"]
    hook = model.get_base_model().model.layers[1].register_forward_pre_hook(interrupt)
    calls = (
        lambda: model(**tiny.batch, task_ids=IDS),
        lambda: model.generate(input_ids=ids, task_ids=IDS, max_new_tokens=1),
    )
    for call in calls:
        with pytest.raises(KeyboardInterrupt):
            call()
        assert RUNTIME.context is None and RUNTIME.generation_session is None
    # Without PEFT's class around it, the next pass drops what is left.
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            model.get_base_model()(**tiny.batch, task_ids=IDS)
    assert RUNTIME.context is not None and RUNTIME.context.outer_context is None
    hook.remove()
    model.get_base_model()(**tiny.batch, task_ids=IDS)
    assert RUNTIME.context is None


def test_a_pass_that_fails_within_another_leaves_its_context() -> None:
    tiny = TINY["llama"]()
    outer, inner = grafted(tiny, BY_TASK), grafted(TINY["llama"](), BY_TASK)
    wanted = logits(outer, tiny.batch)

    def fail(*_) -> None:
        with pytest.raises(ValueError, match="task_ids has 9"):
            inner(**tiny.batch, task_ids=torch.tensor([9, 9]))

    outer.get_base_model().model.layers[1].register_forward_pre_hook(fail)
    assert logits(outer, tiny.batch).equal(wanted)
    assert RUNTIME.context is None


def test_contexts_are_dropped_from_the_outermost_of_their_owner() -> None:
    contexts = [RoutingContext(batch_size=1, device=torch.device("cpu")) for _ in range(4)]
    for context, owner in zip(contexts, ("a", "b", "a", "c"), strict=True):
        runtime.push_context(context)
        context.opened_by = owner
    runtime.drop_interrupted("b")
    assert RUNTIME.context is contexts[0]
    runtime.drop_interrupted("c")
    assert RUNTIME.context is contexts[0]
    runtime.drop_interrupted("a")
    assert RUNTIME.context is None


def test_sessions_of_generate_are_joined_and_selected_by_sample() -> None:
    def session(*tasks: int, encoder: bool) -> GenerationSession:
        """Decisions with the tasks' numbers, of which an encoder's is only there with a picture."""
        logits = torch.tensor(tasks)[:, None].float()
        made = {"mlp": CachedDecision(logits, logits + 0.5)}
        made |= {"vision": CachedDecision(logits, None)} if encoder else {}
        model = torch.nn.Identity()
        return GenerationSession(model=model, task_ids=torch.tensor(tasks), cached_decisions=made)

    both = session(3, 1, encoder=True).join(session(2, encoder=False))
    assert both.has_started and both.cached_decisions.keys() == {"mlp"}
    some = both.select(torch.tensor([2, 0]))
    assert some.task_ids is not None and some.task_ids.tolist() == [2, 3]
    logits, noise = some.cached_decisions["mlp"]
    assert logits.tolist() == [[2.0], [3.0]] and noise is not None
    assert noise.tolist() == [[2.5], [3.5]]
    without = GenerationSession(model=torch.nn.Identity())
    assert without.join(without).select(torch.tensor([0])).task_ids is None
