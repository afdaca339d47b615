"""The loss, generation, saving, and grafting of the omni model."""

import torch

import coterie
from coterie import Lora, Mixture, TaskGate, TopK
from coterie.models.omni import OmniForConditionalGeneration
from tests.tinies.base import pictures
from tests.tinies.omni import omni_model, omni_processor, waves
from tests.tiny import TINY


def gradients(model, **options):
    model.zero_grad()
    output = model(**TINY["omni"]().batch, **options)
    output.loss.backward()
    named = model.named_parameters()
    return output, {name: each.grad.clone() for name, each in named if each.grad is not None}


def test_loss_at_the_labels_is_the_loss() -> None:
    model = omni_model(omni_processor()).train()
    for options in ({}, {"num_items_in_batch": torch.tensor(7)}):
        model.config.logits_in_training = False
        short, first = gradients(model, **options)
        model.config.logits_in_training = True
        whole, second = gradients(model, **options)
        assert (
            short.logits is None and whole.logits.shape[:2] == TINY["omni"]().batch["labels"].shape
        )
        torch.testing.assert_close(short.loss, whole.loss, atol=1e-6, rtol=1e-6)
        assert first.keys() == second.keys()
        for name in first:
            torch.testing.assert_close(first[name], second[name], atol=1e-6, rtol=1e-4)


def test_no_label_is_no_loss_and_no_nan() -> None:
    model = omni_model(omni_processor()).train()
    batch = TINY["omni"]().batch
    assert model(**batch | {"labels": torch.full_like(batch["labels"], -100)}).loss.item() == 0.0


def test_eval_returns_logits_and_can_keep_the_last_only() -> None:
    tiny = TINY["omni"]()
    with torch.no_grad():
        whole = tiny.model(**tiny.batch).logits
        last = tiny.model(**{**tiny.batch, "labels": None}, logits_to_keep=1).logits
    torch.testing.assert_close(last, whole[:, -1:])


def prompts(processor, **options):
    return processor(
        text=["a<image>", "<audio>what <image><image>"],
        images=pictures((28, 28), (20, 40), (28, 30)),
        audio=waves(0.4),
        return_tensors="pt",
        **options,
    )


def test_generate_left_padded_equals_alone() -> None:
    processor = omni_processor()
    model = omni_model(processor)
    batch = prompts(processor, padding=True, padding_side="left")
    assert (batch["attention_mask"][0] == 0).any()
    placeholders = [processor.image_token_id, processor.audio_token_id]
    options = dict(
        max_new_tokens=5, do_sample=False, eos_token_id=None, suppress_tokens=placeholders
    )
    both = model.generate(**batch, **options)[:, -5:]
    first = processor(text=["a<image>"], images=pictures((28, 28)), return_tensors="pt")
    assert torch.equal(model.generate(**first, **options)[0, -5:], both[0])
    uncached = model.generate(**batch, **options, use_cache=False)[:, -5:]
    assert torch.equal(uncached, both)


def test_beams_keep_a_sample_s_media_together() -> None:
    processor = omni_processor()
    model = omni_model(processor)
    batch = prompts(processor, padding=True, padding_side="left")
    model.config.use_cache = True
    images = model.repeat_media("image", batch["input_ids"], dict(batch), 2)
    assert images.tolist() == [0, 0, 1, 2, 1, 2]
    sounds = model.repeat_media("audio", batch["input_ids"], dict(batch), 3)
    assert sounds.tolist() == [0, 0, 0]
    options = dict(max_new_tokens=3, do_sample=False, eos_token_id=None)
    one = model.generate(**batch, **options, num_beams=1, num_return_sequences=1)
    torch.manual_seed(0)
    many = model.generate(
        **batch,
        max_new_tokens=3,
        do_sample=True,
        top_k=1,
        eos_token_id=None,
        num_return_sequences=2,
    )
    assert torch.equal(many, one.repeat_interleave(2, 0))


def test_saved_and_loaded_with_tied_embeddings(tmp_path) -> None:
    tiny = TINY["omni"]()
    tiny.model.save_pretrained(tmp_path)
    again = OmniForConditionalGeneration.from_pretrained(tmp_path)
    assert again.lm_head.weight is again.get_input_embeddings().weight
    with torch.no_grad():
        assert torch.equal(again(**tiny.batch).logits, tiny.model(**tiny.batch).logits)


def test_grafted_and_trained() -> None:
    tiny = TINY["omni"]()
    mixtures = [
        Mixture(at=role, experts=Lora(ranks=(2, 4)), gate=TaskGate(), router=TopK(k=1))
        for role in ("text.mlp", "audio.mlp", "connector")
    ]
    with torch.no_grad():
        before = tiny.model(**tiny.batch).logits
    model = coterie.graft(tiny.model, mixtures, tasks=("naming", "speech")).train()
    tiny.model.config.logits_in_training = False
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(3):
        loss = model(**tiny.batch, task_ids=torch.tensor([0, 1])).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]
    model.eval()
    with torch.no_grad():
        after = model(**tiny.batch, task_ids=torch.tensor([0, 1])).logits
    assert not torch.allclose(before, after)
