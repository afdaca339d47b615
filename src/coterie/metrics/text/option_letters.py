"""The letter of an option, such as A of A to D, in the forms in which models answer with it."""

import re

LETTER = r"(?P<letter>[^\W\d_])"
DECORATION = r"[\s\"'*_`\u2018\u2019\u201c\u201d.:;,!()\[\]{}<>$-]*"
ALONE = re.compile(rf"{DECORATION}{LETTER}(?!-){DECORATION}")
FIRST = re.compile(
    rf"\s*(?:[(\[*]+{LETTER}[)\]*]+|(?P<open>[^\W\d_])[).:])(?=[\s*]|$)"
    r"|\s*(?P<before>[^\W\d_])(?=\s+[-\u2013\u2014]\s|,?\s+(?:because|since)\b)"
)
LAST = re.compile(rf"[:\uff1a]{ALONE.pattern}")
"""The end of "Respuesta: B", in any language."""
CUE = re.compile(
    r"(?:\b(?:(?:answer|option|choice|letter)(?:\s+(?:is|would\s+be|should\s+be))?"
    r"|it(?:\s+is|'s)|i\s+(?:choose|pick))"
    r"|(?:\u7b54\u6848|\u9009\u9879|\u9078\u9805|[\u9009\u9078]\u62e9?)[\u662f\u4e3a\u70ba]?)\s*[:\uff1a=]?\s*"
    r"(?:(?:option|choice|letter)\s*)?"
    r"[\s\"'*_`>(\[{$\u2018\u201c]*"
    r"(?P<letter>[^\W\d_])(?![\w'\u2019+#\u266d\u266f]|-(?!\w))(?P<after>.{0,12})",
    re.IGNORECASE | re.DOTALL,
)
WORD_FOLLOWS = re.compile(r"\s+(?!(?:because|since|as|is)\b)[\"'*_`]*\w", re.IGNORECASE)
LATEX = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)(?=\{)")
ANOTHER_LETTER = re.compile(r"[\s.,)\]]*(?:\b(?:or|and)\b|/|&)\s*[(\[]?\w\b", re.IGNORECASE)


def is_option_letter(answer: str) -> bool:
    """Whether an answer is one letter that has a case, with or without brackets and points."""
    found = ALONE.fullmatch(answer)
    return found is not None and found["letter"].lower() != found["letter"].upper()


def find_option_letter(text: str) -> str:
    """Return the letter of the option that a text chooses, in lower case; "" if it chooses none.

    In this order: the text is a letter but for marks ("A.", "(A)", "**A**", "'A'"); a letter is
    named last after "answer", "option", "choice" or "letter" ("The answer is A", "Answer: (A)");
    the text begins with a letter and a mark ("A) red", "(A) red", "A: red", "A - red", "A because
    it is red"); a line has nothing but a letter, the first one; the text ends with a colon and a
    letter ("Respuesta: A"). "answer is A or B" chooses none, "the answer is a dog" has an article,
    and "A+" is another answer.
    """
    text = LATEX.sub("", text)
    if found := ALONE.fullmatch(text):
        return found["letter"].lower()
    for found in reversed([*CUE.finditer(text)]):
        is_article = found["letter"] in "a" and WORD_FOLLOWS.match(found["after"])
        if not is_article and not ANOTHER_LETTER.match(found["after"]):
            return found["letter"].lower()
    if found := FIRST.match(text):
        return (found["letter"] or found["open"] or found["before"]).lower()
    alone = (ALONE.fullmatch(line) for line in text.splitlines())
    last = LAST.search(text) if (last := LAST.search(text)) and last.end() == len(text) else None
    found = next(filter(None, alone), last)
    return found["letter"].lower() if found else ""


def chooses_option(prediction: str, answers: tuple[str, ...]) -> bool:
    """Whether an answer is an option's letter, and it is the letter that the prediction chooses."""
    letters = {find_option_letter(answer) for answer in answers if is_option_letter(answer)}
    return bool(letters) and find_option_letter(prediction) in letters
