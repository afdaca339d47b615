"""`load_processor`: load a model's processor, also where its videos lack a package."""

from collections.abc import Mapping
from importlib.util import find_spec
from inspect import isclass
from pathlib import Path
from typing import Any, cast

from coterie.data.sources.base import get_first_line
from coterie.models.base_config import describe_remote_code

PACKAGES = ("torchvision", "timm", "num2words")
"""What processors and vision towers of some families import: the extra `families`."""
ADVICE = "pip install 'coterie[families]'"
SLOW_TOKENIZER, FAST_TOKENIZER = "tokenizer.model", "tokenizer.json"
CONVERTERS = ("sentencepiece", "tiktoken")
"""What reads the first of these: most models have it in sentencepiece's format."""
LOADING_ERRORS = (OSError, ValueError, KeyError, ImportError)
"""What transformers raises for missing or damaged files, and for missing packages."""


class MissingVideoProcessor(dict[str, Any]):
    """The settings of a video processor that cannot be built without torchvision.

    It is in the place of the processor's own, and is saved with it. A setting that the files do
    not have is None: those are read for images too, as SmolVLM's number of frames.
    """

    _auto_class = None
    model_input_names = ("pixel_values_videos",)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # protocols, as that of copies
            raise AttributeError(name)
        return self.get(name)

    def __call__(self, *videos: Any, **settings: Any) -> Any:
        raise ValueError(f"videos need torchvision, which is missing here: {ADVICE}")


class _WithoutVideos:
    """A mixin of a processor under construction that accepts a `MissingVideoProcessor`."""

    def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
        if isinstance(argument, MissingVideoProcessor):
            return MissingVideoProcessor
        parent: Any = super()
        return parent.check_argument_for_proper_class(argument_name, argument)


def load_processor(folder: str, config: Any) -> Any:
    """Load the processor of a folder or hub id, or the tokenizer of a model that reads text alone.

    Without torchvision, transformers prepares images with Pillow, but refuses the processors that
    prepare videos too. These are loaded without that part.

    Raises ValueError if there is none, or a package is missing, with the command that installs it.
    A model that reads media never gets a bare tokenizer: it would be trained on text alone, and
    with another chat template than its own.
    """
    from transformers import AutoProcessor, AutoTokenizer, ProcessorMixin
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    # The thinker of Qwen2.5-Omni has a processor in its files, and none in transformers' table.
    reads_media = type(config) in PROCESSOR_MAPPING
    reads_media |= getattr(config, "vision_config", None) is not None
    try:
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=False)
        if isinstance(processor, ProcessorMixin) or not reads_media:
            return processor
        problem: Exception = ValueError(f"there is a {type(processor).__name__} only")
    except LOADING_ERRORS as error:
        problem = error
    try:
        if not reads_media:
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        if find_spec("torchvision") is None:
            return _load_without_videos(folder, PROCESSOR_MAPPING.get(type(config), None))
    except LOADING_ERRORS as error:
        # The first problem of a model with media may have been that of the videos.
        problem = error if reads_media or describe_remote_code(folder, error) else problem
    raise ValueError(describe_loading_problem(folder, problem)) from problem


def describe_loading_problem(folder: str, problem: Exception) -> str:
    """Describe why what is in a folder cannot be loaded, and what to do."""
    if remote := describe_remote_code(folder, problem):
        return remote
    if converters := find_missing_converters(folder):
        return (
            f"base={folder!r} has its tokenizer in {SLOW_TOKENIZER} alone, which needs "
            f"{' or '.join(converters)} to be read, and it is not installed: pip install "
            f"{converters[0]} protobuf; or put its {FAST_TOKENIZER} beside it"
        )
    reason = get_first_line(problem)
    missing = [name for name in PACKAGES if name in str(problem).lower() and not find_spec(name)]
    if missing:
        names = " and ".join(missing)
        return f"base={folder!r} needs {names}, which is not installed ({reason}): {ADVICE}"
    return (
        f"base={folder!r} has no processor or tokenizer that can be loaded ({reason}): put its "
        "tokenizer's files (and preprocessor_config.json) beside config.json"
    )


def find_missing_converters(folder: str) -> tuple[str, ...]:
    """Return the packages that read a folder's only tokenizer file, if none is installed."""
    files = [Path(folder, name).is_file() for name in (SLOW_TOKENIZER, FAST_TOKENIZER)]
    is_missing = files == [True, False] and not any(map(find_spec, CONVERTERS))
    return CONVERTERS if is_missing else ()


def _load_without_videos(folder: str, usual_kind: Any) -> Any:
    """Load the processor's class and parts as AutoProcessor does, but for the video processor."""
    import transformers
    from transformers.utils.import_utils import DummyObject

    settings, _ = transformers.ProcessorMixin.get_processor_dict(folder)
    images, _ = transformers.ImageProcessingMixin.get_image_processor_dict(folder)
    name = settings.get("processor_class") or images.get("processor_class")
    kind: Any = getattr(transformers, name or "", usual_kind)
    # In the place of a class whose package is missing is one that says so when it is used.
    is_missing = isinstance(kind, DummyObject)
    if not is_missing and not (isclass(kind) and issubclass(kind, transformers.ProcessorMixin)):
        raise ValueError(f"processor_class {name!r} is no processor of transformers")
    loaders = {
        "tokenizer": transformers.AutoTokenizer.from_pretrained,
        "image_processor": transformers.AutoImageProcessor.from_pretrained,
        "feature_extractor": transformers.AutoFeatureExtractor.from_pretrained,
        "video_processor": _load_video_settings,
    }
    names = cast(Any, kind).get_attributes()
    parts = [loaders[part](folder, trust_remote_code=False) for part in names]
    return make_processor_without_videos(kind, parts, settings)


def make_processor_without_videos(kind: Any, parts: list[Any], settings: Mapping[str, Any]) -> Any:
    """Make a processor of class `kind` of its parts, one of them a `MissingVideoProcessor`."""
    accepting: Any = type(kind.__name__, (_WithoutVideos, kind), {})
    processor = accepting.from_args_and_dict(parts, dict(settings))
    processor.__class__ = kind  # it is complete; pickles and saved files name this class
    return processor


def _load_video_settings(folder: str, **options: Any) -> MissingVideoProcessor:
    from transformers.video_processing_utils import VideoProcessorMixin

    try:
        return MissingVideoProcessor(VideoProcessorMixin.get_video_processor_dict(folder)[0])
    except OSError:
        return MissingVideoProcessor()
