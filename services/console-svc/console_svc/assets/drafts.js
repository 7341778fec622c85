// What is typed into a form with data-draft outlives a reload of its tab; it is forgotten once it was taken.
"use strict";
(() => {
  const named = (what) => `draft ${document.body.dataset.person} ${what}`; // whoever signs in next has others
  const kept = (form) => named(form.dataset.draft);
  const fields = (form) => [...form.querySelectorAll("input:not([type=hidden], [type=password]), input[data-drafted], textarea")];
  const restore = (root) => {
    for (const form of root.querySelectorAll("form[data-draft]:not([data-restored])")) {
      form.dataset.restored = "";
      const version = form.querySelector("[name=version]");
      const draft = JSON.parse(sessionStorage.getItem(kept(form)) ?? "null");
      if (!draft || form.querySelector(".refused")) continue; // an answer shows what was typed itself
      fields(form).forEach((field, place) => { field.value = draft.values[place] ?? field.value; });
      if (version) version.value = draft.version; // what it was typed on: a change since then is a choice
    }
    for (const text of root.querySelectorAll("textarea[data-line]")) {
      const lines = text.value.split("\n");
      const from = lines.slice(0, text.dataset.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
      text.focus();
      text.setSelectionRange(from, from + (lines[text.dataset.line - 1] ?? "").length);
      text.scrollTop = (text.dataset.line - 4) * parseFloat(getComputedStyle(text).lineHeight);
      delete text.dataset.line;
    }
  };
  document.addEventListener("input", (event) => {
    const form = event.target.closest?.("form[data-draft]");
    if (!form) return;
    const version = form.querySelector("[name=version]")?.value;
    const draft = { values: fields(form).map((field) => field.value), version };
    sessionStorage.setItem(kept(form), JSON.stringify(draft));
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-forget]");
    if (link) forget(link.dataset.forget);
  });
  const forget = (what) => sessionStorage.removeItem(named(what));
  addEventListener("draft-forget", (event) => forget(event.detail));
  document.addEventListener("htmx:before:response", (event) => {
    const { ctx } = event.detail;
    const taken = ctx.response.headers.get("X-Draft-Taken");
    if (taken) forget(taken);
    if (ctx.sourceElement.matches?.("form[data-draft]") && ctx.response.headers.get("HX-Redirect")) {
      sessionStorage.removeItem(kept(ctx.sourceElement));
    }
  });
  document.addEventListener("htmx:sse:after:connection", ({ target }) => { // taken: its answer is coming
    if (target.matches("form[data-draft]")) sessionStorage.removeItem(kept(target));
  });
  document.addEventListener("htmx:after:swap", () => restore(document));
  restore(document);
  // a page that was reloaded while one typed opens the form again
  const open = [...document.querySelectorAll("[data-opens]")].find((one) => sessionStorage.getItem(named(one.dataset.opens)));
  if (open) document.addEventListener("htmx:after:process", () => open.click(), { once: true });
})();
