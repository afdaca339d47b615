"""Templates that do not end, fill the memory or refuse: one line, within seconds."""

import resource

import pytest

from coterie.data.bounded_template import ChatTemplateError, bound_templates, compile_bounded
from tests.tinies.base import tokenizer

CHAT = [
    {"role": "user", "content": 'hello {"id": 12345678} %99999999d'},
    {"role": "assistant", "content": "good day"},
]
GROW = (
    "{% set s = namespace(x='a' * 1000) %}"
    "{% for i in range(40) %}{% set s.x = s.x ~ s.x %}{% endfor %}"
)


def test_a_template_renders_as_in_transformers() -> None:
    source = (
        "{% for m in messages %}{{ loop.index * 2 }} {{ m.role | upper ~ ': ' ~ m.content }}"
        "{% if not loop.last %}{{ ', ' * 2 }}{% endif %}{% endfor %}{{ messages[0] | tojson }}"
        "{% for k, v in {'b': [1, [2]], 'a': []}.items() if v recursive %}{{ loop.length ~ k }}"
        "{% else %}{{ 'none' }}{% endfor %}{% for n in nothing %}{% else %}-{% endfor %}"
        "{% for n in [1, 2, 2] %}{{ loop.previtem ~ loop.nextitem ~ loop.revindex }}{% endfor %}"
    )
    from transformers.utils import chat_template_utils as utils

    usual = utils._compile_jinja_template
    wanted = usual(source).render(messages=CHAT)
    assert compile_bounded(source).render(messages=CHAT) == wanted
    with bound_templates("model"):
        assert utils._compile_jinja_template is compile_bounded
    assert utils._compile_jinja_template is usual


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ 'a' * 3000000000 }}", "multiplies numbers above 1,000,000"),
        ("{{ 'a' * 1000000 * 1000000 }}", "takes more than 512 MiB"),
        ("{{ 10 ** 10 ** 10 }}", "multiplies numbers above"),
        ("{{ 7 ** 100000 }}", "above 1,000 to a power"),
        ("{{ '%3000000000d' % 1 }}", "takes more than 512 MiB"),
        ("{{ '{:3000000000}'.format(1) }}", "takes more than 512 MiB"),
        ("{{ 'a' | center(3000000000) }}", "takes more than 512 MiB"),
        ("{% set s = 'a' * 99999 %}{{ s | replace('a', s) }}", "takes more than 512 MiB"),
        ("{% set s = 'a' * 99999 %}{{ s.join(s) }}", "takes more than 512 MiB"),
        (GROW, "takes more than 512 MiB"),
        ("{% for i in range(90) %}{{ 'a' * 100000 }}{% endfor %}", "more than 8,000,000 char"),
        ("{% for i in range(10 ** 5 * 10) %}{% endfor %}", "Range too big"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "maximum recursion depth"),
        ("{{ raise_exception('no\nsystem') }}", "fails: TemplateError: no system"),
        ("{{ messages[9].role }}", "fails: UndefinedError"),
        ("{% if %}", "fails: TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__ }}", "fails: SecurityError"),
    ],
)
def test_what_is_beyond_a_bound_is_one_line(source: str, message: str) -> None:
    with pytest.raises(ChatTemplateError, match=message) as caught:
        compile_bounded(source).render(messages=CHAT)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(999) recursive %}{% if loop.depth < 9 %}{{ loop(range(999)) }}"
        "{% endif %}{% endfor %}",
        "{% for c in 'a' * 900000 %}{% for d in 'a' * 900000 %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) ~ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}",
    ],
)
def test_what_does_not_end_is_stopped(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.data.bounded_template.MAX_TIME_S", 0.1)
    with pytest.raises(ChatTemplateError, match=r"does not end within 0\.1 s"):
        compile_bounded(source).render(messages=CHAT)


def test_nothing_is_left_behind() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(ChatTemplateError):
        compile_bounded("{{ 'a' | center(3000000000) }}").render()
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_the_error_names_the_model() -> None:
    words = tokenizer()
    words.chat_template = "{{ raise_exception('no system turn') }}"
    with (
        pytest.raises(ValueError, match="chat template of 'base' fails: TemplateError: no system"),
        bound_templates("base"),
    ):
        words.apply_chat_template(CHAT, tokenize=False)
