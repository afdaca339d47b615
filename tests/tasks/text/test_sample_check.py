"""What a model cannot take is told with its reason: template, processor, length, special tokens."""

from pathlib import Path

import pytest

from coterie.data.chat_template import make_template
from coterie.data.dataset import RowError
from coterie.data.sample import MediaFile, Message, TextSample
from coterie.tasks.text import sample_check
from coterie.tasks.text.batches import TextCollator
from coterie.tasks.text.sample_check import TokenCheck
from tests.data.files import png, tone, wav
from tests.tasks.text.test_batches import SAMPLES, sample
from tests.tinies.base import tokenizer
from tests.tiny import TINY

STRICT = (
    "{%- for m in messages -%}{%- if m.role == 'system' -%}{{- raise_exception('no system') -}}"
    "{%- endif -%}{{- m.content -}}{%- endfor -%}"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def words():
    words = tokenizer()
    words.chat_template = make_template()
    return words


def test_tokens_are_those_of_the_batch_and_are_counted_once(words, home: Path, monkeypatch):
    batch = TextCollator(words, ("naming", "ocr"))(SAMPLES)
    lengths = batch["attention_mask"].sum(1).tolist()
    assert [TokenCheck(words).count_tokens(each) for each in SAMPLES] == lengths
    check = TokenCheck(words)
    assert list(map(check.count_tokens, SAMPLES)) == lengths
    check.cache.save()
    monkeypatch.setattr(TextCollator, "encode", None)  # would fail if it were called
    again = TokenCheck(words)
    assert list(map(again.count_tokens, SAMPLES)) == lengths
    words.chat_template = "another"
    with pytest.raises(RowError, match="refuses it"):
        TokenCheck(words).count_tokens(SAMPLES[0])


def test_too_long_samples(words):
    length = TokenCheck(words).count_tokens(SAMPLES[0])
    assert TokenCheck(words, max_length=length).count_tokens(SAMPLES[0]) == length
    with pytest.raises(
        RowError, match=rf"row: has {length} tokens, and max_length is {length - 1}"
    ):
        TokenCheck(words, max_length=length - 1).count_tokens(SAMPLES[0])
    scored = TokenCheck(words, max_length=length - 1).without_max_length()
    assert scored.count_tokens(SAMPLES[0]) == length
    with pytest.raises(RowError, match=rf"model has positions for {length - 1} \(max_position"):
        TokenCheck(words, context_length=length - 1).count_tokens(SAMPLES[0])


def test_a_template_that_refuses_a_role(words):
    words.chat_template = STRICT
    turns = (Message(role="system", parts=("be kind",)), *SAMPLES[0].messages)
    asked = TextSample(task="ocr", messages=turns, answers=("a",), source="r.jsonl:1")
    with pytest.raises(RowError, match=r"^row: the model's chat template refuses it: .*no system$"):
        TokenCheck(words).count_tokens(asked)


def test_special_tokens_in_the_text(words):
    for asked in (sample("ocr", "is </s> it?", "a"), sample("ocr", "is it?", "a </s>")):
        with pytest.raises(RowError, match=r"has '</s>' in its text, which the model reads as"):
            TokenCheck(words).count_tokens(asked)
    assert TokenCheck(words).count_tokens(sample("ocr", "is < /s> it?", "a"))


def test_media_that_the_model_does_not_read(words):
    image = MediaFile(kind="image", content=png(size=(28, 28)))
    sound = MediaFile(kind="audio", content=wav(tone()))
    with pytest.raises(RowError, match=r"model has a tokenizer only"):
        TokenCheck(words).count_tokens(sample("ocr", "is?", "a", media=(image,)))
    tiny = TINY["llava"]()
    assert tiny.files is not None
    processor = tiny.files.load(tiny.model.config)
    processor.chat_template = make_template()
    check = TokenCheck(processor)
    # 16 patches of the picture, and the text around it
    assert check.count_tokens(sample("ocr", "is?", "a", media=(image,))) > 16
    with pytest.raises(RowError, match=r"audio|sound"):
        check.count_tokens(sample("ocr", "is?", "a", media=(sound,)))


def test_collators_are_lent_to_one_thread_each(words, monkeypatch):
    check = TokenCheck(words)
    with check._borrow_collator() as one, check._borrow_collator() as other:
        assert one is not other and one.processor is not other.processor
    assert len(check.idle) == 2 and sample_check.CHECKS_VERSION
