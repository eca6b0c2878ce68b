"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const find = id => document.getElementById(id);
const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};
const number = value => value === null || value === undefined ? "–" : Number(value.toPrecision(4)).toString();

// Favourites: in this browser, under the batch's own name; where it keeps nothing, until the page is closed.
const STORE = `batch favourites ${data.id}`;
let favourites = new Set();

function readFavourites() {
  try {
    favourites = new Set(JSON.parse(localStorage.getItem(STORE)) ?? []);
  } catch { /* no storage, or another's text */ }
}

readFavourites();
addEventListener("storage", event => { // marked in another tab, which must not be undone from here
  if (event.key !== STORE) return;
  const before = favourites;
  readFavourites();
  data.pictures.filter(({file}) => before.has(file) !== favourites.has(file)).forEach(showFavourite);
  if (find("only").checked) update();
});

function toggle(picture) {
  if (!favourites.delete(picture.file)) favourites.add(picture.file);
  try {
    localStorage.setItem(STORE, JSON.stringify([...favourites]));
  } catch { /* no storage */ }
  showFavourite(picture);
  if (find("only").checked) update();
}

function showFavourite(picture) {
  const marked = favourites.has(picture.file);
  picture.card.classList.toggle("favourite", marked);
  picture.heart.setAttribute("aria-pressed", marked);
  if (shown === picture) find("largeHeart").setAttribute("aria-pressed", marked);
  const count = data.pictures.filter(other => favourites.has(other.file)).length;
  find("count").textContent = count;
  find("export").disabled = count === 0;
}

// Cards.
function scoreTable(picture) {
  const table = make("table");
  for (const name of data.rewards) {
    if (!(name in picture.scores)) continue;
    const row = table.insertRow();
    row.append(make("th", {textContent: name, scope: "row"}));
    const start = name in picture.startScores ? `${number(picture.startScores[name])} →` : "";
    row.append(make("td", {className: "from", textContent: start}));
    row.append(make("td", {className: "to", textContent: number(picture.scores[name])}));
  }
  return table;
}

function curve(values) {
  const known = values.filter(value => value !== null);
  if (known.length < 2) return "";
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const points = values.map((value, i) => value === null ? null
    : `${(1 + 108 * i / (values.length - 1)).toFixed(1)},${(24 - 22 * (value - low) / (high - low || 1)).toFixed(1)}`);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 110 26");
  svg.setAttribute("class", "curve");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "the reward over the run");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points.filter(Boolean).join(" "));
  svg.append(line);
  return svg;
}

function facts(picture) {
  const more = make("div", {className: "more"});
  if (picture.seed !== null) more.append(`seed\u00a0${picture.seed} · `);
  more.append(make("a", {href: picture.file, textContent: "picture"}));
  if (picture.noise) more.append(" · ", make("a", {href: picture.noise, download: "", textContent: "noise"}));
  more.append(" · ", make("a", {href: picture.workflow, download: "", textContent: "workflow"}));
  more.append(` · ${picture.seconds < 10 ? picture.seconds.toFixed(1) : Math.round(picture.seconds)}\u00a0s`);
  return make("div", {}, scoreTable(picture), curve(picture.curve), more);
}

function image(source, alt, caption) {
  const label = make("i", {textContent: caption});
  return make("span", {}, make("img", {src: source, alt, loading: "lazy", decoding: "async"}), label);
}

function card(picture) {
  const prompt = data.prompts[picture.row];
  const button = make("button", {type: "button", className: "open"});
  button.setAttribute("aria-label", `open large: ${prompt}${picture.seed === null ? "" : `, seed ${picture.seed}`}`);
  if (picture.start) button.append(image(picture.startThumbnail, "", "start"));
  button.append(image(picture.thumbnail, "", picture.start ? "best" : ""));
  if (!picture.start) button.querySelector("i").remove();
  button.onclick = () => open(picture);
  picture.button = button;
  picture.heart = make("button", {type: "button", className: "heart"});
  picture.heart.setAttribute("aria-label", "favourite");
  picture.heart.onclick = () => toggle(picture);
  picture.card = make("article", {className: "card"}, button,
    make("div", {className: "facts"}, facts(picture), picture.heart));
  return picture.card;
}

const sections = new Map();
for (const picture of data.pictures) {
  let section = sections.get(picture.row);
  if (!section) {
    const heading = make("h2", {}, make("small", {textContent: picture.row + 1}), data.prompts[picture.row]);
    section = {pictures: [], cards: make("div", {className: "cards"}), row: picture.row};
    section.element = make("section", {}, heading, section.cards);
    sections.set(picture.row, section);
  }
  section.pictures.push(picture);
  section.cards.append(card(picture));
}
for (const section of sections.values()) section.element.classList.toggle("many", section.pictures.length > 1);

// Sorting and filtering.
const gain = (picture, name) => picture.scores[name] - picture.startScores[name];
const worst = value => value === null || value === undefined || Number.isNaN(value) ? -Infinity : value;
const sorts = [{text: "order of the prompts", value: () => 0}];
for (const name of data.rewards) {
  sorts.push({text: name, value: picture => picture.scores[name]});
  if (data.pictures.some(picture => name in picture.startScores))
    sorts.push({text: `${name}, gain`, value: picture => gain(picture, name)});
}
sorts.push({text: "fastest", value: picture => -picture.seconds});
sorts.forEach((sort, i) => find("sort").append(make("option", {value: i, textContent: sort.text})));
data.rewards.forEach(name => find("reward").append(make("option", {value: name, textContent: name})));
find("filter").hidden = data.rewards.length === 0;

let visible = [];

function update() {
  const words = find("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const least = find("least").value === "" ? -Infinity : Number(find("least").value);
  const reward = find("reward").value;
  const value = picture => worst(sorts[find("sort").value].value(picture));
  const fits = picture => words.every(word => data.prompts[picture.row].toLowerCase().includes(word))
    && (least === -Infinity || worst(picture.scores[reward]) >= least)
    && (!find("only").checked || favourites.has(picture.file));
  const ordered = [...sections.values()].map(section => {
    const pictures = [...section.pictures].sort((a, b) => value(b) - value(a) || 0);
    const fitting = pictures.filter(fits);
    pictures.forEach(picture => { picture.card.hidden = !fitting.includes(picture); });
    section.cards.append(...pictures.map(picture => picture.card));
    section.element.hidden = fitting.length === 0;
    return {section, fitting, best: fitting.length ? value(fitting[0]) : -Infinity};
  });
  ordered.sort((a, b) => (b.best - a.best || 0) || a.section.row - b.section.row);
  find("prompts").append(...ordered.map(entry => entry.section.element));
  visible = ordered.flatMap(entry => entry.fitting);
  find("nothing").hidden = visible.length > 0;
}

for (const id of ["search", "sort", "reward", "least", "only"]) find(id).addEventListener("input", update);
find("tools").onsubmit = event => event.preventDefault();

find("export").onclick = () => {
  const cell = value => /[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? "");
  const lines = [["prompt", "seed", ...data.rewards, "picture", "noise", "workflow"]];
  for (const picture of data.pictures.filter(other => favourites.has(other.file)))
    lines.push([data.prompts[picture.row], picture.seed, ...data.rewards.map(name => picture.scores[name]),
      picture.file, picture.noise, picture.workflow]);
  const text = lines.map(line => line.map(cell).join(",")).join("\r\n") + "\r\n";
  const link = make("a", {href: URL.createObjectURL(new Blob([text], {type: "text/csv"})), download: "favourites.csv"});
  link.click();
  URL.revokeObjectURL(link.href);
};

// The large view.
let shown = null;

function open(picture) {
  shown = picture;
  find("largeStart").hidden = !picture.start;
  for (const [id, source] of [["largeStart", picture.start], ["largeBest", picture.file]])
    if (source) find(id).querySelector("img").src = source;
  find("largeBest").querySelector("figcaption").hidden = !picture.start;
  find("largePrompt").textContent = data.prompts[picture.row];
  find("largeFacts").replaceChildren(facts(picture));
  showFavourite(picture);
  find("previous").disabled = picture === visible[0];
  find("next").disabled = picture === visible.at(-1);
  if (!find("large").open) find("large").showModal();
}

function step(by) {
  const place = visible.indexOf(shown) + by;
  if (visible[place]) open(visible[place]);
}

find("previous").onclick = () => step(-1);
find("next").onclick = () => step(1);
find("close").onclick = () => find("large").close();
find("largeHeart").onclick = () => toggle(shown);
find("large").onclose = () => {
  const last = shown;
  shown = null;
  last?.button.focus();
};

// Keys: in the large view arrows step; on the page they move to the neighbour in that direction.
function neighbour(from, key) {
  const box = from.button.getBoundingClientRect();
  const sideways = key === "ArrowLeft" || key === "ArrowRight";
  if (sideways) return visible[visible.indexOf(from) + (key === "ArrowRight" ? 1 : -1)];
  const down = key === "ArrowDown";
  const others = visible.map(picture => ({picture, at: picture.button.getBoundingClientRect()}))
    .filter(({at}) => down ? at.top >= box.bottom : at.bottom <= box.top); // beside is neither, if a little lower
  const far = ({at}) => 4 * Math.abs(at.top - box.top) + Math.abs(at.left - box.left);
  return others.sort((a, b) => far(a) - far(b))[0]?.picture;
}

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input, select");
  const arrow = event.key.startsWith("Arrow");
  if (shown) {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") step(event.key === "ArrowRight" ? 1 : -1);
    else if (event.key.toLowerCase() === "f") toggle(shown);
    else return;
  } else if (typing) return;
  else if (event.key === "/") find("search").focus();
  else {
    const focused = visible.find(picture => picture.card.contains(document.activeElement));
    if (arrow && visible.length) (focused ? neighbour(focused, event.key) : visible[0])?.button.focus();
    else if (event.key.toLowerCase() === "f" && focused) toggle(focused);
    else return;
  }
  event.preventDefault();
});

if (data.failed.length) {
  find("failed").hidden = false;
  find("failed").querySelector("summary").textContent = `${data.failed.length} jobs were set aside`;
  for (const key of data.failed)
    find("failed").querySelector("ul").append(
      make("li", {}, make("a", {href: `failed/${key}.txt`, textContent: `${key}.txt`})));
}
if (!data.pictures.length) find("nothing").textContent = "No picture is there yet.";
data.pictures.forEach(showFavourite);
update();
