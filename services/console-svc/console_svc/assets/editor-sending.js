// The editor's sending: what could not be sent stays and goes again; what others change takes no word away.
"use strict";
(() => {
  const { byId, editor, boxOf, fields, typedForms, isOpen, isDirty, asks, send, forget, waiting, left, after, settle, open, close, showBeside } = Editor;
  let taken = null; // the draft that the last answer took

  // ---- sending
  const held = (form, on) => fields(form).forEach((field) => { field.readOnly = on; });
  const failed = (form) => {
    after.save = false;
    held(form, false);
    form.dataset.unsent = editor().dataset.notSent;
    waiting.add(form);
  };
  const typedSource = (ctx) => (ctx?.sourceElement?.matches?.("#editor form[data-typed]") ? ctx.sourceElement : null);
  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail;
    const form = typedSource(ctx);
    if (form) held(form, true);
    // SAVE means all that was typed: it does not go past words that were refused, not sent or not inserted
    const stays = (one) => asks(one) || waiting.has(one) || (one.matches(".inserting") && isDirty(one));
    const stuck = ctx.sourceElement.querySelector?.("#cap-save") && typedForms().find((one) => isOpen(one) && stays(one));
    if (stuck) {
      event.preventDefault();
      if (stuck.matches(".inserting") && !waiting.has(stuck)) stuck.dataset.unsent = editor().dataset.notInserted;
      fields(stuck)[0].focus();
      return;
    }
    // what waited while something else was sent asks for what is new since then
    if (ctx.sourceElement === editor()) ctx.request.action = editor().getAttribute("hx-get");
    // a click means the copy that is there when it is sent: what was typed before it went first
    if (ctx.sourceElement.matches?.("#editor [data-click]")) ctx.request.body.set("version", editor().dataset.version);
  });
  document.addEventListener("htmx:before:response", (event) => {
    const { ctx } = event.detail;
    const form = typedSource(ctx);
    if (!form) return;
    if (event.defaultPrevented || ctx.response.status >= 500) {
      failed(form);
      return;
    }
    held(form, false);
    taken = ctx.response.headers.get("X-Draft-Taken");
    delete form.dataset.unsent;
    waiting.delete(form);
    boxOf(form)?.removeAttribute("hx-morph-skip");
  });
  document.addEventListener("htmx:error", (event) => {
    const form = typedSource(event.detail.ctx);
    if (form) failed(form);
  });
  document.addEventListener("htmx:after:request", (event) => {
    const { ctx } = event.detail;
    const { sourceElement: source, response } = ctx;
    if (editor() && ctx.target === editor() && !ctx.text.includes('id="editor"')) {
      ctx.target = byId("editor-told"); // a refusal alone takes nobody's place
      ctx.swap = "innerHTML";
    }
    if (source.matches?.("[data-lost]") && response.status < 400) forget(source.dataset.lost);
  });

  // ---- words whose message somebody deleted meanwhile stay, above the messages
  const homeless = [];
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail;
    if (!editor() || ctx.target !== editor()) return;
    for (const form of typedForms().filter((one) => isOpen(one) && isDirty(one) && one !== ctx.sourceElement)) {
      const words = fields(form).map((field) => field.value).join("\n");
      if (!ctx.text.includes(`id="${boxOf(form).id}"`)) homeless.push({ of: form.dataset.draft, words });
    }
    for (const form of document.querySelectorAll("#editor form[data-lost]")) {
      const words = form.elements.text.value;
      if (form !== ctx.sourceElement) homeless.push({ of: form.dataset.lost, words });
    }
  });
  const house = () => {
    for (const { of, words } of homeless.splice(0)) {
      byId("notices").append(byId("lost-words").content.cloneNode(true));
      const form = byId("notices").lastElementChild;
      form.dataset.lost = of;
      form.elements.text.value = words;
      htmx.process(form);
    }
  };
  const again = () => {
    for (const form of [...waiting]) {
      if (form.isConnected) send(form);
      else waiting.delete(form);
    }
  };
  addEventListener("online", again);
  addEventListener("session-again", again);

  // ---- what others did is looked at when one comes back, and now and then
  const look = () => {
    if (document.visibilityState !== "visible" || !navigator.onLine || "sessionEnded" in document.body.dataset) return;
    again();
    editor()?.dispatchEvent(new CustomEvent("look"));
  };
  addEventListener("focus", look);
  document.addEventListener("visibilitychange", look);
  setInterval(look, 15_000);

  // ---- after each swap
  const arrange = () => {
    if (!editor()) return;
    showBeside(document.documentElement.classList.contains("beside"));
    house();
    for (const form of typedForms().filter((one) => one.dataset.draft === taken)) {
      for (const field of fields(form)) field.value = field.defaultValue; // it is what the server made of it
      close(form);
    }
    taken = null;
    for (const form of typedForms()) {
      if (isDirty(form) && !isOpen(form)) {
        open(form, null); // typed before a reload
        form.dataset.unsent = editor().dataset.typedBefore;
        left.add(form); // goes before the next click, as what one has just left does
      } else if (isOpen(form)) settle(boxOf(form));
    }
    if (after.save) {
      after.save = false;
      byId("cap-save")?.click();
    }
    const now = document.querySelector("#editor [data-focus-now]");
    if (!now) return;
    const always = now.dataset.focusNow === "always";
    now.removeAttribute("data-focus-now");
    const active = document.activeElement;
    if (always || !active || active === document.body || active.closest("[hidden]")) {
      now.focus({ preventScroll: true });
      now.scrollIntoView({ block: "nearest" });
    }
  };
  document.addEventListener("htmx:after:swap", arrange);
  arrange();
})();
