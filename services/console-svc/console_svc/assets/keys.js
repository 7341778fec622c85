// Everything by keyboard: ? lists the keys. They can be switched off, for those who speak to their computer.
"use strict";
(() => {
  const list = document.getElementById("keys");
  if (!list) return;
  const on = document.getElementById("keys-on");
  on.checked = localStorage.getItem("keys") !== "off";
  on.addEventListener("change", () => localStorage.setItem("keys", on.checked ? "on" : "off"));

  // through the messages of the editor where the focus is in them or there is no list, else through the list
  const step = (by) => {
    const { activeElement: active } = document;
    const list = [...document.querySelectorAll("[data-row]")];
    const within = active?.closest("[data-steps]") ?? (list.length ? null : document.querySelector("[data-steps]"));
    const rows = within ? [...within.querySelectorAll("[data-message]")] : list;
    if (!rows.length) return;
    const held = rows.findIndex((row) => row.contains(active));
    const at = held < 0 && !within ? rows.findIndex((row) => row.hasAttribute("aria-current")) : held;
    const row = rows[Math.min(Math.max(at + by, 0), rows.length - 1)];
    row.focus();
    row.scrollIntoView({ block: "nearest" });
    if (!within && row.hasAttribute("hx-get")) row.click(); // shown beside the list; a link waits for Enter
  };
  // physical keys, so that they are the same in Russian and in English layout
  const does = {
    Slash: (event) => (event.shiftKey ? list.showModal() : document.querySelector("input[type=search]")?.focus()),
    KeyJ: () => step(1),
    KeyK: () => step(-1),
  };
  document.addEventListener("keydown", (event) => {
    if (!on.checked || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, dialog[open], [contenteditable]")) return;
    if (event.key === "?") { event.preventDefault(); list.showModal(); return; }
    const act = does[event.code] ?? (() => {
      const key = event.code.replace("Key", "").toLowerCase();
      const here = event.target.closest("[data-keys]")?.querySelector(`[data-key-here="${CSS.escape(key)}"]`);
      const found = here ?? document.querySelector(`[data-key="${CSS.escape(key)}"]`);
      if (found) event.preventDefault(); // what it opens for typing must not begin with the key
      if (event.repeat) return; // a key that is held deletes one message, not all
      if (document.activeElement === document.body) found?.focus({ preventScroll: true }); // as a click does
      found?.click();
    });
    if (event.code === "Slash") event.preventDefault();
    act(event);
  });
})();
