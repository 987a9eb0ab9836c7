// The picture: world units to the screen, only what is visible, one frame for any number of changes.
const A_PATH = 60; // lines or shapes: a long path takes far longer than its parts

class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.g = canvas.getContext("2d");
    this.colours = readColours();
    this.made = {};
    this.scale = 1;
    this.left = this.top = 0; // world position of the upper left corner
    this.selected = -1;
    this.matches = null;
    this.frames = 0;
    this.X = new Float64Array(COUNT);
    this.Y = new Float64Array(COUNT);
    this.waiting = false;
    this.best = DATA.best === null ? [] : pathOf(DATA.best);
  }

  use(name) {
    this.layout = this.made[name] ??= LAYOUTS[name]();
    this.canvas.dataset.layout = name;
    this.fit();
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    const density = window.devicePixelRatio || 1;
    this.width = Math.max(1, box.width);
    this.height = Math.max(1, box.height);
    this.canvas.width = Math.round(this.width * density);
    this.canvas.height = Math.round(this.height * density);
    this.density = density;
    if (this.layout && !this.moved) this.fit();
    this.draw(); // at once: a new size has emptied the canvas
  }

  fit() {
    if (!this.width) return;
    const { x, y, axes } = this.layout;
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < COUNT; i++) {
      x0 = Math.min(x0, x[i]); x1 = Math.max(x1, x[i]);
      y0 = Math.min(y0, y[i]); y1 = Math.max(y1, y[i]);
    }
    const margin = axes ? [74, 20, 20, 46] : [24, 24, 24, 24]; // left, right, top, bottom
    const wide = Math.max(40, this.width - margin[0] - margin[1]);
    const tall = Math.max(40, this.height - margin[2] - margin[3]);
    const filling = wide / Math.max(1, x1 - x0) / (tall / Math.max(1, y1 - y0));
    this.stretch = Math.min(axes ? Infinity : this.layout.wide ?? 1, Math.max(axes ? 0 : 1, filling));
    this.scale = Math.min(axes ? Infinity : 2.2, wide / (Math.max(1, x1 - x0) * this.stretch), tall / Math.max(1, y1 - y0));
    this.fitted = this.scale;
    this.moved = false; // a new size then shows the whole picture again
    this.left = x0 - (margin[0] + (wide - (x1 - x0) * this.scale * this.stretch) / 2) / (this.scale * this.stretch);
    this.top = y0 - (margin[2] + (tall - (y1 - y0) * this.scale) / 2) / this.scale;
    this.redraw();
  }

  sx(i) { return (this.layout.x[i] - this.left) * this.scale * this.stretch; }
  sy(i) { return (this.layout.y[i] - this.top) * this.scale; }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(12, Math.max(this.fitted / 4, this.scale * factor));
    this.left += x / (this.scale * this.stretch) - x / (scale * this.stretch);
    this.top += y / this.scale - y / scale;
    this.scale = scale;
    this.moved = true;
    this.redraw();
  }

  pan(dx, dy) {
    this.left -= dx / (this.scale * this.stretch);
    this.top -= dy / this.scale;
    this.moved = true;
    this.redraw();
  }

  center(i) {
    this.pan(this.width / 2 - this.sx(i), this.height / 2 - this.sy(i));
  }

  // Brings a node into the picture, and no further than needed.
  reveal(i) {
    if (this.scale < 0.9 * Math.min(1, this.fitted * 6) && !this.layout.axes) this.zoom((0.9 * Math.min(1, this.fitted * 6)) / this.scale);
    const [x, y] = [this.sx(i), this.sy(i)];
    const edge = 40;
    if (x < edge || y < edge || x > this.width - edge || y > this.height - edge) this.center(i);
  }

  at(x, y, reach = 14) {
    let found = -1;
    let least = reach * reach;
    for (let i = 0; i < COUNT; i++) {
      const distance = (this.sx(i) - x) ** 2 + (this.sy(i) - y) ** 2;
      if (distance < least || (distance === least && found < 0)) [found, least] = [i, distance];
    }
    return found;
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    const { g, width, height } = this;
    if (!this.layout || !width) return;
    this.frames += 1;
    g.setTransform(this.density, 0, 0, this.density, 0, 0);
    g.clearRect(0, 0, width, height);
    const [X, Y] = [this.X, this.Y];
    for (let i = 0; i < COUNT; i++) {
      X[i] = this.sx(i);
      Y[i] = this.sy(i);
    }
    const outside = (i) => X[i] < -20 || Y[i] < -20 || X[i] > width + 20 || Y[i] > height + 20;
    if (this.layout.rings) this.drawRings();
    if (this.layout.axes) this.drawGrid();
    else this.drawEdges(X, Y);
    const radius = this.radius();
    const groups = DATA.marks.map(() => [[], []]);
    let drawn = 0;
    for (let i = 0; i < COUNT; i++) {
      if (outside(i)) continue;
      groups[C.mark[i]][this.matches && !this.matches[i] ? 1 : 0].push(i);
      drawn += 1;
    }
    for (const faded of [1, 0]) {
      g.globalAlpha = faded ? 0.13 : 1;
      for (let m = DATA.marks.length - 1; m >= 0; m--) {
        const nodes = groups[m][faded];
        this.drawMarks(nodes, DATA.marks[m], radius, X, Y);
      }
    }
    g.globalAlpha = 1;
    if (this.selected >= 0) this.drawSelected(X, Y, radius);
    if (drawn < 140 && this.scale > 0.75 && !this.layout.axes) this.drawLabels(X, Y, outside, radius);
    if (this.layout.axes) this.drawAxes();
    this.canvas.dataset.drawn = drawn;
  }

  // Small ones are plain squares: nobody can tell their shape, and they are by far the quickest to draw.
  drawMarks(nodes, mark, radius, X, Y) {
    const { g } = this;
    const r = Math.max(radius * (LARGE[mark] ?? 1), mark === "winner" ? 8 : 0.7);
    if (r < 2.3) {
      g.fillStyle = this.colours[mark];
      for (const i of nodes) g.fillRect(X[i] - r, Y[i] - r, 2 * r, 2 * r);
      return;
    }
    for (let from = 0; from < nodes.length; from += A_PATH) {
      g.beginPath();
      for (let at = from; at < Math.min(from + A_PATH, nodes.length); at++) shape(g, SHAPES[mark], X[nodes[at]], Y[nodes[at]], r);
      paint(g, mark, this.colours, r);
    }
  }

  radius() {
    if (this.layout.axes) return Math.min(7, Math.max(2, 3.4 * Math.sqrt(this.scale / this.fitted) * Math.min(1.3, 28 / Math.sqrt(COUNT))));
    return Math.min(9, Math.max(1.6, 5.2 * Math.sqrt(this.scale)));
  }

  drawEdges(X, Y) {
    const { g, width, height } = this;
    const visible = (i, p) =>
      Math.max(X[i], X[p]) > -5 && Math.min(X[i], X[p]) < width + 5 &&
      Math.max(Y[i], Y[p]) > -5 && Math.min(Y[i], Y[p]) < height + 5;
    g.strokeStyle = this.colours.line;
    g.lineWidth = Math.min(1.2, Math.max(0.4, this.scale));
    g.beginPath();
    for (let i = 1, lines = 0; i < COUNT; i++) {
      const p = C.parent[i];
      if (!visible(i, p)) continue;
      g.moveTo(X[p], Y[p]);
      g.lineTo(X[i], Y[i]);
      lines += 1;
      if (lines % A_PATH) continue;
      g.stroke();
      g.beginPath();
    }
    g.stroke();
    this.drawPath(this.best, X, Y, this.colours.winner, 2.6);
    if (this.selected > 0) this.drawPath(pathOf(this.selected), X, Y, this.colours.accent, 2);
  }

  drawPath(path, X, Y, colour, width) {
    if (path.length < 2) return;
    this.g.beginPath();
    path.forEach((i, n) => this.g[n ? "lineTo" : "moveTo"](X[i], Y[i]));
    this.g.strokeStyle = colour;
    this.g.lineWidth = width;
    this.g.stroke();
  }

  drawRings() {
    const { g } = this;
    g.beginPath();
    const [x, y] = [-this.left * this.scale, -this.top * this.scale];
    for (const ring of this.layout.rings) {
      g.moveTo(x + ring * this.scale, y);
      g.arc(x, y, ring * this.scale, 0, 2 * Math.PI);
    }
    g.strokeStyle = this.colours.grid;
    g.lineWidth = 1;
    g.stroke();
  }

  drawSelected(X, Y, radius) {
    const { g } = this;
    const i = this.selected;
    g.beginPath();
    g.arc(X[i], Y[i], radius * (LARGE[markOf(i)] ?? 1) + 6, 0, 2 * Math.PI);
    g.strokeStyle = this.colours.accent;
    g.lineWidth = 3;
    g.stroke();
  }

  drawLabels(X, Y, outside, radius) {
    const { g } = this;
    g.font = "12px system-ui, sans-serif";
    g.textBaseline = "middle";
    g.lineWidth = 3;
    g.strokeStyle = this.colours.ground;
    g.fillStyle = this.colours.text;
    const taken = [];
    for (let i = 0; i < COUNT; i++) {
      if (outside(i) || (this.matches && !this.matches[i])) continue;
      let text = i === 0 ? "root" : passesOf(i).join(", ") || "no passes";
      if (text.length > 30) text = text.slice(0, 29) + "\u2026";
      const start = X[i] + radius * (LARGE[markOf(i)] ?? 1) + 6;
      const box = [start, Y[i] - 7, start + 6.2 * text.length, Y[i] + 7];
      if (taken.some((b) => box[0] < b[2] && box[2] > b[0] && box[1] < b[3] && box[3] > b[1])) continue;
      taken.push(box);
      g.strokeText(text, box[0], Y[i]);
      g.fillText(text, box[0], Y[i]);
    }
  }

  steps(low, high, about) {
    const raw = (high - low) / about;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((s) => raw <= s * 1.0001);
    const values = [];
    for (let at = Math.ceil(low / step); at * step <= high; at++) values.push(at * step);
    return { values, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }

  ratioSteps() {
    const { toRatio } = this.layout.axes;
    return this.steps(toRatio(this.top + (this.height - 40) / this.scale), toRatio(this.top), 6);
  }

  drawGrid() {
    const { g, width } = this;
    const { toY, low } = this.layout.axes;
    g.beginPath();
    for (const value of this.ratioSteps().values) {
      if (value < low - 1e-9) continue;
      const y = (toY(value) - this.top) * this.scale;
      g.moveTo(0, y); g.lineTo(width, y);
    }
    g.strokeStyle = this.colours.grid;
    g.lineWidth = 1;
    g.stroke();
    g.beginPath();
    const one = (toY(1) - this.top) * this.scale;
    g.moveTo(0, one); g.lineTo(width, one);
    g.setLineDash([5, 4]);
    g.strokeStyle = this.colours.text;
    g.stroke();
    g.setLineDash([]);
  }

  drawAxes() {
    const { g, width, height } = this;
    const { toY, low, clipped } = this.layout.axes;
    g.fillStyle = this.colours.ground;
    g.fillRect(0, 0, 62, height);
    g.fillRect(0, height - 38, width, 38);
    g.fillStyle = this.colours.soft;
    g.font = "12px system-ui, sans-serif";
    g.textBaseline = "middle";
    g.textAlign = "right";
    const { values, digits } = this.ratioSteps();
    for (const value of values) {
      const y = (toY(value) - this.top) * this.scale;
      if (value >= low - 1e-9 && y < height - 44) g.fillText(value.toFixed(Math.max(2, digits)), 56, y);
    }
    const lowest = -this.top * this.scale;
    if (clipped && lowest < height - 44) g.fillText("\u2264 " + low.toFixed(3), 56, lowest);
    const failed = (40 - this.top) * this.scale;
    if (failed < height - 40 && C.ratio.includes(null)) g.fillText("failed", 56, failed);
    g.textAlign = "center";
    const unit = 1000 / Math.max(1, COUNT - 1);
    const first = Math.max(0, (this.left + 62 / (this.scale * this.stretch)) / unit);
    const last = Math.min(COUNT - 1, (this.left + width / (this.scale * this.stretch)) / unit);
    for (const value of last > first ? this.steps(first, last, 8).values : []) {
      if (Number.isInteger(value)) g.fillText(value.toLocaleString("en-US"), (value * unit - this.left) * this.scale * this.stretch, height - 26);
    }
    g.fillText("trials told", width / 2 + 30, height - 9);
    g.save();
    g.translate(9, height / 2 - 20);
    g.rotate(-Math.PI / 2);
    g.fillText("ratio to " + DATA.baseline + " (\u00d7)", 0, 0);
    g.restore();
    g.textAlign = "left";
  }
}
