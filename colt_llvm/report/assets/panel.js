// What is known of the selected node. All text is set as text, never as markup.
function element(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

function fillPanel(i, go) {
  const panel = $("panel");
  if (i < 0) {
    panel.replaceChildren(element("h3", "No node selected"), element("p", "Click a node, or press B for the best one.", "soft"));
    return;
  }
  panel.dataset.node = i;
  const facts = element("dl");
  const fact = (name, value) => {
    if (value === "" || value === null || value === undefined) return;
    facts.append(element("dt", name), element("dd", value));
  };
  fact("Result", resultOf(i));
  const ratio = C.ratio[i];
  fact("Ratio to " + DATA.baseline, ratioText(ratio));
  const above = i > 0 ? C.ratio[C.parent[i]] : null;
  if (DATA.tree && i > 0 && ratio !== null && above !== null) fact("Ratio to its parent", ratioText(ratio / above));
  for (const [name, column] of Object.entries(DATA.figures)) {
    const value = i === 0 ? DATA.root[name] : column[i];
    const root = DATA.root[name];
    if (value === null || value === undefined) continue;
    const change = i > 0 && root && value !== root ? " (" + (value >= root ? "+" : "\u2212") + Math.abs((value / root - 1) * 100).toFixed(2) + "%)" : "";
    fact(DATA.labels[name], figureText(name, value) + change);
  }
  if (C.visits) fact("Visits", String(C.visits[i]));
  if (i > 0) {
    fact("Kind of request", DATA.kinds[C.kind[i]]);
    fact("Proposed by", textOf(C.by[i]));
    if (textOf(C.asked[i]) !== textOf(C.by[i])) fact("Asked", textOf(C.asked[i]));
    fact("Error in the answer", textOf(C.error[i]));
    fact("Ended after", C.seconds[i].toFixed(C.seconds[i] < 10 ? 2 : 1) + " s");
    fact("Object code", C.known[i] ? "seen before, not measured again" : C.ratio[i] === null ? "" : "new");
  }
  if (DATA.tree) fact("Model asked next here", textOf(C.next[i]));

  const parts = [element("h3", titleOf(i)), facts];
  if (i > 0) {
    parts.push(element("h4", DATA.tree ? "Passes added" : "Passes"), chips(passesOf(i)));
    const sequence = sequenceOf(i);
    if (DATA.tree && sequence.length > C.passes[i].length) {
      const whole = element("details");
      whole.append(element("summary", "Whole sequence, " + sequence.length + " actions"), chips(sequence));
      parts.push(whole);
    }
  }
  for (const [name, value] of [["Message", textOf(C.detail[i])], ["The model\u2019s answer", textOf(C.answer[i])]]) {
    if (!value) continue;
    const box = element("pre", value);
    box.tabIndex = 0;
    parts.push(element("h4", name), box);
  }
  const bar = element("div", undefined, "bar");
  const button = (text, target) => {
    if (target === undefined || target < 0) return;
    const made = element("button", text);
    made.type = "button";
    made.addEventListener("click", () => go(target));
    bar.append(made);
  };
  if (DATA.tree) {
    button("Parent", C.parent[i]);
    button("First child", CHILDREN[i][0]);
  }
  if (i > 0) {
    const copy = element("button", "Copy the sequence");
    copy.type = "button";
    copy.addEventListener("click", () => copyText(sequenceOf(i).join(","), copy));
    bar.append(copy);
  }
  panel.replaceChildren(...parts, bar);
}

function chips(names) {
  const list = element("ol", undefined, "chips");
  for (const name of names) {
    const item = element("li");
    item.append(element("code", name));
    list.append(item);
  }
  return names.length ? list : element("p", "none", "soft");
}

async function copyText(text, button) {
  const before = button.textContent;
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", text, "hidden");
    document.body.append(area);
    area.select();
    copied = document.execCommand("copy");
    area.remove();
  }
  button.textContent = copied ? "Copied" : "Cannot copy here";
  setTimeout(() => (button.textContent = before), 1500);
}
