"""The page in a real browser: phone and desktop, keyboard, dark, files, a recording, failures."""

import base64
import io
import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import coterie
from coterie.modalities.audio import SAMPLE_RATE_HZ, decode_audio
from coterie.serve.api.dense_app import make_dense_app
from coterie.serve.dense_engine import DenseEngine
from coterie.serve.engine import InferenceEngine
from coterie.serve.routing_record import list_routed_layers
from tests.browser import BROWSER, CONTROL, SHIFT, WITHOUT, Page, Pipe, browsing
from tests.cli.folders import llava_folder, ten_rows
from tests.evaluate.dense_runs import RandomPictures, dense_run
from tests.evaluate.runs import run, says, task
from tests.serve.api.conftest import LIMITS
from tests.serve.api.servers import running, serving
from tests.serve.engines import load
from tests.tuner.checks import awake

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason=WITHOUT)]
PHONE, DESKTOP = (360, 740), (1280, 800)
QUESTION = "what is 3?"
TOKENS = "document.querySelectorAll('#tokens [role=option]')"
IS_DONE = "document.getElementById('stop').hidden && !document.getElementById('send').disabled"
# Of each visible text the contrast of WCAG 2.2 with the nearest opaque background behind it.
CONTRASTS = """(() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const found = [];
  for (const each of document.querySelectorAll("body *")) {
    const own = [...each.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const isLeftOut = each.matches(".skip, noscript, :disabled, option");
    if (!own || isLeftOut || !each.checkVisibility()) continue;
    const chain = [];
    for (let at = each; at; at = at.parentElement) chain.unshift(getComputedStyle(at));
    context.clearRect(0, 0, 1, 1);
    for (const { backgroundColor } of chain) {
      context.fillStyle = backgroundColor;
      context.fillRect(0, 0, 1, 1);
    }
    const ground = light(context.getImageData(0, 0, 1, 1).data);
    context.fillStyle = getComputedStyle(each).color;
    context.fillRect(0, 0, 1, 1);
    const ink = light(context.getImageData(0, 0, 1, 1).data);
    const ratio = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    if (ratio < 4.5) found.push(`${each.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return found;
})()"""


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipe]:
    with browsing(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(scope="module")
def by_token(tmp_path_factory: pytest.TempPathFactory) -> InferenceEngine:
    """Two tasks whose gates read tokens, so that there is `auto`."""
    folder = tmp_path_factory.mktemp("by-token")
    tasks = tuple(task(folder, name, says(name)) for name in ("yes", "no"))
    recipe = coterie.recipes.soft_lora(experts=3, rank=2)
    return load(run(folder / "run", tasks, recipe=recipe), max_rows=4)


@pytest.fixture(scope="module")
def address(by_token: InferenceEngine) -> Iterator[str]:
    with running(by_token, limits=LIMITS) as found:
        yield found


def open_page(pipe: Pipe, url: str, size: tuple[int, int], *, is_dark: bool = False) -> Page:
    page = Page(pipe, *size, is_dark=is_dark)
    page.open(url)
    page.wait_for("!document.getElementById('ask').hidden")
    return page


def choose(page: Page, name: str) -> None:
    page.evaluate(
        "(() => { const task = document.getElementById('task');"
        f" task.value = {json.dumps(name)}; task.dispatchEvent(new Event('change')); }})()"
    )


def ask(page: Page, question: str = QUESTION) -> None:
    page.evaluate(f"document.getElementById('question').value = {json.dumps(question)}")
    page.click("#send")
    page.wait_for(IS_DONE)


def check_fits(page: Page) -> None:
    """Nothing is wider than the window, failed, or came from elsewhere."""
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0
    assert page.problems() == []


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
@pytest.mark.parametrize("is_dark", [False, True])
def test_an_answer_and_its_experts(
    pipe: Pipe, address: str, by_token: InferenceEngine, size: tuple[int, int], is_dark: bool
) -> None:
    page = open_page(pipe, address, size, is_dark=is_dark)
    assert page.evaluate(CONTRASTS) == []
    choose(page, "no")
    ask(page)
    assert page.text("#text") == by_token.ask(QUESTION, task="no")
    assert page.evaluate("document.getElementById('text').getAttribute('aria-busy')") == "false"
    prompt = by_token.make_job(by_token.make_prompt("no").ask(QUESTION)).prompt_tokens
    assert page.evaluate(f"{TOKENS}.length") == prompt + 2  # the third is not read
    page.evaluate("document.getElementById('table-details').open = true")
    page.wait_for("document.querySelector('#table table')")
    layers = len(list_routed_layers(by_token.loaded.model))
    assert page.evaluate("document.querySelectorAll('#table tbody tr').length") == layers
    assert page.evaluate("document.getElementById('matrix').height") == layers
    sums = page.evaluate("[...document.querySelectorAll('#table .sum')].map((e) => e.innerText)")
    assert set(sums) == {"1.00"}  # a softmax
    page.evaluate(f"{TOKENS}.forEach((each) => each.style.setProperty('--v', 1))")  # the strongest
    assert page.evaluate(CONTRASTS) == []
    check_fits(page)
    assert all(url.startswith(address) for url in page.requested())


def test_with_the_keyboard_alone(pipe: Pipe, address: str, by_token: InferenceEngine) -> None:
    page = open_page(pipe, address, DESKTOP)
    visited = []
    for _ in range(4):
        page.press("Tab")
        visited.append(page.focused() or page.evaluate("document.activeElement.className"))
    assert visited == ["skip", "report", "task", "question"]
    page.write(QUESTION)
    page.press("Enter", CONTROL)
    page.wait_for(f"{IS_DONE} && document.getElementById('end').textContent")
    assert page.text("#text") == by_token.ask(QUESTION, task="yes")
    for _ in range(8):
        if page.evaluate("document.activeElement.role") == "option":
            break
        page.press("Tab")
    focused = f"[...{TOKENS}].indexOf(document.activeElement)"
    last = page.evaluate(focused)
    title = page.text("#weights-title")
    page.press("ArrowLeft")
    assert page.evaluate(focused) == last - 1
    page.press("Home")
    assert page.evaluate(focused) == 0 and page.text("#weights-title") != title
    assert page.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"
    page.press("ArrowLeft")  # there is none before it
    assert page.evaluate(focused) == 0
    page.press("Tab")
    page.press("Enter")  # opens the table
    page.wait_for("document.querySelector('#table table')")
    page.press("Tab", SHIFT)
    assert page.evaluate(focused) == 0  # one stop for all tokens
    check_fits(page)


def test_a_server_that_is_gone(pipe: Pipe, by_token: InferenceEngine) -> None:
    with running(by_token) as url:
        page = open_page(pipe, url, PHONE)
        ask(page)
        assert page.text("#text")
    ask(page)
    assert page.text("#problem").startswith("The server does not answer. It may have been stopped")
    assert not page.evaluate("document.getElementById('send').disabled")  # and may be asked again


def test_refusals_in_words(pipe: Pipe, address: str) -> None:
    page = open_page(pipe, address, DESKTOP)
    ask(page, "")
    assert page.text("#problem") == "Write a question first."
    page.evaluate("document.getElementById('longest').value = 65")
    page.evaluate("document.getElementById('longest').removeAttribute('max')")
    ask(page)
    said = "The server refuses this: max_tokens=65: at most 64 are generated."
    assert page.text("#problem") == said
    page.evaluate("document.getElementById('longest').value = ''")
    ask(page)
    assert page.evaluate("document.getElementById('problem').textContent") == ""


def test_a_key(pipe: Pipe, by_token: InferenceEngine) -> None:
    with running(by_token, api_key="secret") as url:
        page = Page(pipe, *PHONE)
        page.open(url)
        page.wait_for("document.getElementById('key-dialog').open")
        for key in ("wrong", "secret"):
            page.evaluate(f"document.getElementById('key').value = '{key}'")
            page.press("Enter")
            if key == "wrong":
                page.wait_for("document.getElementById('key-problem').textContent")
        page.wait_for("!document.getElementById('ask').hidden")
        ask(page)
        assert page.text("#text") == by_token.ask(QUESTION, task="yes")
        report = page.evaluate("document.getElementById('report').href")
        page.open(report)
        page.wait_for("document.querySelector('main h1')")
        assert page.problems() == []


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    llava_folder(folder / "model")
    tasks = coterie.read_tasks(ten_rows(folder / "data"))
    recipe = coterie.recipes.rode(ranks=(2, 4))
    base, out = folder / "model", folder / "run"
    coterie.train(recipe, base=base, tasks=tasks, out=out, steps=1, batch_size=2, device="cpu")
    Image.new("RGB", (101, 100)).save(folder / "large.png")
    (folder / "text.png").write_text("no picture")
    return folder


def test_pictures(pipe: Pipe, pictures: Path) -> None:
    engine = InferenceEngine.from_run(pictures / "run", device="cpu")
    awake(engine.loaded.model, scale=0.3)
    good = pictures / "data" / "pictures" / "0.png"
    with running(engine, limits=LIMITS) as url:
        page = open_page(pipe, url, PHONE)
        page.upload("#picture", pictures / "text.png")
        page.wait_for("document.getElementById('problem').textContent")
        assert page.text("#problem").startswith("text.png is no picture that this browser reads")
        page.upload("#picture", pictures / "large.png")
        page.wait_for("document.getElementById('problem').textContent.includes('101 x 100')")
        assert "and the server reads at most 10000: shrink it" in page.text("#problem")
        page.upload("#picture", good)
        page.wait_for("!document.getElementById('picture-chosen').hidden")
        assert page.evaluate("document.getElementById('problem').textContent") == ""
        ask(page)
        wanted = engine.ask(QUESTION, media={"image": [str(good)]})
        assert page.text("#text") == wanted
        assert page.evaluate("document.querySelectorAll('.token.media').length") > 0
        check_fits(page)
        page.click("#picture-chosen button")
        assert page.focused() == "picture"


def test_a_recording_is_a_wav_that_the_server_reads(pipe: Pipe, address: str) -> None:
    page = open_page(pipe, address, DESKTOP)
    encoded = page.evaluate("""(async () => {
      const { convertToWav, startRecording, toDataUrl } = await import("./page/sound.js");
      const stop = await startRecording(60, () => {});
      await new Promise((resolve) => setTimeout(resolve, 1200));
      const { blob } = await convertToWav(await stop());
      return (await toDataUrl(blob)).split(",")[1];
    })()""")
    content = base64.b64decode(encoded)
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
    samples = decode_audio(content)
    assert 0.5 < len(samples) / SAMPLE_RATE_HZ < 5
    assert abs(samples).max() > 0.01  # the browser's microphone of tests beeps once a second


def test_maps(pipe: Pipe, tmp_path: Path) -> None:
    made = dense_run(tmp_path / "squad", RandomPictures())
    Image.effect_noise((28, 28), 80).convert("RGB").save(tmp_path / "street.png")
    app: Any = make_dense_app(DenseEngine.from_run(made, device="cpu"), made)
    with serving(app) as url:
        page = open_page(pipe, url, PHONE)
        page.click("#send")
        assert page.text("#problem") == "Choose a picture first."
        page.upload("#picture", tmp_path / "street.png")
        page.wait_for("!document.getElementById('picture-chosen').hidden")
        page.click("#send")
        page.wait_for("document.querySelectorAll('#maps img').length === 4")
        captions = page.evaluate(
            "[...document.querySelectorAll('#maps figcaption')].map((e) => e.innerText)"
        )
        assert captions[1:] == ["depth", "classes", "scene"]
        assert page.evaluate("[...document.images].every((each) => each.naturalWidth > 0)")
        assert "low" in page.text("#maps .legend")
        assert page.evaluate(CONTRASTS) == []
        check_fits(page)
