"use strict";
// Makes what is already on the page sortable, selectable and comparable. Without it all can be read.

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const announce = (text) => { document.getElementById("announcer").textContent = text; };

all(".needs-script").forEach((part) => { part.hidden = false; });

// What is long is folded where the page is narrow; elsewhere it is open and has no handle.
const narrow = matchMedia("(max-width: 40rem)");
const fold = () => all(".fold").forEach((part) => { part.open = !narrow.matches; });
narrow.addEventListener("change", fold);
addEventListener("beforeprint", () => all(".fold").forEach((part) => { part.open = true; }));
addEventListener("afterprint", fold);
fold();

// ------------------------------------------------------------------------------------- the tables

// What a button opens: the rows below its own, or the cells of its factorial.
function below(button) {
  const { matrix } = button.dataset;
  if (matrix === undefined) return all("tr.detail", button.closest("tbody"));
  return all("tbody[data-matrix]", button.closest("table")).filter((body) => body.dataset.matrix === matrix);
}

function show(button, shown) {
  button.setAttribute("aria-expanded", String(shown));
  below(button).forEach((part) => { part.hidden = !shown; });
}

all("button.opens").forEach((button) => {
  button.disabled = false;
  show(button, false);
  button.addEventListener("click", () => {
    show(button, button.getAttribute("aria-expanded") !== "true");
  });
});

function sortKey(body, column, bySize) {
  const cell = body.rows[0].cells[column];
  if (column === 0) return cell.querySelector("bdi").textContent;
  if (cell.dataset.value === undefined) return null;
  return bySize ? Math.abs(Number(cell.dataset.value)) : Number(cell.dataset.value);
}

function compare(first, second, sign) {
  if (first === null || second === null) return (first === null) - (second === null);
  return sign * (typeof first === "string" ? first.localeCompare(second) : first - second);
}

function sortBy(heading, order) {
  const table = heading.closest("table");
  const column = heading.cellIndex;
  const sign = order === "descending" ? -1 : 1;
  const bodies = [...table.tBodies].filter((body) => body.querySelector("tr.row"));
  const bySize = heading.querySelector("button").dataset.by === "size";
  const keyed = bodies.map((body, place) => ({ body, place, key: sortKey(body, column, bySize) }));
  keyed.sort((a, b) => compare(a.key, b.key, sign) || a.place - b.place);
  const inOrder = (matrix) => keyed.filter(({ body }) => body.dataset.matrix === matrix)
    .forEach(({ body }) => table.append(body));
  inOrder(undefined);
  all(".fold-row", table).forEach((head) => {
    table.append(head);
    inOrder(head.querySelector("button").dataset.matrix);
  });
  all("th[aria-sort]", table).forEach((other) => {
    other.setAttribute("aria-sort", other === heading ? order : "none");
  });
  const label = heading.querySelector(".label") || heading.querySelector("button");
  announce(`Sorted by ${label.textContent.trim()}, ${order}`);
}

all("button.sort").forEach((button) => {
  const heading = button.closest("th");
  button.addEventListener("click", () => {
    const sorted = heading.getAttribute("aria-sort");
    const opposite = sorted === "ascending" ? "descending" : "ascending";
    sortBy(heading, sorted === "none" ? button.dataset.first : opposite);
  });
});

function choose(name, apply) {
  const inputs = all(`input[name="${name}"]`);
  inputs.forEach((input) => input.addEventListener("change", () => apply(input.value)));
  const chosen = inputs.find((input) => input.checked);
  if (chosen) apply(chosen.value);
}

choose("dataset", (value) => {
  all(".dataset").forEach((part) => { part.hidden = part.dataset.dataset !== value; });
});
choose("verdict", (value) => {
  all(".claim").forEach((card) => { card.hidden = value !== "" && card.dataset.verdict !== value; });
});

// ----------------------------------------------------------------------------------- the pictures

const left = document.getElementById("left");
const right = document.getElementById("right");
const seed = document.getElementById("seed");

function exhibitOf(picture, name) {
  return all(".exhibits > li", picture).find((item) => item.dataset.name === name);
}

function shotOf(exhibit) {
  const shots = all("figure", exhibit);
  return shots.find((shot) => shot.dataset.seed === (seed ? seed.value : "")) || shots[0];
}

function called(name, shot) {
  if (!shot) return `${name}: none kept`;
  const shown = shot.dataset.seed;
  if (shown === "") return name;
  return shown === seed.value ? `${name}, seed ${shown}` : `${name}, seed ${shown} (${seed.value}: none kept)`;
}

function describe(picture) {
  const cut = picture.querySelector(".cut");
  const names = [".left-name", ".right-name"].map((side) => picture.querySelector(side).textContent);
  cut.setAttribute("aria-valuetext", `${cut.value} % ${names[0]}, ${100 - cut.value} % ${names[1]}`);
}

function moveCut(picture, value) {
  const cut = picture.querySelector(".cut");
  cut.value = value;
  picture.querySelector("img.left").style.clipPath = `inset(0 ${100 - cut.value}% 0 0)`;
  picture.querySelector(".handle").style.left = `${cut.value}%`;
  describe(picture);
}

function showSide(picture, side, select) {
  const name = select.selectedOptions[0].textContent;
  const exhibit = exhibitOf(picture, name);
  const shown = picture.querySelector(`img.${side}`);
  shown.hidden = !exhibit;
  const shot = exhibit && shotOf(exhibit);
  if (shot) {
    const original = shot.querySelector("img");
    shown.src = original.src;
    shown.alt = original.alt;
  }
  picture.querySelector(`.${side}-name`).textContent = called(name, shot);
}

function showPicture(picture) {
  all(".exhibits > li", picture).forEach((exhibit) => {
    const chosen = shotOf(exhibit);
    all("figure", exhibit).forEach((shot) => { shot.hidden = shot !== chosen; });
    exhibit.setAttribute("aria-current", String(exhibit.dataset.name === right.selectedOptions[0].textContent));
  });
  showSide(picture, "left", left);
  showSide(picture, "right", right);
  moveCut(picture, picture.querySelector(".cut").value);
}

const pictures = all(".picture");
pictures.forEach((picture) => {
  const cut = picture.querySelector(".cut");
  cut.addEventListener("input", () => pictures.forEach((other) => moveCut(other, cut.value)));
  showPicture(picture);
});
all("button.pick").forEach((button) => {
  const { name } = button.closest("li").dataset;
  button.disabled = false;
  button.addEventListener("click", () => {
    right.value = [...right.options].find((option) => option.textContent === name).value;
    pictures.forEach(showPicture);
    announce(`${name} is on the right`);
  });
});
[left, right, seed].filter(Boolean).forEach((select) => {
  select.addEventListener("change", () => pictures.forEach(showPicture));
});

// ----------------------------------------------------------------------------------- the commands

async function copyText(text, source) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A page from disk may be denied the clipboard; the text is then selected to be copied by hand.
    getSelection().selectAllChildren(source);
    return false;
  }
}

all("button.copy").forEach((button) => {
  const source = button.parentElement.querySelector("code");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const copied = await copyText(source.textContent, source);
    button.firstChild.data = copied ? "Copied" : "Selected";
    announce(copied ? "Command copied" : "Command selected");
    setTimeout(() => { button.firstChild.data = "Copy"; }, 2000);
  });
});
