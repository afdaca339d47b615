"""Pictures of the page at `/` in docs/images: `make screenshots`, which needs Chromium.

The run behind the page is trained first, unless it is there: top-2 of four LoRA experts for each
token, on pictures and sounds of the demo's data. The answers on the pictures are that model's.
"""

import io
import json
import shutil
import tempfile
from pathlib import Path

from PIL import Image

import coterie
from coterie.data.task_sampling import TaskSampling
from coterie.serve.engine import InferenceEngine
from coterie.train.run import Run
from coterie_demo.showcase import TARGET_MODULES
from tests.browser import Page, browsing
from tests.serve.api.servers import running

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
RUN = ROOT / "runs" / "screenshots" / "two_experts_a_token"
TASKS = ("naming", "food_group", "counting", "sound_kind")
SHOWN_TASK, SHOWN_ROW = "food_group", 0
DESKTOP, PHONE = (1280, 940), (390, 844)
IS_DONE = "document.getElementById('end').textContent.includes('The first came')"
QUALITY = 82


def make_recipe() -> coterie.Recipe:
    experts = coterie.Lora(ranks=(8,) * 4, alpha=16.0)
    gate, router = coterie.TokenGate(init_std=0.02), coterie.TopK(k=2)
    mixture = coterie.Mixture(at=TARGET_MODULES[1], experts=experts, gate=gate, router=router)
    stage = coterie.Stage(name="joint", learning_rate=1e-3, warmup=0.03)
    return coterie.Recipe(name="top2_lora", mixtures=(mixture,), stages=(stage,))


def train() -> Run:
    """Return the run, trained unless it is there."""
    try:
        if (found := Run.read(RUN)).is_finished:
            return found
    except ValueError:
        pass  # it is not there yet
    tasks = coterie.read_tasks("pantry").select(TASKS)
    return coterie.train(
        make_recipe(), base="embedded", tasks=tasks, out=RUN, steps=96, batch_size=16,
        precision="float32", mix=TaskSampling(temperature="equal"), resume=RUN.exists(),
    )  # fmt: skip


def save(page: Page, name: str) -> None:
    with Image.open(io.BytesIO(page.capture())) as picture:
        picture.convert("RGB").save(IMAGES / name, "WEBP", quality=QUALITY, method=6)


def find_row(run: Run) -> tuple[str, Path]:
    """The question and the picture of the row that is shown, of the test split."""
    rows = run.config.tasks.get_text_task(SHOWN_TASK).get_path("test")
    assert isinstance(rows, str)
    row = json.loads(Path(rows).read_text(encoding="utf-8").splitlines()[SHOWN_ROW])
    return row["question"], (Path(rows).parent / row["image"]).resolve()


def ask(page: Page, question: str, picture: Path) -> None:
    page.wait_for("!document.getElementById('ask').hidden")
    page.evaluate(
        "(() => { const task = document.getElementById('task');"
        f" task.value = '{SHOWN_TASK}'; task.dispatchEvent(new Event('change')); }})()"
    )
    page.evaluate(f"document.getElementById('question').value = {json.dumps(question)}")
    page.upload("#picture", picture)
    page.wait_for("!document.getElementById('picture-chosen').hidden")
    page.click("#send")
    page.wait_for(IS_DONE)


def main() -> None:
    run = train()
    question, source = find_row(run)
    engine = InferenceEngine.from_run(run, device="cpu")
    with (
        tempfile.TemporaryDirectory() as profile,
        running(engine) as url,
        browsing(Path(profile)) as pipe,
    ):
        picture = Path(shutil.copy(source, Path(profile) / "picture.jpg"))
        shots = {"page.webp": (DESKTOP, False), "page-dark.webp": (DESKTOP, True),
                 "page-phone.webp": (PHONE, False)}  # fmt: skip
        for name, (size, is_dark) in shots.items():
            page = Page(pipe, *size, is_dark=is_dark)
            page.open(url)
            ask(page, question, picture)
            top = "#answer" if size == PHONE else "body"
            page.evaluate(f"document.querySelector('{top}').scrollIntoView()")
            save(page, name)


if __name__ == "__main__":
    main()
