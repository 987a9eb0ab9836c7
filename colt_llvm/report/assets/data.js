// The nodes, as columns: node 0 is the root, the others are trials in the order in which the search was told.
const DATA = JSON.parse(document.getElementById("run-data").textContent);
const C = DATA.columns;
const COUNT = C.parent.length;
const CHILDREN = Array.from({ length: COUNT }, () => []);
for (let i = 1; i < COUNT; i++) CHILDREN[C.parent[i]].push(i);

const $ = (id) => document.getElementById(id);
const textOf = (number) => (number < 0 ? "" : DATA.texts[number]);
const markOf = (i) => DATA.marks[C.mark[i]];
const passesOf = (i) => C.passes[i].map(textOf);
const ratioText = (value) => (value === null ? "" : value.toFixed(4) + "\u00d7");

function figureText(name, value) {
  if (value === null || value === undefined) return "";
  if (!DATA.times.includes(name)) return value.toLocaleString("en-US");
  return value < 1 ? (value * 1e3).toPrecision(4) + " ms" : value.toPrecision(4) + " s";
}

function pathOf(i) {
  const path = [];
  for (let at = i; at >= 0; at = C.parent[at]) path.push(at);
  return path.reverse();
}

const sequenceOf = (i) => pathOf(i).flatMap(passesOf);

// What a node is called for a person.
function titleOf(i) {
  return i === 0 ? "Root: " + DATA.baseline : "Trial " + C.request[i];
}

function resultOf(i) {
  const mark = markOf(i);
  const failure = textOf(C.failure[i]);
  if (mark === "winner") return DATA.winner === null ? "the best so far, not proved" : "the winner";
  if (i === 0) return "the baseline";
  if (failure === "transposition") return "same object code as another node";
  return failure && failure !== mark ? mark + ": " + failure : mark;
}

let HAYSTACK = null;
function haystack(i) {
  HAYSTACK ??= Array.from({ length: COUNT }, (_, n) =>
    [
      passesOf(n).join(" "), textOf(C.by[n]), textOf(C.failure[n]), textOf(C.detail[n]), textOf(C.error[n]),
      C.kind[n] < 0 ? "root" : DATA.kinds[C.kind[n]], markOf(n), "#" + C.request[n] + " ",
    ].join("\n").toLowerCase(),
  );
  return HAYSTACK[i];
}

// Every word has to be found; #12 is trial 12 alone.
function matching(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean).map((word) => (/^#\d+$/.test(word) ? word + " " : word));
  if (!words.length) return null;
  const found = new Uint8Array(COUNT);
  for (let i = 0; i < COUNT; i++) found[i] = words.every((word) => haystack(i).includes(word)) ? 1 : 0;
  return found;
}
