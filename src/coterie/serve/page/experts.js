/* The picture of a routing: which experts the selected token used, and all tokens at a glance. */

import { Routing, indexOfLargest } from "./routing.js";
import { TokenList } from "./token_list.js";

const at = (id) => document.getElementById(id);
/* Okabe and Ito's, with brown and grey for yellow and black, as in the report. */
const COLOURS = [[0, 121, 191], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [148, 103, 60], [120, 120, 120]];
const ROW_PX = [3, 12]; // the least and the greatest height of a layer
const LABEL_PX = 15;

export class ExpertView {
  constructor() {
    this.list = new TokenList(at("tokens"), (number) => this.show(number));
    at("table-details").addEventListener("toggle", () => this.fillTable());
    at("matrix").addEventListener("pointermove", (event) => this.readOut(event));
    at("matrix").addEventListener("pointerleave", () => { at("readout").textContent = ""; });
    at("overview").addEventListener("click", (event) => this.list.select(this.findColumn(event)));
    this.reset();
  }

  reset() {
    this.routing = new Routing();
    this.list.reset(this.routing);
    this.number = -1;
    at("experts").hidden = true;
  }

  /** Adds what one forward pass read, and draws it. */
  add(part) {
    this.routing.add(part);
    if (!this.routing.layers.length) return;
    at("experts").hidden = false;
    if (part.layers) this.prepare();
    if (this.routing.decidesByToken) {
      this.drawOverview();
      this.list.update();
    } else if (this.number < 0) {
      this.show(0);
    }
  }

  prepare() {
    const { routing } = this;
    at("by-token").hidden = !routing.decidesByToken;
    document.querySelector(".beside").classList.toggle("alone", !routing.decidesByToken);
    const count = `${routing.layers.length} layers with a gate, ${routing.experts} experts in each`;
    at("experts-note").textContent = routing.decidesByToken
      ? `${count}. Experts of the same number in different layers have nothing to do with each other.`
      : `${count}. These gates decide once for the task or the prompt: all tokens use the same weights. Experts of the same number in different layers have nothing to do with each other.`;
    at("expert-key").replaceChildren(...Array.from({ length: routing.experts }, (_, i) =>
      Object.assign(document.createElement("li"), { className: `e${i % COLOURS.length}`, textContent: i + 1 })));
    at("expert-labels").replaceChildren(...Array.from({ length: routing.experts }, (_, i) =>
      Object.assign(document.createElement("span"), { textContent: routing.experts > 16 && i % 8 ? "" : i + 1 })));
    this.labelLayers();
  }

  /** A label for each block of layers, as far as there is room. */
  labelLayers() {
    const { layers } = this.routing;
    const height = Math.max(160, Math.min(460, layers.length * ROW_PX[1], Math.max(layers.length * ROW_PX[0], 360)));
    at("matrix").style.height = `${height}px`;
    at("matrix").width = this.routing.experts;
    at("matrix").height = layers.length;
    let last = "", free = 0;
    const labels = [];
    layers.forEach((layer, row) => {
      const block = layer.short.match(/\d+/)?.[0] ?? String(row + 1);
      const top = (row / layers.length) * height;
      if (block === last || top < free) return;
      const label = Object.assign(document.createElement("span"), { textContent: block });
      label.style.top = `${top}px`;
      labels.push(label);
      last = block;
      free = top + LABEL_PX;
    });
    at("layer-labels").replaceChildren(...labels);
  }

  /** Shows the weights of a token. */
  show(number) {
    const token = this.routing.tokens[number];
    if (!token) return;
    this.number = number;
    this.weights = this.routing.weightsOf(token);
    const name = token.modality === "text" ? JSON.stringify(token.text) : `a token of the ${token.modality}`;
    at("weights-title").textContent = this.routing.decidesByToken ? `Weights for ${name}` : "Weights for every token";
    this.drawMatrix();
    if (this.routing.decidesByToken) this.placeCursor();
    this.fillTable();
  }

  drawMatrix() {
    const canvas = at("matrix");
    const largest = Math.max(1e-9, ...this.weights.flatMap((each) => each ?? [0]));
    draw(canvas, (row, expert) => {
      const value = this.weights[row]?.[expert];
      return value ? [...COLOURS[0], value / largest] : null;
    });
    const known = this.weights.some(Boolean);
    canvas.setAttribute("aria-label", known
      ? `Layers from top to bottom, experts from left to right; the stronger the colour, the larger the weight, at most ${largest.toFixed(3)}. The table below has the numbers.`
      : "The weights of this token were not recorded.");
    at("readout").textContent = known ? "" : "More tokens than are recorded: this one has no weights.";
  }

  drawOverview() {
    const { routing } = this;
    const canvas = at("overview");
    const columns = routing.tokens.map((token) => routing.weightsOf(token));
    const largest = Math.max(1e-9, ...columns.flat().map((each) => (each ? Math.max(...each) : 0)));
    canvas.width = columns.length;
    canvas.height = routing.layers.length;
    draw(canvas, (row, column) => {
      const found = columns[column][row];
      if (!found) return null;
      const expert = indexOfLargest(found);
      return [...COLOURS[expert % COLOURS.length], found[expert] / largest];
    });
    canvas.setAttribute("aria-label", `${columns.length} tokens by ${routing.layers.length} layers; the list above and the table below say the same.`);
  }

  placeCursor() {
    const share = 100 / this.routing.tokens.length;
    at("cursor").style.left = `${this.number * share}%`;
    at("cursor").style.width = `max(5px, ${share}%)`;
  }

  findColumn(event) {
    const box = event.target.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    return Math.max(0, Math.min(this.routing.tokens.length - 1, Math.floor(share * this.routing.tokens.length)));
  }

  readOut(event) {
    const box = event.target.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * this.routing.layers.length);
    const expert = Math.floor(((event.clientX - box.left) / box.width) * this.routing.experts);
    const value = this.weights?.[row]?.[expert];
    if (value !== undefined) at("readout").textContent = `${this.routing.layers[row].short}, expert ${expert + 1}: ${value.toFixed(3)}`;
  }

  fillTable() {
    if (!at("table-details").open || !this.weights) return;
    const table = document.createElement("table");
    const caption = table.createCaption();
    caption.textContent = at("weights-title").textContent;
    caption.className = "note";
    const experts = Array.from({ length: this.routing.experts }, (_, i) => `expert ${i + 1}`);
    addRow(table.createTHead(), ["layer", ...experts, "sum"], () => "col");
    const body = table.createTBody();
    this.routing.layers.forEach((layer, i) => {
      const found = this.weights[i] ?? [];
      const sum = found.reduce((total, value) => total + value, 0);
      const row = addRow(body, [layer.short, ...experts.map((_, n) => found[n]?.toFixed(3) ?? ""), found.length ? sum.toFixed(2) : ""],
        (n) => (n ? null : "row"));
      found.forEach((value, n) => row.cells[n + 1].classList.toggle("none", value === 0));
      row.lastChild.className = "sum";
    });
    at("table").replaceChildren(table);
  }
}

function addRow(part, texts, scopeOf) {
  const row = part.insertRow();
  texts.forEach((text, n) => {
    const scope = scopeOf(n);
    const cell = document.createElement(scope ? "th" : "td");
    if (scope) cell.scope = scope;
    cell.textContent = text;
    row.append(cell);
  });
  return row;
}

/** A pixel for each cell: red, green, blue and an opacity in 0..1, or null for none. */
function draw(canvas, colour) {
  const image = new ImageData(canvas.width, canvas.height);
  for (let row = 0; row < canvas.height; row += 1) {
    for (let column = 0; column < canvas.width; column += 1) {
      const [red, green, blue, opacity] = colour(row, column) ?? [0, 0, 0, 0];
      image.data.set([red, green, blue, Math.round(255 * Math.min(1, opacity))], 4 * (row * canvas.width + column));
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
