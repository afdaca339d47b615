"""The embedding is the state behind the last token's logits, whatever else is in the batch."""

import pytest
import torch

from coterie.models.loading import load
from coterie.tasks.retrieval.embedding import PairCollator, embed, embed_pairs
from coterie.tasks.text.generation import prepare_inputs
from tests.evaluate.runs import base
from tests.tasks.text.test_generation import ask


def test_pairs_are_prompts_and_then_answers() -> None:
    loaded = load(base())
    samples = [ask("is it a cat?"), ask("is it on a mat, or is it a dog?")]
    collator = PairCollator(loaded.processor, ["a"])
    batch = collator(samples)
    # The samples have one answer, so neither is a negative of the other.
    assert len(batch["input_ids"]) == 4 and batch["excluded"].all()
    queries, candidates, _ = embed_pairs(loaded, collator, samples, batch_size=1)
    assert torch.allclose(candidates[0], candidates[1], atol=1e-6)
    model = loaded.model
    head, inputs = model.get_output_embeddings(), prepare_inputs(batch, model)
    with torch.no_grad():
        together = embed(model, head, inputs)
        inputs.pop("excluded")
        logits = model(**inputs).logits[:, -1]
        assert torch.allclose(head(together), logits, atol=1e-5)
    # Padding on the left does not change what a row is embedded as.
    assert torch.allclose(together[:2], queries, atol=1e-5)
    with pytest.raises(ValueError, match="tokens; max_length is 3"):
        PairCollator(loaded.processor, ["a"], max_length=3)(samples)
    with pytest.raises(ValueError, match="has no output head"):
        embed(model, None, batch)
