"""Sample predictions: text with its media, or images, whichever the rows of predictions hold."""

from collections.abc import Mapping
from typing import Any

from coterie.report.context import ReportContext
from coterie.report.image_examples import build_image_examples
from coterie.report.section import Section
from coterie.report.text_examples import build_text_examples, limit_media

MAX_MEDIA_BYTES = 2_000_000
"""Of data URIs; with all else at its largest, the page stays below 3 MB."""


class Answers(Section):
    """Right and wrong answers of the highlighted system, and grids of predicted images."""

    title = "Answers"
    order = 60

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        tasks, missing = build_text_examples(context.systems, context.highlighted)
        tasks, left_out, left_bytes = limit_media(tasks, MAX_MEDIA_BYTES)
        images = build_image_examples(context.systems, context.highlighted, left_bytes)
        return {
            "tasks": tasks,
            "media_left_out": left_out,
            "images": images,
            "missing": [*missing, *images.missing],
        }
