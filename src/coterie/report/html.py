"""The page as HTML text: sections rendered by jinja2 templates with escaping on."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from coterie.report import formatting, heatmap
from coterie.report.context import ReportContext
from coterie.report.correctness import describe_metric
from coterie.report.interval_chart import format_points
from coterie.report.section import Section, find_sections
from coterie.report.text_examples import truncate

TEMPLATES = Path(__file__).parent / "templates"
SCRIPT = (
    'addEventListener("beforeprint",()=>'
    'document.querySelectorAll("details").forEach(d=>d.open=true))'
)
"""The page's only script: it opens what is folded, for printing."""
COLOURS, MARKS = 7, 6
"""CSS classes of colours, and ids of symbols: systems differ by more than their colour."""
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def render(context: ReportContext, title: str) -> str:
    """Render the page. Raises ValueError if jinja2 is not installed."""
    sections = find_sections()
    environment = make_environment(sections)
    summary: list[str] = []
    bodies = []
    for section in sections:
        values = section.build(context)
        summary += section.summarize(context, values)
        template = environment.get_template(f"{section.name}.html")
        shown = {"context": context, "systems": context.systems} | dict(values)
        bodies.append(template.render(shown))
    return environment.get_template("page.html").render(
        title=title,
        summary=summary,
        sections=sections,
        bodies=bodies,
        script=SCRIPT,
        # By it the content security policy allows this script and no other.
        script_hash=base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode("ascii"),
    )


def make_environment(sections: list[Section]) -> Any:
    """Make the jinja2 environment of the page's and the sections' templates."""
    try:
        import jinja2
    except ImportError as error:
        raise ValueError("the report needs jinja2: pip install 'coterie[report]'") from error
    from coterie.report import sections as package

    inline = {f"{each.name}.html": each.template for each in sections if each.template}
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.DictLoader(inline), jinja2.FileSystemLoader([TEMPLATES, *package.__path__])]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=strip_control_characters,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": formatting.format_number,
        "decimals": formatting.format_decimals,
        "signed": formatting.format_signed,
        "interval": formatting.format_interval,
        "count": formatting.format_count,
        "colour": lambda system: f"c{system.index % COLOURS}",
        "mark": lambda system: f"m{system.index % MARKS}",
        "metric": describe_metric,
        "shorten": truncate,
        "breakable": allow_breaks,
        "largest": heatmap.compute_largest,
        "tint": heatmap.compute_strength,
        "png": heatmap.render_png_uri,
        "polyline": format_points,
    }
    environment.globals["draw"] = environment.get_template("macros.html").module
    return environment


def strip_control_characters(value: Any) -> Any:
    """Replace what HTML cannot hold: control characters and halves of surrogate pairs."""
    if type(value) is not str:
        return value
    return UNPRINTABLE.sub("\ufffd", value)


def allow_breaks(text: str) -> Any:
    """Allow line breaks after underscores: names are long and cells narrow."""
    from markupsafe import Markup, escape

    return escape(strip_control_characters(text)).replace("_", Markup("_<wbr>"))
