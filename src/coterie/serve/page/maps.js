/* The maps that a dense run predicts of a picture, each with its legend. */

const at = (id) => document.getElementById(id);

export function showMaps(found) {
  const seen = makeFigure("The picture, as the model saw it", found.image, []);
  seen.querySelector("img").classList.add("seen");
  at("maps").replaceChildren(seen, ...found.maps.map((map) => makeFigure(map.task, map.picture, map.legend)));
  at("maps-result").hidden = false;
  const count = found.maps.length === 1 ? "one map" : `${found.maps.length} maps`;
  at("maps-note").textContent = `${count}, ${found.seconds.toFixed(2)} s on the server`;
}

function makeFigure(name, address, legend) {
  const figure = document.createElement("figure");
  const caption = Object.assign(document.createElement("figcaption"), { textContent: name });
  const words = legend.map((each) => each.label).join(", ");
  figure.append(caption, Object.assign(new Image(), { src: address, alt: words ? `${name}: ${words}` : name }));
  if (legend.length) {
    const list = Object.assign(document.createElement("ul"), { className: "legend" });
    list.append(...legend.map(makeEntry));
    figure.append(list);
  }
  return figure;
}

function makeEntry({ color, label }) {
  const item = document.createElement("li");
  const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
  swatch.style.background = color;
  item.append(swatch, label);
  return item;
}
