// Trials in text: the same as the picture, for reading and for screen readers.
const PAGE_ROWS = 50;

class TrialTable {
  constructor(go) {
    this.go = go;
    this.start = 0;
    this.show(null);
    $("page-back").addEventListener("click", () => this.turn(-PAGE_ROWS));
    $("page-on").addEventListener("click", () => this.turn(PAGE_ROWS));
    $("trials").addEventListener("toggle", () => this.fill());
  }

  show(matches) {
    this.rows = [];
    for (let i = 1; i < COUNT; i++) if (!matches || matches[i]) this.rows.push(i);
    this.start = 0;
    this.fill();
  }

  turn(by) {
    this.start += by;
    this.fill();
  }

  fill() {
    if (!$("trials").open) return;
    const shown = this.rows.slice(this.start, this.start + PAGE_ROWS);
    $("trial-rows").replaceChildren(...shown.map((i) => this.row(i)));
    const end = this.start + shown.length;
    $("page-place").textContent = shown.length ? this.start + 1 + " to " + end + " of " + this.rows.length : "none match";
    $("page-back").disabled = this.start === 0;
    $("page-on").disabled = end >= this.rows.length;
  }

  row(i) {
    const row = element("tr");
    const first = element("th");
    first.scope = "row";
    first.className = "number";
    const button = element("button", String(C.request[i]), "link");
    button.type = "button";
    button.setAttribute("aria-label", "Select trial " + C.request[i]);
    button.addEventListener("click", () => this.go(i));
    first.append(button);
    const passes = element("td");
    passes.append(element("code", passesOf(i).join(", ")));
    row.append(first, passes, element("td", textOf(C.by[i])), element("td", ratioText(C.ratio[i]), "number"), element("td", resultOf(i)));
    return row;
  }
}
