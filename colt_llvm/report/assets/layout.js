// Where nodes are, in world units. Each is computed once, when it is first chosen.
const LAYOUTS = { radial: radial, levels: levels, trials: byTrial };

// Depth of each node, and the place of its subtree among the leaves: children side by side, without recursion.
function order() {
  const depth = new Int32Array(COUNT);
  const place = new Float64Array(COUNT);
  const post = [];
  const stack = [0];
  while (stack.length) {
    const i = stack.pop();
    post.push(i);
    for (const child of CHILDREN[i]) {
      depth[child] = depth[i] + 1;
      stack.push(child);
    }
  }
  // Leaves of the same parent stand close together, subtrees further apart.
  let next = 0;
  for (const i of post) {
    if (CHILDREN[i].length) continue;
    place[i] = next;
    next += 1;
  }
  for (let at = post.length - 1; at >= 0; at--) {
    const i = post[at];
    if (CHILDREN[i].length) place[i] = (place[CHILDREN[i][0]] + place[CHILDREN[i].at(-1)]) / 2;
  }
  return { depth, place, leaves: Math.max(1, next) };
}

function radial() {
  const { depth, place, leaves } = order();
  const inDepth = [];
  for (const d of depth) inDepth[d] = (inDepth[d] ?? 0) + 1;
  const radius = [0];
  for (let d = 1; d < inDepth.length; d++) radius[d] = Math.max(radius[d - 1] + 42, (inDepth[d] * 9) / (2 * Math.PI));
  const x = new Float64Array(COUNT);
  const y = new Float64Array(COUNT);
  for (let i = 0; i < COUNT; i++) {
    const angle = (2 * Math.PI * (place[i] + 0.5)) / leaves - Math.PI / 2;
    x[i] = radius[depth[i]] * Math.cos(angle);
    y[i] = radius[depth[i]] * Math.sin(angle);
  }
  return { x, y, rings: radius.slice(1) };
}

function levels() {
  const { depth, place } = order();
  const x = Float64Array.from(depth, (d) => d * 130);
  const y = Float64Array.from(place, (p) => p * 20);
  return { x, y, wide: 14 };
}

// Trials from left to right, better ones higher up. Those without a ratio are in a row of their own below.
function byTrial() {
  const known = C.ratio.filter((r) => r !== null).sort((a, b) => a - b);
  const high = Math.max(1, known.at(-1));
  const low = Math.min(1, known[Math.floor(known.length * 0.02)]);
  const span = high - low || 0.01;
  const x = new Float64Array(COUNT);
  const y = new Float64Array(COUNT);
  for (let i = 0; i < COUNT; i++) {
    x[i] = (1000 * i) / Math.max(1, COUNT - 1);
    y[i] = C.ratio[i] === null ? 40 : (-420 * (Math.max(low, C.ratio[i]) - low)) / span;
  }
  return { x, y, axes: { low, clipped: known[0] < low, toRatio: (v) => low + (span * -v) / 420, toY: (r) => (-420 * (r - low)) / span } };
}
