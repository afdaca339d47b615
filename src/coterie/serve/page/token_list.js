/* Tokens as a list of which one is selected: by pointing, by a click, or with the arrow keys. */

const COLOURS = 8;
const MOVES = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class TokenList {
  constructor(box, onSelect) {
    Object.assign(this, { box, onSelect, routing: null, items: [], selected: -1, follows: true });
    box.addEventListener("keydown", (event) => this.move(event));
    box.addEventListener("pointerover", (event) => this.pick(event, false));
    box.addEventListener("click", (event) => this.pick(event, true));
  }

  reset(routing) {
    this.box.replaceChildren();
    Object.assign(this, { routing, items: [], selected: -1, follows: true });
  }

  /** Adds the tokens that the routing has more than the list. */
  update() {
    for (const token of this.routing.tokens.slice(this.items.length)) {
      if (!this.items.length || this.routing.tokens[this.items.length - 1].side !== token.side) this.addGroup(token.side);
      const item = this.makeItem(token);
      this.group.append(item);
      this.items.push(item);
    }
    if (this.follows && this.items.length) this.select(this.items.length - 1);
  }

  addGroup(side) {
    const title = Object.assign(document.createElement("span"), { className: "group", id: `group-${side}` });
    title.textContent = side === "prompt" ? "Prompt, with its marks" : "Answer";
    this.group = Object.assign(document.createElement("div"), { role: "group" });
    this.group.setAttribute("aria-labelledby", title.id);
    this.group.append(title);
    this.box.append(this.group);
  }

  makeItem(token) {
    const item = document.createElement("span");
    const isMark = /^<.*>$/.test(token.text.trim());
    item.className = token.modality !== "text" ? "token media" : isMark ? "token mark" : "token";
    item.role = "option";
    item.tabIndex = -1;
    item.setAttribute("aria-selected", "false");
    item.textContent = token.modality === "text" ? token.text.replaceAll("\n", "\u21b5") || "\u00b7" : "";
    const main = this.routing.mainExpert(token);
    const what = token.modality === "text" ? JSON.stringify(token.text) : `part of the ${token.modality}`;
    let how = "";
    if (main) {
      item.classList.add(`e${main.expert % COLOURS}`);
      item.style.setProperty("--v", main.share.toFixed(2));
      how = `, mostly expert ${main.expert + 1}`;
    } else if (this.routing.decidesByToken) {
      item.classList.add("unread");
      how = ", not recorded";
    }
    item.setAttribute("aria-label", `${what}, ${token.side}${how}`);
    item.title = `${what}${how}`;
    return item;
  }

  select(number, focus = false) {
    this.items[this.selected]?.setAttribute("aria-selected", "false");
    if (this.items[this.selected]) this.items[this.selected].tabIndex = -1;
    this.selected = number;
    const item = this.items[number];
    item.setAttribute("aria-selected", "true");
    item.tabIndex = 0;
    if (focus) item.focus({ preventScroll: true });
    this.keepInView(item);
    this.onSelect(number);
  }

  keepInView(item) {
    const { top, bottom } = item.getBoundingClientRect();
    const box = this.box.getBoundingClientRect();
    if (top < box.top) this.box.scrollTop -= box.top - top + 8;
    if (bottom > box.bottom) this.box.scrollTop += bottom - box.bottom + 8;
  }

  pick(event, focus) {
    const number = this.items.indexOf(event.target.closest?.(".token"));
    if (number < 0 || (!focus && this.isHeld)) return;
    this.follows = false;
    this.isHeld = focus; // a click keeps its token while the pointer moves on
    this.select(number, focus);
  }

  move(event) {
    const last = this.items.length - 1;
    const ends = { Home: 0, End: last };
    const step = MOVES[event.key];
    const next = event.key in ends ? ends[event.key] : step ? this.selected + step : -1;
    if (next < 0 || next > last) return;
    event.preventDefault();
    this.follows = false;
    this.isHeld = true;
    this.select(next, true);
  }
}
