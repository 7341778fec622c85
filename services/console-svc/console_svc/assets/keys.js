// Everything by keyboard: ? lists the keys. They can be switched off, for those who speak to their computer.
"use strict";
(() => {
  const list = document.getElementById("keys");
  if (!list) return;
  const on = document.getElementById("keys-on");
  on.checked = localStorage.getItem("keys") !== "off";
  on.addEventListener("change", () => localStorage.setItem("keys", on.checked ? "on" : "off"));

  const step = (by) => {
    const rows = [...document.querySelectorAll("[data-row]")];
    if (!rows.length) return;
    const at = rows.findIndex((row) => row === document.activeElement || row.hasAttribute("aria-current"));
    const row = rows[Math.min(Math.max(at + by, 0), rows.length - 1)];
    row.focus();
    row.scrollIntoView({ block: "nearest" });
    row.click();
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
      document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.click();
    });
    if (event.code === "Slash") event.preventDefault();
    act(event);
  });
})();
