/* The picture and the sound of a question: chosen, dropped or recorded. */

import { canRecord, convertToWav, startRecording, toDataUrl } from "./sound.js";

const at = (id) => document.getElementById(id);

/** A field with one file at most; `accept` makes of a file what is sent, or throws. */
class FileField {
  constructor(name, accept, show, report) {
    Object.assign(this, { name, accept, show, report, held: null });
    this.input = at(name);
    this.input.addEventListener("change", () => this.input.files[0] && this.take(this.input.files[0]));
    const drop = at(`${name}-drop`);
    drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      if (event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
    });
  }

  set isShown(shown) {
    at(`${this.name}-field`).hidden = !shown;
  }

  get value() {
    return at(`${this.name}-field`).hidden ? null : this.held;
  }

  async take(file) {
    this.report("");
    try {
      this.held = await this.accept(file);
    } catch (error) {
      this.clear();
      this.report(error.message);
      return;
    }
    const box = at(`${this.name}-chosen`);
    const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "Remove" });
    remove.setAttribute("aria-label", `Remove the ${this.name}`);
    remove.addEventListener("click", () => { this.clear(); this.input.focus(); });
    box.replaceChildren(...this.show(this.held), remove);
    box.hidden = false;
  }

  clear() {
    this.held = null;
    this.input.value = "";
    at(`${this.name}-chosen`).hidden = true;
    at(`${this.name}-chosen`).replaceChildren();
  }
}

function describe(text) {
  return Object.assign(document.createElement("span"), { textContent: text });
}

async function acceptPicture(file, limits) {
  let size;
  try {
    size = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no picture that this browser reads: save it as JPEG or PNG.`);
  }
  if (size.width * size.height > limits.image_pixels) {
    throw new Error(`${file.name} has ${size.width} x ${size.height} pixels, and the server reads at most ${limits.image_pixels}: shrink it.`);
  }
  return { url: await toDataUrl(file), name: `${file.name}\n${size.width} x ${size.height}` };
}

function showPicture(held) {
  return [Object.assign(new Image(), { src: held.url, alt: "The chosen picture" }), describe(held.name)];
}

async function acceptSound(file, limits) {
  let found = { blob: file, seconds: 0 };
  try {
    found = await convertToWav(file);
  } catch {
    // The server may read what this browser does not, such as AIFF, and says so otherwise.
  }
  if (found.seconds > limits.audio_s) {
    throw new Error(`The sound lasts ${Math.round(found.seconds)} s, and the server reads at most ${limits.audio_s} s: cut it.`);
  }
  const length = found.seconds ? `\n${found.seconds.toFixed(1)} s` : "";
  return { blob: found.blob, data: (await toDataUrl(found.blob)).split(",")[1], name: `${file.name ?? "recording"}${length}` };
}

function showSound(held) {
  const audio = Object.assign(new Audio(URL.createObjectURL(held.blob)), { controls: true });
  audio.setAttribute("aria-label", "The chosen sound");
  return [audio, describe(held.name)];
}

/** The two fields; `report` shows what is wrong with a file. */
export function makeFields(limits, report) {
  const picture = new FileField("picture", (file) => acceptPicture(file, limits), showPicture, report);
  const sound = new FileField("sound", (file) => acceptSound(file, limits), showSound, report);
  prepareRecording(sound, limits, report);
  return { picture, sound };
}

function prepareRecording(sound, limits, report) {
  const button = at("record");
  button.hidden = !canRecord();
  if (!canRecord()) at("sound-note").textContent = "Browsers record on pages of this machine and of https alone: choose a file instead.";
  let stop = null;
  const set = (isRecording) => {
    button.setAttribute("aria-pressed", String(isRecording));
    at("record-text").textContent = isRecording ? "Stop recording" : "Record";
  };
  const end = async () => {
    const stopping = stop;
    stop = null;
    set(false);
    if (stopping) await sound.take(await stopping());
  };
  button.addEventListener("click", async () => {
    if (stop) return end();
    report("");
    try {
      stop = await startRecording(limits.audio_s, end);
      set(true);
    } catch {
      report("The microphone cannot be used: allow it in the browser, or choose a file instead.");
    }
  });
}
