// Kinds of nodes: each has a shape and a colour of its own, so that either alone tells it.
const SHAPES = {
  winner: "star", baseline: "block", miscompile: "cross", failed: "slash", correction: "diamond",
  "same code": "dot", regression: "down", improvement: "disc", equal: "ring",
};
const LABELS = {
  winner: DATA.winner === null ? "best so far, not proved" : "winner",
  baseline: "baseline (root)",
  miscompile: "miscompile",
  failed: "other failure",
  correction: "correction",
  "same code": "same code as another",
  regression: DATA.tree ? "regression: worse than its parent" : "worse than the baseline",
  improvement: DATA.tree ? "better than its parent" : "better than the baseline",
  equal: "as good",
};
const FILLED = new Set(["star", "block", "diamond", "dot", "down", "disc"]);
const LARGE = { winner: 2.1, baseline: 1.25, miscompile: 1.25, correction: 1.25, regression: 1.05, "same code": 0.5 };

// Adds one shape to the current path.
function shape(g, kind, x, y, r) {
  switch (kind) {
    case "disc": case "dot": case "ring":
      g.moveTo(x + r, y);
      g.arc(x, y, r, 0, 2 * Math.PI);
      break;
    case "block":
      g.rect(x - r, y - r, 2 * r, 2 * r);
      break;
    case "diamond":
      g.moveTo(x, y - r * 1.25); g.lineTo(x + r * 1.25, y); g.lineTo(x, y + r * 1.25); g.lineTo(x - r * 1.25, y);
      g.closePath();
      break;
    case "down":
      g.moveTo(x - r * 1.1, y - r * 0.8); g.lineTo(x + r * 1.1, y - r * 0.8); g.lineTo(x, y + r * 1.1);
      g.closePath();
      break;
    case "cross":
      g.moveTo(x - r, y - r); g.lineTo(x + r, y + r); g.moveTo(x + r, y - r); g.lineTo(x - r, y + r);
      break;
    case "slash":
      g.rect(x - r * 0.9, y - r * 0.9, 1.8 * r, 1.8 * r);
      g.moveTo(x - r * 0.9, y + r * 0.9); g.lineTo(x + r * 0.9, y - r * 0.9);
      break;
    case "star":
      for (let corner = 0; corner < 10; corner++) {
        const reach = corner % 2 ? r * 0.45 : r * 1.1;
        const angle = (Math.PI * corner) / 5;
        g[corner ? "lineTo" : "moveTo"](x + reach * Math.sin(angle), y - reach * Math.cos(angle));
      }
      g.closePath();
  }
}

function paint(g, mark, colours, r) {
  const kind = SHAPES[mark];
  if (FILLED.has(kind)) {
    g.fillStyle = colours[mark];
    g.fill();
  }
  if (kind !== "dot") {
    g.strokeStyle = FILLED.has(kind) ? colours.ground : colours[mark];
    g.lineWidth = FILLED.has(kind) ? Math.min(1, r / 4) : Math.max(1.2, r / 2.6);
    g.stroke();
  }
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  const colours = Object.fromEntries(DATA.marks.map((mark) => [mark, read("--m-" + mark.replace(" ", "-"))]));
  for (const name of ["ground", "line", "text", "soft", "accent", "grid"]) colours[name] = read("--" + name);
  return colours;
}

function drawLegend(colours, choose) {
  const present = new Set(C.mark);
  const items = DATA.marks.filter((_, number) => present.has(number)).map((mark) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Show only these";
    const sample = document.createElement("canvas");
    const density = 2;
    sample.width = sample.height = 20 * density;
    sample.setAttribute("aria-hidden", "true");
    const g = sample.getContext("2d");
    g.scale(density, density);
    g.beginPath();
    const r = mark === "same code" ? 3 : mark === "winner" ? 9 : 6;
    shape(g, SHAPES[mark], 10, 10, r);
    paint(g, mark, colours, r);
    button.append(sample, LABELS[mark], " (" + C.mark.filter((m) => DATA.marks[m] === mark).length.toLocaleString("en-US") + ")");
    button.addEventListener("click", () => choose(mark));
    item.append(button);
    return item;
  });
  $("legend").replaceChildren(...items);
}
