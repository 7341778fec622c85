// The dataset's table: choosing rows one by one, up to here, or all; and where the focus goes after a change.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const boxes = () => [...document.querySelectorAll("input[name=ids][form=picked]")];
  let last = null; // from where Shift chooses
  let shifted = false; // a key chooses by a click that knows nothing of Shift

  const recount = () => {
    const all = boxes();
    const picked = all.filter((box) => box.checked).length;
    const everything = byId("everything");
    for (const place of document.querySelectorAll("[data-picked]")) place.textContent = everything?.checked ? place.dataset.all : picked;
    const head = byId("pick-all");
    if (!head) return;
    head.checked = picked > 0 && picked === all.length;
    head.indeterminate = picked > 0 && picked < all.length;
  };
  document.addEventListener("keydown", (event) => { shifted = event.shiftKey; }, true);
  document.addEventListener("keyup", (event) => { shifted = event.shiftKey; }, true);
  document.addEventListener("click", (event) => {
    const box = event.target.closest?.("input[name=ids][form=picked]");
    if (box) {
      const all = boxes();
      const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
      if ((event.shiftKey || shifted) && from >= 0) {
        for (const one of all.slice(from, to + 1)) one.checked = box.checked;
      }
      last = box;
      recount();
    }
    if (event.target.closest?.("[data-close]")) close(event.target);
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "pick-all") for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.matches?.("#pick-all, #everything")) recount();
  });

  // ---- a look at one thing at a time; X chooses what one looks at
  const looks = ".peek td, .look-here";
  const empty = (but) => {
    for (const place of document.querySelectorAll(looks)) if (place !== but) place.replaceChildren();
  };
  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail;
    if (!ctx.sourceElement.matches("[data-row]")) return;
    empty(ctx.target);
    document.querySelector("input[data-key=x]")?.removeAttribute("data-key");
    ctx.sourceElement.closest("tr")?.querySelector("input[name=ids]")?.setAttribute("data-key", "x");
  });
  document.addEventListener("htmx:before:response", (event) => {
    const { sourceElement } = event.detail.ctx; // one has gone on to another row meanwhile
    if (sourceElement.matches("[data-row]") && !sourceElement.hasAttribute("aria-current")) event.preventDefault();
  });
  const close = (pressed) => {
    const place = pressed.closest(`${looks}, #bulk`);
    const back = place?.id === "bulk" ? document.querySelector("#picked button, #tabs a") : document.querySelector("[data-row][aria-current]");
    place?.replaceChildren();
    back?.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.closest?.(`${looks}, #bulk, [data-row]`)) {
      const open = event.target.closest(`${looks}, #bulk`) ?? document.querySelector(".look");
      if (open) close(open.firstElementChild ?? open);
    }
  });

  // ---- what a press brings up gets the focus, or the button that was pressed has it again
  document.addEventListener("htmx:finally:request", (event) => {
    const { ctx } = event.detail;
    recount();
    if (!["bulk", "prospects", "imported", "frozen", "rebuilt"].includes(ctx.target?.id)) return;
    if (!["submit", "click"].includes(ctx.sourceEvent?.type)) return;
    const pressed = ctx.sourceEvent.submitter;
    setTimeout(() => { // once the button is on again
      const next = ctx.target.querySelector("[data-focus]");
      const lost = document.activeElement === document.body;
      if (next && (lost || ctx.target.id === "bulk" || next.id === "start-anyway")) next.focus();
      else if (lost && pressed?.isConnected) pressed.focus();
    });
  });
  document.addEventListener("dataset-changed", () => {
    for (const box of boxes()) box.checked = false;
    if (byId("everything")) byId("everything").checked = false;
    last = null;
    recount();
  });
})();
