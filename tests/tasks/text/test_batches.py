"""Batches: labels on answers only, nothing cut, every per-token tensor as long as the ids.

The loss of answer tokens is that of the model's own loss, whatever is narrowed.
"""

from types import SimpleNamespace

import numpy
import pytest
import torch
from PIL import Image
from torch import nn

from coterie import Fixed, Mixture
from coterie.data.chat_template import make_template
from coterie.data.sample import MediaFile, Message, TextSample
from coterie.models.image_limit import set_max_pixels
from coterie.tasks.losses import compute_objective, sum_by_task
from coterie.tasks.text import batches
from coterie.tasks.text.batches import TextCollator, append_answers, compute_token_losses
from coterie.tasks.text.generation import prepare_inputs
from tests.tinies.base import tokenizer
from tests.tiny import TINY
from tests.tuner.checks import grafted


def sample(
    task: str, question: str, *answers: str, media: tuple[MediaFile, ...] = ()
) -> TextSample:
    turn = Message(role="user", parts=(*media, question))
    return TextSample(task=task, messages=(turn,), answers=answers, source=f"{task}.jsonl:1")


TEXTS = [[{"role": "user", "content": [{"type": "text", "text": "is this?"}]}]]
SAMPLES = [sample("ocr", "is this a cat on a mat?", "it is.", "yes"), sample("naming", "is?", "a")]


@pytest.fixture
def words():
    words = tokenizer(side="left")  # the collator's batches must not depend on it
    words.chat_template = make_template()
    return words


def test_labels_are_the_first_answer_and_the_end(words):
    batch = TextCollator(words, ("naming", "ocr"))(SAMPLES)
    assert batch["task_ids"].tolist() == [1, 0]
    answers = [ids[ids != -100] for ids in batch["labels"]]
    assert [words.decode(ids) for ids in answers] == ["it is.</s>", "a</s>"]
    whole = [
        words.decode(ids[mask.bool()])
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    assert whole[1] == "user: is?\nassistant: a</s>"
    # padded on the right, and the labels stand where the answers stand
    assert batch["attention_mask"][1].tolist() == sorted(batch["attention_mask"][1], reverse=True)
    shown = batch["labels"] != -100
    assert torch.equal(batch["labels"][shown], batch["input_ids"][shown])


def test_prompts_are_padded_on_the_left(words):
    collate = TextCollator(words, ("naming", "ocr"))
    prompts, batch = collate.collate_prompts(SAMPLES), collate(SAMPLES)
    assert "labels" not in prompts and prompts["attention_mask"][:, -1].tolist() == [1, 1]
    for row in range(2):
        asked = prompts["input_ids"][row][prompts["attention_mask"][row].bool()]
        assert torch.equal(asked, batch["input_ids"][row][: len(asked)])


def test_too_long_a_sample_is_an_error(words):
    whole = TextCollator(words, ("naming", "ocr"))(SAMPLES)
    short, long = whole["attention_mask"].sum(1).flip(0).tolist()
    with pytest.raises(ValueError, match=rf"ocr.jsonl:1: {long} tokens.*Nothing is cut"):
        TextCollator(words, ("naming", "ocr"), max_length=short)(SAMPLES)


def test_a_sample_that_the_template_refuses_is_named(words):
    words.chat_template = "{{ raise_exception('no turns') if 'mat' in messages[0]['content'] }}a"
    with pytest.raises(
        ValueError, match=r"^ocr.jsonl:1: the model's chat template refuses it: .*no"
    ):
        TextCollator(words, ("naming", "ocr"))(SAMPLES)


def test_wrong_use_is_an_error(words, unchecked):
    with pytest.raises(ValueError, match="max_length=0"):
        TextCollator(words, ("ocr",), max_length=0)
    with pytest.raises(ValueError, match=r"of task 'naming'; the tasks are ocr"):
        TextCollator(words, ("ocr",))(SAMPLES)
    with pytest.raises(ValueError, match=r"media \(image\), but the model has a tokenizer only"):
        TextCollator(words, ("ocr",))([sample("ocr", "is?", "a", media=(picture(),))])


def picture() -> MediaFile:
    from io import BytesIO

    noise = numpy.random.RandomState(0).randint(0, 255, (28, 28, 3), dtype=numpy.uint8)
    file = BytesIO()
    Image.fromarray(noise).save(file, format="PNG")
    return MediaFile(kind="image", content=file.getvalue())


def test_llava_takes_the_batch_as_it_is():
    tiny = TINY["llava"]()
    assert tiny.files is not None
    processor = tiny.files.load(tiny.model.config)
    processor.chat_template = make_template()
    words = processor.tokenizer
    collate = TextCollator(processor, ("naming", "ocr"))
    seen = [sample("ocr", "is this?", "it is.", media=(picture(),)), SAMPLES[1]]
    batch = collate(seen)
    assert batch["pixel_values"].shape[0] == 1
    # 28 / 7 squared patches of the one picture
    assert (batch["input_ids"] == words.convert_tokens_to_ids("<image>")).sum(1).tolist() == [16, 0]
    model = tiny.model
    assert batch["task_ids"].tolist() == [1, 0]
    assert torch.isfinite(model(**prepare_inputs(batch, model)).loss)
    prompts = prepare_inputs(collate.collate_prompts(seen), model)
    answer = model.generate(**prompts, max_new_tokens=2, do_sample=False)
    assert answer.shape == (2, prompts["input_ids"].shape[1] + 2)


def test_paligemma_never_sees_an_answer_before_it_is_given():
    # Tokens of type 0, the prompt, see each other; an answer sees what is before it.
    tiny = TINY["paligemma"]()
    assert tiny.files is not None
    collate = TextCollator(tiny.files.load(tiny.model.config), ("naming", "ocr"))
    found = []
    for answer in ("it is.", "a cat."):
        batch = collate([sample("ocr", "is this?", answer, media=(picture(),))])
        assert (batch["token_type_ids"] == (batch["labels"] != -100)).all()
        start = int((batch["labels"] != -100).nonzero()[0, 1])
        batch.pop("task_ids")
        with torch.no_grad():
            found.append(tiny.model(**batch).logits[0, :start])
    torch.testing.assert_close(*found)
    prompts = collate.collate_prompts([sample("ocr", "is this?", "it is.", media=(picture(),))])
    assert "labels" not in prompts and (prompts["token_type_ids"] == 0).all()


def test_blip_2_takes_one_image_a_sample():
    # Its processor writes the tokens of one image, and the model would drop the second unseen.
    tiny = TINY["blip_2"]()
    assert tiny.files is not None
    processor = tiny.files.load(tiny.model.config)
    processor.chat_template = make_template()
    collate = TextCollator(processor, ("naming", "ocr"))
    one, two = (sample("ocr", "is this?", "it is.", media=(picture(),) * i) for i in (1, 2))
    batch = collate([one, one])
    assert (batch["input_ids"] == tiny.model.config.image_token_id).sum(1).tolist() == [4, 4]
    assert torch.isfinite(tiny.model(**prepare_inputs(batch, tiny.model)).loss)
    with pytest.raises(
        ValueError, match=r"the model's processor refuses it .*: it takes one image"
    ):
        collate([one, two])


def test_other_numbers_a_token_are_extended_and_media_are_not():
    encoded = {
        "input_ids": torch.tensor([[0, 5, 6], [7, 8, 9]]),
        "attention_mask": torch.tensor([[0, 1, 1], [1, 1, 1]]),
        "mm_token_type_ids": torch.tensor([[0, 1, 0], [1, 1, 0]]),
        "audio_lengths": torch.tensor([[0, 1, 0], [1, 1, 0]]),
    }
    answers = [torch.tensor([3]), torch.tensor([4, 2])]
    batch = append_answers(encoded, answers, pad=0, side="right")
    assert batch["input_ids"].tolist() == [[5, 6, 3, 0, 0], [7, 8, 9, 4, 2]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert batch["mm_token_type_ids"].tolist() == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0]]
    assert torch.equal(batch["audio_lengths"], encoded["audio_lengths"])


def batch_of(family: str):
    tiny = TINY[family]()
    return grafted(tiny, Mixture(at="text.mlp")), tiny.batch | {"task_ids": torch.tensor([0, 1])}


@pytest.mark.parametrize("family", ["llama", "qwen2", "llava", "idefics3", "qwen2_vl", "gemma3"])
@pytest.mark.parametrize("narrow", [True, False])
def test_mean_is_the_models_own_loss(family: str, narrow: bool):
    model, batch = batch_of(family)
    head = model.get_base_model().get_output_embeddings() if narrow else None
    found = compute_token_losses(model, head, batch)
    torch.testing.assert_close(found.losses.mean(), model(**batch).loss)
    labelled = (batch["labels"][:, 1:] != -100).sum(1)
    assert found.task_ids.bincount().tolist() == labelled.tolist()


@pytest.mark.parametrize("tokens", [1, 5])
def test_a_batch_without_a_predicted_token_has_no_loss_and_no_nan(tokens: int):
    model, batch = batch_of("llama")
    ids = batch["input_ids"][:, :tokens]
    # Padding alone; or one token each, which has a label but nothing before it.
    labels, mask = (ids, torch.ones_like(ids)) if tokens == 1 else (ids * 0 - 100, ids * 0)
    short = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    head = model.get_base_model().get_output_embeddings()
    found = compute_token_losses(model, head, short | {"task_ids": batch["task_ids"]})
    sums = sum_by_task(found, 2)
    assert sums.counts.tolist() == [0, 0]
    loss = compute_objective(sums, Fixed().build(2), torch.tensor(1.0))
    loss.backward()
    assert loss.item() == 0.0


def test_head_sees_answers_only():
    model, batch = batch_of("llama")
    head = model.get_base_model().get_output_embeddings()
    seen = []
    head.register_forward_hook(lambda module, args, output: seen.append(output.shape[:2]))
    found = compute_token_losses(model, head, batch)
    assert seen == [(1, len(found.losses))]
    assert not head._forward_pre_hooks


def test_logits_of_another_shape_are_refused(unchecked: None):
    class Odd(nn.Module):
        def forward(self, **inputs: torch.Tensor):
            class Answer:
                logits = torch.zeros(2, 3)

            return Answer()

    batch = TINY["llama"]().batch | {"task_ids": torch.tensor([0, 1])}
    with pytest.raises(ValueError, match=r"logits of shape \(2, 3\)"):
        compute_token_losses(Odd(), None, batch)


def test_images_are_limited_as_the_processor_says(words, monkeypatch) -> None:
    seen = []
    real = batches.apply_template
    monkeypatch.setattr(
        batches, "apply_template", lambda processor, chats: seen.extend(chats) or real(words, TEXTS)
    )
    processor = SimpleNamespace(tokenizer=words, image_processor=SimpleNamespace())
    processor.apply_chat_template = words.apply_chat_template
    monkeypatch.setattr(batches, "mark_instructions", lambda *_: torch.ones(1, 1))
    collate = TextCollator(processor, ("ocr",))
    for limit, size in ((None, (28, 28)), (200, (14, 14))):
        set_max_pixels(processor, limit)
        collate.collate_prompts([sample("ocr", "is this?", media=(picture(),))])
        assert seen.pop()[0]["content"][0]["image"].size == size
