"""The four tasks of Uni-Food: category, ingredients, recipe and nutrition of a dish's image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from coterie.datasets.questions.base import QuestionTask, Row
from coterie.metrics.text.nutrition_parsing import NUTRIENTS, format_nutrition

NUTRITION_FORM = format_nutrition(
    dict(zip(NUTRIENTS, (210.0, 340.0, 12.5, 40.0, 16.0), strict=True))
)
QUESTIONS = {
    "category": "What is the name of this dish? Answer with the name alone.",
    "ingredients": "What are the ingredients of this dish? List their names, separated by commas.",
    "recipe": "How is this dish prepared? Write the steps of its recipe.",
    "nutrition": "How much does this dish weigh, and what is in it? Estimate the amounts, and "
    f"answer in this form: {NUTRITION_FORM}.",
}
"""Task -> question. Those of Uni-Food itself (arXiv:2407.12730) are not published."""
TASKS = (
    QuestionTask(name="category"),
    QuestionTask(
        name="ingredients", metrics=("ingredient_iou", "ingredient_f1"), max_new_tokens=256
    ),
    QuestionTask(name="recipe", metrics=("bleu", "rouge_l"), max_new_tokens=1024),
    QuestionTask(name="nutrition", metrics=("nutrition_pmae", "nutrition_mae"), max_new_tokens=96),
)


@dataclass(frozen=True, kw_only=True)
class Dish:
    """What is known of one image of a dish; what is empty makes no row.

    Attributes:
        image: the file.
        category: the dish's name.
        ingredients: their names.
        recipe: the steps.
        nutrition: amounts of some of NUTRIENTS, in grams and kilocalories.
        id: the dish's or image's name in its data set.
    """

    image: str
    id: str
    category: str = ""
    ingredients: Sequence[str] = ()
    recipe: str = ""
    nutrition: Mapping[str, float] = field(default_factory=dict)

    def make_rows(self) -> Iterator[tuple[str, Row]]:
        """Yield a row for each task whose answer is known."""
        answers = {
            "category": self.category,
            "ingredients": ", ".join(self.ingredients),
            "recipe": self.recipe,
            "nutrition": format_nutrition(self.nutrition),
        }
        for task, answer in answers.items():
            if answer:
                question = QUESTIONS[task]
                row = {"id": self.id, "image": self.image, "question": question, "answer": answer}
                yield task, row
