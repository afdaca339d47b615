/* The numbers of a routing: layers, tokens and the weights of experts, as the server sends them. */

const ANSWER = "answer", PROMPT = "prompt";

/** The routing of one answer, to which a stream adds. */
export class Routing {
  constructor() {
    this.layers = [];
    this.tokens = [];
  }

  /** Adds what one forward pass read. */
  add(part) {
    if (part.layers) {
      let place = 0;
      this.layers = part.layers.map((layer) => ({ ...layer, place: layer.decides_by === "token" ? place++ : null }));
      const names = stripCommonStart(this.layers.map((layer) => layer.name));
      this.layers.forEach((layer, i) => { layer.short = names[i]; });
    }
    const side = this.tokens.length ? ANSWER : PROMPT;
    this.tokens.push(...part.tokens.map((token) => ({ ...token, side })));
  }

  get experts() {
    return Math.max(0, ...this.layers.map((layer) => layer.experts));
  }

  get decidesByToken() {
    return this.layers.some((layer) => layer.decides_by === "token");
  }

  /** A list of weights for each layer; null where they are not known. */
  weightsOf(token) {
    return this.layers.map((layer) => (layer.place === null ? layer.weights : token.weights?.[layer.place] ?? null));
  }

  /** The expert that most layers weigh highest, and the share of layers; null without weights. */
  mainExpert(token) {
    const chosen = this.weightsOf(token).filter((each, i) => each && this.layers[i].place !== null).map(indexOfLargest);
    if (!chosen.length) return null;
    const counts = new Array(this.experts).fill(0);
    chosen.forEach((expert) => { counts[expert] += 1; });
    const expert = indexOfLargest(counts);
    return { expert, share: counts[expert] / chosen.length };
  }
}

export function indexOfLargest(values) {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}

/** Names without the dotted parts that all share at the front. */
export function stripCommonStart(names) {
  const parts = names.map((name) => name.split("."));
  let start = 0;
  while (names.length > 1 && parts.every((each) => start < each.length - 1 && each[start] === parts[0][start])) start += 1;
  return parts.map((each) => each.slice(start).join("."));
}
