// The hint in one's own message: what was added to it as first sent, unless the mark is set by hand.
"use strict";
(() => {
  const MOST = 1_000_000; // words by words that are compared; what is longer counts as added from where it differs
  const words = (text) => text.match(/[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) ?? [];

  // which words of `after` are not in `before`, by the longest common subsequence
  const added = (before, after) => {
    const [a, b] = [words(before), words(after)];
    let head = 0;
    while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
    let tail = 0;
    while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1;
    const [old, now] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
    const kept = new Set();
    if (old.length * now.length <= MOST) {
      const row = () => new Uint32Array(now.length + 1);
      const best = Array.from({ length: old.length + 1 }, row);
      for (let i = old.length - 1; i >= 0; i -= 1) {
        for (let j = now.length - 1; j >= 0; j -= 1) {
          best[i][j] = old[i] === now[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
        }
      }
      for (let i = 0, j = 0; i < old.length && j < now.length;) {
        if (old[i] === now[j]) { kept.add(j); i += 1; j += 1; }
        else if (best[i + 1][j] >= best[i][j + 1]) i += 1;
        else j += 1;
      }
    }
    const spans = [];
    let at = b.slice(0, head).join("").length;
    now.forEach((word, place) => {
      if (!kept.has(place)) spans.push([at, at + word.length]);
      at += word.length;
    });
    return joined(spans, after);
  };

  // in order, as one where only blanks lie between; blanks at their ends go
  const joined = (spans, text) => {
    const found = [];
    for (let [start, end] of spans.toSorted((a, b) => a[0] - b[0])) {
      while (start < end && /\s/.test(text[start])) start += 1;
      while (end > start && /\s/.test(text[end - 1])) end -= 1;
      if (start === end) continue;
      const last = found.at(-1);
      if (last && !text.slice(last[1], start).trim()) last[1] = Math.max(last[1], end);
      else found.push([start, end]);
    }
    return found;
  };

  // marks set by hand keep to their words while one types: what is typed within a mark belongs to it
  const moved = (spans, before, after) => {
    let head = 0;
    while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
    let tail = 0;
    const least = Math.min(before.length, after.length) - head;
    while (tail < least && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
    const grown = after.length - before.length;
    const place = (at) => (at <= head ? at : at >= before.length - tail ? at + grown : head);
    return joined(spans.map(([start, end]) => [place(start), place(end)]), after);
  };

  const points = (text, at) => [...text.slice(0, at)].length; // services count code points
  const units = (text, at) => [...text].slice(0, at).join("").length;

  const watches = new WeakMap(); // a form that was read again is watched anew, once
  const watch = (area) => {
    area.dataset.watched = "";
    watches.get(area)?.abort();
    watches.set(area, new AbortController());
    const { signal } = watches.get(area);
    const { form } = area;
    const { hint } = form.elements; // what was marked by hand, also before a reload or a refusal
    const layer = form.querySelector(".hint-layer");
    const says = form.querySelector("#hint-says [role=status]");
    const first = area.dataset.first.replaceAll("\r\n", "\n");
    const given = JSON.parse(area.dataset.hint).map(({ start, end }) => [units(area.defaultValue, start), units(area.defaultValue, end)]);
    let spans = added(first, area.value);
    let byHand = Boolean(hint.value);
    if (byHand) spans = JSON.parse(hint.value).map(([start, end]) => [units(area.value, start), units(area.value, end)]);
    else if (area.value === area.defaultValue && JSON.stringify(given) !== JSON.stringify(spans)) {
      byHand = true;
      spans = given;
    }
    let text = area.value;

    const show = () => {
      const shown = [];
      let at = 0;
      for (const [start, end] of spans) {
        const mark = document.createElement("mark");
        mark.className = "hint";
        mark.textContent = text.slice(start, end);
        shown.push(text.slice(at, start), mark);
        at = end;
      }
      layer.replaceChildren(...shown, `${text.slice(at)}\n`);
      layer.scrollTop = area.scrollTop;
      const told = spans.map(([start, end]) => text.slice(start, end)).join(" … ");
      says.textContent = told ? `${says.dataset.some} ${told}` : says.dataset.none;
      hint.value = byHand ? JSON.stringify(spans.map(([start, end]) => [points(text, start), points(text, end)])) : "";
    };
    area.addEventListener("input", () => {
      spans = byHand ? moved(spans, text, area.value) : added(first, area.value);
      text = area.value;
      show();
    }, { signal });
    area.addEventListener("scroll", () => { layer.scrollTop = area.scrollTop; }, { signal });
    form.addEventListener("click", (event) => {
      const how = event.target.closest("[data-mark]")?.dataset.mark;
      const { selectionStart: from, selectionEnd: to } = area;
      if (!how || from === to) return;
      byHand = true;
      const without = spans.flatMap(([start, end]) => [[start, Math.min(end, from)], [Math.max(start, to), end]])
        .filter(([start, end]) => start < end);
      spans = joined(how === "add" ? [...without, [from, to]] : without, text);
      show();
      hint.dispatchEvent(new Event("input", { bubbles: true })); // kept with what is typed
    }, { signal });
    show();
  };
  const look = () => document.querySelectorAll("textarea[data-hints]:not([data-watched])").forEach(watch);
  document.addEventListener("htmx:after:swap", look);
})();
