// The editor: messages are typed into where they stand; what could not be sent yet stays and is sent again.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const editor = () => byId("editor");
  const boxOf = (form) => form.closest("[data-message]");
  const viewOf = (form) => form.matches(".inserting") ? null : form.parentElement.querySelector(":scope > .view");
  const fields = (form) => [...form.querySelectorAll("textarea")];
  const typedForms = () => [...document.querySelectorAll("#editor form[data-typed]")];
  const isOpen = (form) => !form.hidden;
  const isDirty = (form) => fields(form).some((field) => field.value !== field.defaultValue);
  const asks = (form) => form.querySelector(".refused") !== null; // waits for a choice, so nothing goes by itself
  const forget = (draft) => dispatchEvent(new CustomEvent("draft-forget", { detail: draft }));
  let taken = null; // the draft that the last answer took
  const waiting = new Set(); // forms whose sending failed

  // ---- typing: what is open is left alone when the copy is read again
  const settle = (box) => box?.toggleAttribute("hx-morph-skip", [...box.querySelectorAll("form[data-typed]")].some(isOpen));
  const open = (form, place) => {
    if (!form) return;
    form.closest("details")?.setAttribute("open", "");
    form.hidden = false;
    const view = viewOf(form);
    if (view) view.hidden = true;
    settle(boxOf(form));
    if (place === null) return;
    const [field] = fields(form);
    field.focus();
    const at = place ?? field.value.length;
    field.setSelectionRange(at, at);
  };
  const close = (form) => {
    form.hidden = true;
    delete form.dataset.unsent;
    waiting.delete(form);
    const view = viewOf(form);
    if (view) view.hidden = false;
    settle(boxOf(form));
  };
  const giveUp = (form) => {
    const box = boxOf(form);
    for (const field of fields(form)) field.value = field.defaultValue;
    forget(form.dataset.draft);
    const asked = asks(form);
    close(form);
    box.focus({ preventScroll: true });
    if (asked) htmx.ajax("GET", `/examples/${editor().dataset.example}/part`, { target: "#editor", swap: "outerMorph" });
  };
  // what htmx has let go of, or not taken up yet, would be sent as a plain form
  const send = (form) => { if (form.isConnected && form.hasAttribute("data-htmx-powered")) form.requestSubmit(); };
  const commit = (form) => {
    if (isDirty(form) || asks(form)) return send(form);
    close(form);
    return boxOf(form).focus({ preventScroll: true });
  };

  // where in the text a click was, if what is shown is the text itself
  const placeOf = (event, view) => {
    const text = event.target.closest(".text");
    const found = document.caretPositionFromPoint?.(event.clientX, event.clientY);
    if (!text || !found || text.querySelector(".unseen") || view.querySelectorAll(".text.now").length > 1) return undefined;
    const range = document.createRange();
    range.setStart(text, 0);
    range.setEnd(found.offsetNode, found.offset);
    return range.toString().length;
  };
  const points = (text) => [...text].length; // hints count code points, fields count half of some
  const choose = (form) => {
    let before = 0;
    for (const field of fields(form)) {
      if (field.selectionStart < field.selectionEnd) {
        form.elements.start.value = before + points(field.value.slice(0, field.selectionStart));
        form.elements.end.value = before + points(field.value.slice(0, field.selectionEnd));
        return;
      }
      before += points(field.value);
    }
  };

  // ---- the original beside the copy stays as it was chosen while parts of the page change
  const showBeside = (on) => {
    document.documentElement.classList.toggle("beside", on);
    byId("beside")?.setAttribute("aria-pressed", String(on));
  };

  const clicks = {
    "[data-edit]": (found) => open(boxOf(found).querySelector(".message > form.writing")),
    "[data-insert]": (found) => open(boxOf(found).querySelector("form.inserting")),
    "[data-edit-call], [data-opens-call]": (found) => {
      const number = found.dataset.editCall ?? found.dataset.opensCall;
      open(boxOf(found).querySelector(`form[data-call="${CSS.escape(number)}"]`));
    },
    "[data-give-up]": (found) => giveUp(found.form),
    "[data-mark]": (found) => choose(found.form),
    "[data-let-go]": (found) => {
      forget(found.form.dataset.lost);
      found.form.remove();
      byId("messages").querySelector("[data-message]")?.focus();
    },
    "#beside": () => showBeside(!document.documentElement.classList.contains("beside")),
    "#editor .skip-to": (found, event) => {
      event.preventDefault();
      const box = (document.querySelector("#editor .assistant") ?? document.querySelector("#editor .message"))?.closest("[data-message]");
      box?.focus();
      box?.scrollIntoView({ block: "nearest" });
    },
    "[data-edit-body]": (found, event) => {
      if (event.target.closest("a, button") || !getSelection().isCollapsed) return;
      const unhint = event.target.closest("mark.hint") && boxOf(found).querySelector(".hint-line button");
      if (unhint) unhint.click();
      else open(boxOf(found).querySelector(".message > form.writing"), placeOf(event, found));
    },
  };
  document.addEventListener("click", (event) => {
    for (const [selector, act] of Object.entries(clicks)) {
      const found = event.target.closest?.(selector);
      if (found) return act(found, event);
    }
    return undefined;
  }, true);

  document.addEventListener("keydown", (event) => {
    const form = event.target.closest?.("#editor form[data-typed]");
    if (form && event.key === "Escape") giveUp(form);
    else if (form && event.key === "Enter" && (event.ctrlKey || event.metaKey)) commit(form);
    else if (event.key === "Escape" && event.target.closest?.("[data-message]")) document.querySelector("[data-row][aria-current]")?.focus();
    else if ((event.ctrlKey || event.metaKey) && !event.altKey && editor() && !event.target.closest("input, textarea, select")) {
      const back = event.code === "KeyZ" && !event.shiftKey;
      const forth = event.code === "KeyY" || (event.code === "KeyZ" && event.shiftKey);
      if (!back && !forth) return;
      byId(back ? "step-back" : "step-forth")?.click();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);

  document.addEventListener("focusout", (event) => {
    const form = event.target.closest?.("#editor form[data-typed]");
    if (!form || form.contains(event.relatedTarget) || !document.hasFocus()) return;
    if (asks(form) || form.matches(".inserting")) return;
    if (isDirty(form)) send(form);
    else if (isOpen(form) && !fields(form).includes(document.activeElement)) close(form);
  });
  document.addEventListener("input", (event) => waiting.delete(event.target.form));

  // ---- sending
  const held = (form, on) => fields(form).forEach((field) => { field.readOnly = on; });
  const failed = (form) => {
    held(form, false);
    form.dataset.unsent = editor().dataset.notSent;
    waiting.add(form);
  };
  const typedSource = (ctx) => (ctx?.sourceElement?.matches?.("#editor form[data-typed]") ? ctx.sourceElement : null);
  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail;
    const form = typedSource(ctx);
    if (form) held(form, true);
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
    if (document.visibilityState !== "visible" || !navigator.onLine) return;
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
        form.dataset.unsent = editor().dataset.notSent;
      } else if (isOpen(form)) settle(boxOf(form));
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
