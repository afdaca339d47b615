"""Sample predictions: text with its media, or images, whichever the rows of predictions hold."""

from collections.abc import Mapping
from typing import Any

from coterie.report.context import ReportContext
from coterie.report.image_examples import build_examples
from coterie.report.section import Section
from coterie.report.text_examples import build_answers_section, limit_media


class Answers(Section):
    """Right and wrong answers of the highlighted system, and grids of predicted images."""

    title = "Answers"
    order = 60

    def build(self, context: ReportContext) -> Mapping[str, Any]:
        answers, left_out = limit_media(
            build_answers_section(context.systems, context.highlighted), context.media.take
        )
        grids = build_examples(context.systems, context.highlighted)
        return {
            "answers": answers,
            "media_left_out": left_out,
            "images": grids.limit_to_bytes(context.media.remaining_bytes),
        }
