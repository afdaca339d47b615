"""`OmniProcessor`: chat messages with images, audio and other media to a model's input tensors."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast, no_type_check

import torch
from transformers import BatchFeature, ProcessorMixin, processing_utils
from transformers.image_utils import make_flat_list_of_images

from coterie.encoding.encoder import Encoder
from coterie.modalities.base import find_media_modalities, get_media_modality
from coterie.models.omni.encoders.base import parse_encoders, select_modality

if TYPE_CHECKING:
    from coterie.models.omni.feature_cache import FeatureCache

UNMARKED: str = getattr(processing_utils, "_UNMARKED", "")
"""What comes before a placeholder that no user typed, if `sanitize_control_tokens` is set."""
TRANSFORMERS_MEDIA = ("image", "video", "audio")
"""The modalities that transformers takes out of chat messages."""
COMMON = ("return_tensors", "padding")
"""Options of a call that are not a modality's own."""


class OmniProcessor(ProcessorMixin):
    """An image processor, a feature extractor and a tokenizer.

    Images are resized to a square without preserving the aspect ratio, so that nothing is cropped
    and no token encodes borders; audio is padded to its next token, not to 30 s.

    The tokenizer has the placeholder token of each modality, `image_token` and so on.

    Attributes:
        feature_cache: a `FeatureCache`, or None. With one, the batch holds `image_features` and
            `audio_features` instead of `pixel_values` and `input_features`, and so on.
        encoders: the same entries as in `OmniConfig.encoders`; they determine the number of tokens
            of an item.
    """

    feature_cache: "FeatureCache | None" = None

    @no_type_check  # transformers reads the argument names from the source code
    def __init__(
        self,
        image_processor: Any = None,
        feature_extractor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        encoders: list[Any] | None = None,
    ):
        self.encoders = list(encoders or ())
        self.encoders_by_name = parse_encoders(self.encoders)
        used = {encoder.modality for encoder in self.encoders_by_name}
        for name, modality in find_media_modalities().items():
            token = getattr(tokenizer, modality.token_name, None)
            if token is not None:
                setattr(self, modality.token_name, token)
                setattr(self, f"{name}_token_id", tokenizer.convert_tokens_to_ids(token))
            elif name in used:
                raise ValueError(
                    f"the tokenizer has no {modality.token_name}, and there is an encoder of "
                    f'{name}: load it with extra_special_tokens={{"{modality.token_name}": ...}}'
                )
        super().__init__(image_processor, feature_extractor, tokenizer, chat_template=chat_template)

    def get_placeholder_ids(self) -> dict[str, int]:
        """Return modality -> its placeholder token id, of those that the tokenizer has one for."""
        ids = {name: getattr(self, f"{name}_token_id", None) for name in find_media_modalities()}
        return {name: token for name, token in ids.items() if token is not None}

    def count_tokens(self, modality: str, length: int = 0) -> int:
        """Count the placeholders of an item of `length`, such as the mel frames of audio."""
        encoders = select_modality(self.encoders_by_name, modality)
        return sum(encoder.count_embeddings(length) for encoder in encoders)

    def __call__(
        self,
        images: Any = None,
        text: Any = None,
        videos: Any = None,
        audio: Any = None,
        media: Mapping[str, Sequence[Any]] | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Make the inputs of a batch.

        Args:
            images, text, videos, audio: as every processor takes them; items are in the order of
                their placeholders. A video is an array of RGB frames, uint8 [frames, height,
                breadth, 3].
            media: name -> items of the other modalities, such as {"sound": [float32 [time]]}.
            kwargs: options of the tokenizer, the image processor and the feature extractor.
        """
        images, text, videos, audio = self.prepare_inputs_layout(
            images=images, text=text, videos=videos, audio=audio, **kwargs
        )
        merged = self._merge_kwargs(tokenizer_init_kwargs=self.tokenizer.init_kwargs, **kwargs)
        given = {
            "image": images if images is None else make_flat_list_of_images(images),
            "video": videos if videos is None else flatten_videos(videos),
            "audio": audio,
            **(media or {}),
        }
        items = {name: list(cast(Any, each)) for name, each in given.items() if each is not None}
        data, written = {}, {}
        for name, own in items.items():
            more, written[name] = self.process_media(name, own, self.get_options(merged, name))
            data |= more
        text_options = dict(merged["text_kwargs"])
        names = ("return_text_replacement_offsets", "return_mm_token_type_ids")
        has_offsets, has_types = (text_options.pop(x, merged.get(x, False)) for x in names)
        encoded: dict[str, Any] = {}
        if text is not None:
            text = [text] if isinstance(text, str) else text
            self.check_counts(text, items)
            text, offsets = self.replace_placeholders(text, written)
            encoded = dict(self.tokenizer(text, **text_options))
            self._check_special_mm_tokens(text, cast(Any, encoded), modalities=list(items))
            encoded |= {"text_replacement_offsets": offsets} if has_offsets else {}
            if has_types:
                encoded["mm_token_type_ids"] = self.create_mm_token_type_ids(encoded["input_ids"])
        return BatchFeature(
            {**encoded, **data},
            tensor_type=text_options.get("return_tensors"),
            skip_tensor_conversion=self.skip_tensor_conversion,
        )

    def get_options(self, merged: Mapping[str, Any], modality: str) -> dict[str, Any]:
        """Return the options of a call that a modality's encoders get."""
        names = {"image": "images_kwargs", "video": "images_kwargs", "audio": "audio_kwargs"}
        own = merged.get(names.get(modality, ""), {})
        return {name: value for name, value in own.items() if name not in COMMON}

    def process_media(
        self, modality: str, items: list[Any], options: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        """Return the forward's arguments for items, and the text of each in place of its token."""
        encoders = select_modality(self.encoders_by_name, modality)
        if not encoders:
            known = ", ".join(dict.fromkeys(each.modality for each in self.encoders_by_name))
            raise ValueError(
                f"a sample has {modality}, and the model has no encoder of it (it has "
                f"{known or 'none'}): leave it out, or take a model that has one"
            )
        names = get_media_modality(modality)
        if self.feature_cache is None:
            values, lengths = encoders[0].prepare(items, self, options)
            data = {names.values: values}
        else:
            values, lengths = self.feature_cache.get_features(modality, items, self, options)
            data = {names.features: values}
        if names.lengths and lengths.any():
            data[names.lengths] = lengths
        return data, list(self.write_placeholders(modality, encoders, lengths))

    def write_placeholders(
        self, modality: str, encoders: Sequence[Encoder], lengths: torch.Tensor
    ) -> Iterator[str]:
        """Yield the placeholders of each item, those of the encoders in order."""
        token = getattr(self, get_media_modality(modality).token_name)
        for length in lengths.tolist():
            yield "".join(each.write_placeholders(token, length) for each in encoders)

    def check_counts(self, text: Sequence[str], items: Mapping[str, Sequence[Any]]) -> None:
        """Raise ValueError unless the text has one placeholder for each item."""
        for name, modality in find_media_modalities().items():
            token = getattr(self, modality.token_name, None)
            if token is None:
                continue
            found = sum(len(re.findall(UNMARKED + re.escape(token), each)) for each in text)
            if found != len(items.get(name, ())):
                raise ValueError(
                    f"the text has {found} {token}, and {len(items.get(name, ()))} items of {name} "
                    "are passed: give one placeholder for each"
                )

    def replace_placeholders(
        self, text: Sequence[str], written: Mapping[str, list[str]]
    ) -> tuple[list[str], list[list[dict[str, Any]]]]:
        """Replace the placeholder of each item by its placeholders and tags.

        Returns the text, and where each replacement is, as transformers has them.
        """
        tokens = {getattr(self, f"{name}_token"): name for name in written}
        pattern = UNMARKED + f"({'|'.join(map(re.escape, tokens))})" if tokens else r"(?!)"
        left = {name: iter(each) for name, each in written.items()}
        found, offsets = [], []
        for sample in text:
            whole, last, places = "", 0, []
            for match in re.finditer(pattern, sample):
                name = tokens[match.group(1)]
                replacement = next(left[name])
                whole += sample[last : match.start()]
                span = (len(whole), len(whole) + len(replacement))
                places.append(
                    {"type": name, "span": match.span(), "new_span": span,
                     "text": match.group(), "replacement": replacement}
                )  # fmt: skip
                whole, last = whole + replacement, match.end()
            found.append(whole + sample[last:])
            offsets.append(places)
        return found, offsets

    def _multimodal_inputs_from_conversations(
        self, conversations: list[Any], *args: Any, **kwargs: Any
    ) -> tuple[Any, ...]:
        above: Any = super()
        *found, more = above._multimodal_inputs_from_conversations(conversations, *args, **kwargs)
        media: dict[str, list[Any]] = {}
        for part in list_parts(conversations):
            kind = part["type"]
            if kind in find_media_modalities() and kind not in TRANSFORMERS_MEDIA:
                media.setdefault(kind, []).append(part[kind])
        return (*found, {**more, "media": media} if media else more)

    @property
    def model_input_names(self) -> list[str]:
        used = {encoder.modality for encoder in self.encoders_by_name} | {"image", "audio"}
        media = [
            keyword
            for name, modality in find_media_modalities().items()
            for keyword in modality.keywords
            if name in used
        ]
        return [*self.tokenizer.model_input_names, *media]


def flatten_videos(videos: Any) -> Iterator[Any]:
    """Yield the clips, arrays of frames, of lists of them and of lists of such lists."""
    for each in videos:
        yield from flatten_videos(each) if isinstance(each, list | tuple) else (each,)


def list_parts(conversations: Sequence[Sequence[Mapping[str, Any]]]) -> Iterator[Any]:
    """Yield the parts of all messages whose content is no text."""
    for message in (message for chat in conversations for message in chat):
        content = message.get("content") or ()
        yield from () if isinstance(content, str) else content
