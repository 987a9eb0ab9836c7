// Puts the parts together: pointer, keyboard, buttons, filter.
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", () => copyText(button.parentElement.querySelector("pre").textContent, button));
}

function start() {
  const holder = $("tree-view");
  if (!holder) return;
  holder.hidden = false;
  const canvas = $("tree-canvas");
  const view = new View(canvas);
  const wrong = [];
  for (let i = 1; i < COUNT; i++) if (markOf(i) === "miscompile") wrong.push(i);

  const select = (i, reveal = true) => {
    if (i < 0 || i === undefined) return;
    view.selected = i;
    canvas.dataset.selected = i;
    if (reveal) view.reveal(i);
    fillPanel(i, select);
    view.redraw();
  };
  const table = new TrialTable((i) => {
    select(i);
    canvas.scrollIntoView({ block: "nearest" });
  });
  const filter = () => {
    view.matches = matching($("filter").value);
    const found = view.matches ? view.matches.reduce((sum, match) => sum + match, 0) : 0;
    $("matches").textContent = view.matches ? found + " of " + COUNT + " match" : "";
    canvas.dataset.matches = view.matches ? found : "";
    table.show(view.matches);
    view.redraw();
  };
  const nextMatch = () => {
    if (!view.matches) return;
    for (let step = 1; step <= COUNT; step++) {
      const i = (Math.max(0, view.selected) + step) % COUNT;
      if (view.matches[i]) return select(i);
    }
  };
  const miscompile = (step) => {
    if (!wrong.length) return;
    const at = view.selected;
    const later = step > 0 ? wrong.find((i) => i > at) ?? wrong[0] : wrong.findLast((i) => i < at) ?? wrong.at(-1);
    select(later);
  };
  const walk = (key) => {
    const i = Math.max(0, view.selected);
    if (view.selected < 0) return select(0);
    const siblings = i > 0 ? CHILDREN[C.parent[i]] : [0];
    const place = siblings.indexOf(i);
    if (key === "ArrowLeft") return i > 0 && select(C.parent[i]);
    if (key === "ArrowRight") return CHILDREN[i].length && select(CHILDREN[i][0]);
    return select(siblings[place + (key === "ArrowDown" ? 1 : -1)]);
  };

  const keys = {
    "+": () => view.zoom(1.4), "=": () => view.zoom(1.4), "-": () => view.zoom(1 / 1.4), 0: () => view.fit(),
    ArrowLeft: () => view.pan(60, 0), ArrowRight: () => view.pan(-60, 0),
    ArrowUp: () => view.pan(0, 60), ArrowDown: () => view.pan(0, -60),
    n: () => select(Math.min(COUNT - 1, view.selected + 1)), p: () => select(Math.max(0, view.selected - 1)),
    b: () => DATA.best !== null && select(DATA.best),
    m: () => miscompile(1), M: () => miscompile(-1),
    Enter: () => select(view.at(view.width / 2, view.height / 2, Infinity), false),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.shiftKey && event.key.startsWith("Arrow")) walk(event.key);
    else if (Object.hasOwn(keys, event.key)) keys[event.key]();
    else return;
    event.preventDefault();
  });

  const pointers = new Map();
  let moved = 0;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    if (pointers.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) {
      const i = view.at(event.offsetX, event.offsetY);
      canvas.title = i < 0 ? "" : titleOf(i) + ": " + (passesOf(i).join(", ") || resultOf(i));
      canvas.classList.toggle("over", i >= 0);
      return;
    }
    const now = [event.offsetX, event.offsetY];
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      view.zoom(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      moved = Infinity;
    } else {
      view.pan(now[0] - before[0], now[1] - before[1]);
      moved += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
    }
    pointers.set(event.pointerId, now);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => {
      if (pointers.delete(event.pointerId) && name === "pointerup" && moved < 6) {
        select(view.at(event.offsetX, event.offsetY), false);
      }
    });
  }
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    view.zoom(Math.exp(-Math.max(-120, Math.min(120, event.deltaY * lines)) * 0.0022), event.offsetX, event.offsetY);
  }, { passive: false });

  $("zoom-in").addEventListener("click", keys["+"]);
  $("zoom-out").addEventListener("click", keys["-"]);
  $("zoom-fit").addEventListener("click", keys[0]);
  $("to-best").addEventListener("click", keys.b);
  $("to-best").disabled = DATA.best === null;
  $("next-miscompile").addEventListener("click", keys.m);
  $("previous-miscompile").addEventListener("click", keys.M);
  $("next-miscompile").disabled = $("previous-miscompile").disabled = !wrong.length;
  $("layout").addEventListener("change", () => view.use($("layout").value));
  $("filter").addEventListener("input", filter);
  $("filter").addEventListener("keydown", (event) => event.key === "Enter" && nextMatch());

  const chooseMark = (mark) => {
    $("filter").value = mark;
    filter();
  };
  const colours = () => {
    view.colours = readColours();
    drawLegend(view.colours, chooseMark);
    view.redraw();
  };
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colours);
  new ResizeObserver(() => view.resize()).observe(canvas);
  if (DATA.tree && COUNT <= 60) $("layout").value = "levels";
  view.resize();
  view.use($("layout").value);
  colours();
  fillPanel(-1, select);
  if (DATA.best !== null) select(DATA.best, false);
  window.coltReport = view; // for whoever looks at it in the browser's console
}

start();
