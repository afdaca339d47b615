"""Normalisation of answers: case, punctuation, articles and white space are ignored."""

import re
import unicodedata
from collections.abc import Sequence

BETWEEN_DIGITS = re.compile(r"(?<=\d),(?=\d{3}\b)")
EMPHASIS = re.compile(r"([*]{1,3})(?=\S)([^*]*[^\s*])\1")
UNHEARD = re.compile("[\u00b0\u00a9\u00ae|~$]")
"""Symbols that are treated as punctuation: the degree sign, copyright, columns, about, dollar."""
QUOTES = "\"'*_`\u2018\u201c\u201d"
ARTICLES = re.compile(
    r"(?<![\w.])(?:"
    rf"a(?=\s+[{QUOTES}]*(?:\w\w|\w-\w|\d))(?!\s+(?:and|or|is|as|because|since)\b)"
    rf"|(?:an|the)(?=\s+[{QUOTES}]*\w))\s+"
)
"""Articles stand before a word: the last letter of "vitamin A", or A in "A or B", is none."""
MEANINGFUL = re.compile(
    r"(?<=\w)[+]+(?!\w)"  # C++, B+, Ca2+
    r"|(?<=[^\W\d])[#\u266d]"  # C#, F#m, B flat
    r"|(?<!\w)[^\W\d]{1,2}[-*](?![\w*-])"  # A-, AB-, Cl-, the grade A*
    r"|(?<![\w.])[.](?=[^\W\d])"  # .NET
    r"|[.](?=\d)|(?<=\d)[/^](?=[-]?\d)"  # 3.5, .5, 1/2, 10^3
    r"|(?<!\w)-(?=[.]?\d)"  # -5, -.5
)
"""Signs that carry meaning where they stand."""
MEANINGLESS = re.compile(r"[+=<>\u2190-\u2193\u21d2\u2248]")
CURRENCY = "\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9\u20ba\u00a2"
MONEY = re.compile(
    rf"((?<![\w.,{CURRENCY}])(?<![{CURRENCY}]\s)\d[\d.,]*(?<=\d))\s?([{CURRENCY}])(?!\s?\d)"
)
"""An amount before its currency, as the currency before it is the same."""
BRACED_POWER = re.compile(r"\^\{([-+]?\w+)\}")
POWER = re.compile(r"(?<=[^\W\d])\^(?=\d)")
"""The sign of a power after a letter: x^2 is x2, as it is with a superscript."""
SUPERSCRIPT = re.compile(r"(?<=\d)[\u207a\u207b]?[\u00b2\u00b3\u00b9\u2070\u2074-\u2079]+")
VULGAR = re.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e\u2189])")
ONE_FORM = {
    **dict.fromkeys([0x2010, 0x2011, 0x2012, 0x2013, 0x2212], "-"),
    0x2019: "'", 0x2044: "/", 0x2215: "/", 0x266F: "#", 0x066B: ".", 0x066C: ",", 0x066A: "%",
    0xFE0E: None, 0xFE0F: None,
}  # fmt: skip
UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Myanmar, Khmer
    r"\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\U0001b000-\U0001b16f"  # iteration marks, Kana
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"  # CJK ideographs
)
"""Characters of scripts without spaces between words."""


def normalize(text: str) -> str:
    """Normalize `text` for comparison.

    SQuAD's normalisation (arXiv:1606.05250), which ignores case, punctuation, the articles a, an,
    the and white space. Departs where that makes different answers equal:

    - articles are removed only before a word, so that "A.", "A, B" and "vitamin A" keep their A;
    - signs that carry meaning stay: those of "C++", "C#", "B+", "A-", ".NET", "-5", "3.5", "1/2"
      and "10^3", mathematical signs between two terms, and emojis;
    - dashes and minus signs are one, and so are the digits of all scripts; commas between
      thousands are removed, as in the VQA evaluation (arXiv:1505.00468);
    - currencies but the dollar, which SQuAD drops, are words: 5 EUR are not 5 GBP;
    - other symbols are treated as punctuation, and both separate words, except apostrophes and
      points, so that "it's" is "its" and "U.S." is "us".

    Vowel signs and other combining marks are letters. If nothing remains, as of "?", only case and
    white space are normalised.
    """
    plain = " ".join(fold(text).split())
    bare = EMPHASIS.sub(r" \2 ", UNHEARD.sub(" ", BETWEEN_DIGITS.sub("", plain)))
    bare = MONEY.sub(r" \2 \1", POWER.sub("", BRACED_POWER.sub(r"^\1", bare)))
    marked = replace_marks(ARTICLES.sub("", bare.strip()), dropped=".'", words=("Sm", "So", "Sc"))
    words = marked.split()
    terms = list_terms(words)
    return " ".join(words[terms[0] : terms[-1] + 1]) if terms else plain


def list_terms(words: Sequence[str]) -> list[int]:
    """List the places of words that are no sign without a meaning before or after all terms.

    These are "+", "=", arrows, and "<" and ">" but for those before a number.
    """
    return [
        place for place, word in enumerate(words)
        if not MEANINGLESS.fullmatch(word)
        or (word in "<>" and words[place + 1 : place + 2] and words[place + 1][0].isdigit())
    ]  # fmt: skip


def fold(text: str) -> str:
    """Return a text where case, width, and the several forms of a sign or a digit are one."""
    # NFKC makes of 1 and the sign for 1/2 the text 11/2, and of 10 squared 102.
    text = VULGAR.sub(" ", SUPERSCRIPT.sub(lambda found: "^" + found[0], text))
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(map(fold_character, text.translate(ONE_FORM)))


def compose(text: str) -> str:
    """Return a text with one code for each letter and its marks (NFC), where Unicode has one."""
    return unicodedata.normalize("NFC", text)


def fold_character(character: str) -> str:
    """Return a digit of any script as 0 to 9, and "" for what is not seen, such as U+200B."""
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    return "" if unicodedata.category(character) == "Cf" else character


def replace_marks(
    text: str, *, kept: str = "", dropped: str = "", words: tuple[str, ...] = ()
) -> str:
    """Replace punctuation and symbols by spaces, except the signs that carry meaning.

    `kept` are marks that stay, `dropped` those that separate no words, and `words` the categories
    of symbols that become words.
    """
    places = {place for found in MEANINGFUL.finditer(text) for place in range(*found.span())}
    return "".join(
        character if place in places or character in kept
        else "" if character in dropped
        else replace_mark(character, words)
        for place, character in enumerate(text)
    )  # fmt: skip


def replace_mark(character: str, words: tuple[str, ...]) -> str:
    """Return a letter, digit or combining mark as it is, another mark as described above."""
    category = unicodedata.category(character)
    if category in words:
        return f" {character} "
    return " " if category[0] in "PS" else character


def words_in(text: str) -> list[str]:
    """Return the words of `normalize(text)`, split by `split_unspaced`."""
    return split_unspaced(normalize(text)).split()


def split_unspaced(text: str) -> str:
    """Put spaces around each character of scripts that are written without spaces.

    They are Chinese, Japanese, Thai, Lao, Khmer and Myanmar, and a character has its vowel and
    tone signs with it (Chinese as in the evaluation of MLQA, arXiv:1910.07475; all as in Whisper's,
    arXiv:2212.04356 appendix C). Korean has spaces; digits are not split.
    """
    parts: list[str] = []
    alone = False
    for character in text:
        if unicodedata.category(character)[0] != "M":
            was_alone = alone
            alone = bool(UNSPACED.match(character)) and not character.isdigit()
            parts += " " if alone or was_alone else ""
        parts.append(character)
    return " ".join("".join(parts).split())


def to_snake_case(name: str) -> str:
    """Convert a class name to snake case: WordErrorRate is word_error_rate."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def normalize_speech(text: str) -> str:
    """Normalize `text` as spoken: case and punctuation except apostrophes are ignored.

    Whisper's basic normalisation (arXiv:2212.04356 appendix C). Departs: vowel signs and other
    combining marks are letters, where Whisper's makes them spaces; "C++", "-5" and "3.5" keep
    their signs, as in `normalize`; text in brackets is retained. If nothing remains, only white
    space is normalised.
    """
    return " ".join(replace_marks(fold(text), kept="'").split()) or " ".join(text.split())
