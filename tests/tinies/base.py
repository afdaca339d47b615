"""What the tiny models share: their type, a tokenizer trained in memory, pictures, a batch."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast, ProcessorMixin

from coterie.models.processors import load_processor

PAD, BOS, EOS, ANSWER = 0, 1, 2, 3

TEXT: Mapping[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "pad_token_id": PAD,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
}
VISION: Mapping[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 7,
}

PROMPTS = ("what is this?", "is this a cat on a mat?")
ANSWERS = ("it is a cat.", "it is.")


@dataclass(frozen=True)
class HubFiles:
    """What the folder of a model with pictures has on the hub, beside its weights.

    Attributes:
        kind: the processor's class.
        images: preprocessor_config.json, its `image_processor_type` without a backend.
        mark: an image in the chat template.
        settings: processor_config.json.
        tokenizers: folder -> a tokenizer beside that of the language model.
    """

    kind: str
    words: PreTrainedTokenizerFast
    images: Mapping[str, Any]
    mark: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tokenizers: Mapping[str, PreTrainedTokenizerFast] = field(default_factory=dict)

    def write(self, folder: Path, config: Any) -> None:
        """Write all but the weights into `folder`."""
        config.save_pretrained(folder)
        self.words.save_pretrained(folder)
        for name, words in self.tokenizers.items():
            words.save_pretrained(folder / name)
        owner = {"processor_class": self.kind}
        (folder / "preprocessor_config.json").write_text(json.dumps({**self.images, **owner}))
        (folder / "processor_config.json").write_text(json.dumps({**self.settings, **owner}))
        (folder / "chat_template.jinja").write_text(TEMPLATE.replace("MARK", self.mark))

    def load(self, config: Any) -> Any:
        """The processor, as coterie loads it, with torchvision and without."""
        with tempfile.TemporaryDirectory() as folder:
            self.write(Path(folder), config)
            return load_processor(folder, config)


TEMPLATE = """\
{%- for message in messages -%}
{{- message['role'] + ': ' -}}
{%- for part in message['content'] -%}
{{- 'MARK' if part['type'] == 'image' else part['text'] -}}
{%- endfor -%}
{{- ('</s>' if message['role'] == 'assistant' else '') + '\n' -}}
{%- endfor -%}
{{- 'assistant: ' if add_generation_prompt else '' -}}
"""


@dataclass(frozen=True)
class Tiny:
    """A random model in eval mode and one batch of 2 samples that its forward takes as it is.

    Where the family takes images, the samples have 1 and 2 of them. Labels are -100 on prompt
    and padding. Of models of text and pictures, `files` are those beside the weights, and `alone`
    has the batch of each sample alone.
    """

    model: PreTrainedModel
    batch: dict[str, Tensor]
    files: HubFiles | None = None
    alone: Sequence[dict[str, Tensor]] = ()


def with_files(kind: Any, config: Any, files: HubFiles, sizes: Sequence[tuple[int, int]]) -> Tiny:
    """The model, and what its processor makes of both samples and pictures of these sizes."""
    processor = files.load(config)
    samples = with_pictures(processor, files.mark, sizes)
    alone = [with_pictures(processor, files.mark, sizes, sample) for sample in (0, 1)]
    return Tiny(seeded(lambda: kind(config)), samples, files, alone)


def seeded(build: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    """The model that `build` makes, the same each time; the global seed is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build().eval()


def tokenizer(
    *markers: str, names: Mapping[str, str] | None = None, side: str = "right"
) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of some 300 tokens.

    Args:
        markers: special tokens of the family, such as its image placeholder.
        names: the attributes some processors look these up by.
        side: where padding goes, "left" or "right".
    """
    bytes_only = Tokenizer(models.BPE())
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<pad>", "<s>", "</s>", "<answer>", *markers],
        show_progress=False,
    )
    bytes_only.train_from_iterator([*PROMPTS, *ANSWERS] * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bytes_only,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        padding_side=side,
        extra_special_tokens=dict(names or {}),
    )


def texts(image: str = "") -> list[str]:
    """Two samples of prompt and answer, with 1 and 2 images marked by `image`."""
    return [
        f"<s>{image * (sample + 1)}{PROMPTS[sample]}<answer>{ANSWERS[sample]}</s>"
        for sample in range(2)
    ]


def pictures(*sizes: tuple[int, int]) -> list[Image.Image]:
    """One noise picture for each (height, width)."""
    random = numpy.random.RandomState(0)
    return [
        Image.fromarray(random.randint(0, 255, (*size, 3), dtype=numpy.uint8)) for size in sizes
    ]


def with_labels(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The batch with labels for what stands behind `<answer>`."""
    input_ids, attention_mask = batch["input_ids"], batch["attention_mask"]
    is_answer = input_ids == ANSWER
    behind = is_answer.cumsum(-1) - is_answer.long()
    labels = input_ids.masked_fill((behind == 0) | (attention_mask == 0), -100)
    return {**batch, "labels": labels}


def with_pictures(
    processor: ProcessorMixin, image: str, sizes: Sequence[tuple[int, int]], only: int | None = None
) -> dict[str, Tensor]:
    """What `processor` makes of both samples and three pictures, the first sample having one.

    Or of one sample, `only`.
    """
    first, *others = pictures(*sizes)
    chosen = slice(None) if only is None else slice(only, only + 1)
    text, images = texts(image)[chosen], [[first], others][chosen]
    batch = processor(text=text, images=images, padding=True, return_tensors="pt")
    return with_labels(batch)
