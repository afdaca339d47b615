/* The page: what the run has, a question, its answer. */

import { Failure, post, read, setKey, stream } from "./api.js";
import { makeFields } from "./attachments.js";
import { ExpertView } from "./experts.js";
import { showMaps } from "./maps.js";

const at = (id) => document.getElementById(id);
const AUTO = "auto", ALL = "";
const report = (text) => { at("problem").textContent = text; };
const experts = new ExpertView();
let run, fields, asking = null;

/** Reads what the run has, after asking for the key if the server wants one. */
async function begin() {
  try {
    run = await read("v1/run");
  } catch (error) {
    if (error.status !== 401) {
      at("about").textContent = error.message;
      return;
    }
    return askForKey(at("key").value ? "The server does not know this key." : "");
  }
  at("key-dialog").close();
  present();
}

function askForKey(problem) {
  at("key-problem").textContent = problem;
  if (!at("key-dialog").open) at("key-dialog").showModal();
}

function present() {
  document.title = `${run.name} - coterie`;
  at("name").textContent = run.name;
  const tasks = run.tasks.length === 1 ? "one task" : `${run.tasks.length} tasks`;
  at("about").textContent = `Recipe ${run.recipe}, ${tasks}.`;
  at("report").href = run.report.slice(1);
  at("report").hidden = false;
  fields ??= makeFields(run.limits, report);
  const isDense = run.kind === "dense";
  const names = run.models.map((name) => [name, name === AUTO ? "auto: the gates decide" : name]);
  if (isDense && names.length > 1) names.unshift([ALL, "all tasks"]);
  at("task").replaceChildren(...names.map(([value, label]) => new Option(label, value)));
  at("options").hidden = isDense;
  at("longest").max = run.limits.answer_tokens;
  at("send").textContent = isDense ? "Predict" : "Ask";
  at("empty").textContent = isDense
    ? "Choose a picture, and the maps that the tasks predict appear here."
    : run.has_gates
      ? "Ask, and the answer appears here, with the experts that each of its tokens used."
      : "Ask, and the answer appears here. This run has no gate: every token uses the same weights.";
  at("empty").hidden = false;
  at("ask").hidden = false;
  fit();
}

/** Shows the fields that the chosen task reads. */
function fit() {
  const task = run.tasks.find((each) => each.name === at("task").value);
  const isDense = run.kind === "dense";
  const reads = task?.reads ?? run.reads;
  const asks = task ? task.asks : true;
  fields.picture.isShown = reads.includes("image");
  const sounds = ["audio", "sound"].filter((kind) => reads.includes(kind));
  fields.sound.isShown = sounds.length > 0;
  at("sound-kind").hidden = sounds.length < 2;
  if (sounds.length === 1) at("sound-kind").querySelector(`[value=${sounds[0]}]`).checked = true;
  at("question-field").hidden = isDense || !asks;
  at("columns").replaceChildren(...(task?.columns ?? []).map(makeColumn));
  if (task && !isDense) at("longest").placeholder = task.max_new_tokens;
  const others = reads.includes("video") ? "This task is about videos, which the server does not take." : "";
  at("task-note").textContent = others || describePrompt(task);
}

function describePrompt(task) {
  if (!task?.prompt || task.prompt === "{question}") return task || run.kind === "dense" ? "" : "The prompt goes through the chat template as it is.";
  return `The task's prompt: ${task.prompt}`;
}

function makeColumn({ name, is_optional: isOptional }) {
  const box = Object.assign(document.createElement("div"), { className: "field" });
  const label = Object.assign(document.createElement("label"), { textContent: name, htmlFor: `column-${name}` });
  const input = Object.assign(document.createElement("input"), { type: "text", id: label.htmlFor, required: !isOptional });
  input.dataset.column = name;
  box.append(label, input);
  return box;
}

/** The body of a question; throws a Failure for what is missing. */
function makeQuestion() {
  const parts = [];
  const { value: picture } = fields.picture;
  const { value: sound } = fields.sound;
  if (picture) parts.push({ type: "image_url", image_url: { url: picture.url } });
  if (sound) {
    const kind = at("sound-kind").querySelector(":checked").value;
    const content = { data: sound.data, format: "wav" };
    parts.push(kind === "audio" ? { type: "input_audio", input_audio: content } : { type: kind, [kind]: content });
  }
  const text = at("question-field").hidden ? "" : at("question").value.trim();
  if (text) parts.push({ type: "text", text });
  if (!parts.length) {
    throw new Failure(at("question-field").hidden ? "Choose a file first: the task's prompt is about one." : "Write a question first.");
  }
  const filled = [...at("columns").querySelectorAll("input")].filter((input) => input.value);
  return {
    model: at("task").value, stream: true, routing: true, messages: [{ role: "user", content: parts }],
    temperature: Number(at("temperature").value) || 0,
    ...(at("longest").value && { max_tokens: Number(at("longest").value) }),
    ...(filled.length && { columns: Object.fromEntries(filled.map((input) => [input.dataset.column, input.value])) }),
  };
}

async function answer(signal) {
  const body = makeQuestion();
  const started = performance.now();
  let first = 0, reason = "", usage = 0;
  experts.reset();
  at("text").replaceChildren();
  at("end").textContent = "Waiting for the first token ...";
  at("text").setAttribute("aria-busy", "true");
  at("text-result").hidden = false;
  at("empty").hidden = true;
  try {
    for await (const event of stream("v1/chat/completions", { ...body, stream_options: { include_usage: true } }, signal)) {
      usage = event.usage?.completion_tokens ?? usage;
      const [choice] = event.choices;
      if (!choice) continue;
      if (choice.routing) {
        first ||= performance.now() - started;
        experts.add(choice.routing);
      }
      if (choice.delta.content) at("text").append(choice.delta.content);
      reason = choice.finish_reason ?? reason;
    }
    at("end").textContent = describeEnd(reason, usage, first, performance.now() - started);
    if (!at("text").textContent) at("text").append("(an empty answer)");
  } finally {
    at("text").setAttribute("aria-busy", "false");
    if (!reason) at("end").textContent = at("text").textContent ? "The answer is not whole." : "";
  }
}

function describeEnd(reason, tokens, first, whole) {
  const s = (ms) => `${(ms / 1000).toFixed(2)} s`;
  const end = reason === "length" ? ", cut at the most tokens" : "";
  return `${tokens} ${tokens === 1 ? "token" : "tokens"}${end}. The first came after ${s(first)}, the last after ${s(whole)}.`;
}

async function predict(signal) {
  const picture = fields.picture.value;
  if (!picture) throw new Failure("Choose a picture first.");
  const tasks = at("task").value === ALL ? null : [at("task").value];
  at("empty").hidden = true;
  showMaps(await post("v1/maps", { image: picture.url, tasks }, signal));
}

async function submit(event) {
  event.preventDefault();
  if (asking || !run) return;
  report("");
  asking = new AbortController();
  at("send").disabled = true;
  at("stop").hidden = false;
  try {
    await (run.kind === "dense" ? predict : answer)(asking.signal);
  } catch (error) {
    if (error.status === 401) askForKey("");
    else if (error.name !== "AbortError") report(error instanceof Failure ? error.message : `This page failed: ${error.message}`);
  } finally {
    asking = null;
    at("send").disabled = false;
    at("stop").hidden = true;
  }
}

at("task").addEventListener("change", fit);
at("ask").addEventListener("submit", submit);
at("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("ask").requestSubmit();
});
at("stop").addEventListener("click", () => asking?.abort());
at("key-dialog").addEventListener("cancel", (event) => event.preventDefault());
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setKey(at("key").value);
  begin();
});
begin();
