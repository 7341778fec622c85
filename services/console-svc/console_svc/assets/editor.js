// The editor: messages are typed into where they stand, by mouse and by keyboard.
"use strict";
const Editor = (() => {
  const byId = (id) => document.getElementById(id);
  const editor = () => byId("editor");
  const boxOf = (form) => form.closest("[data-message], [data-beginning]");
  const viewOf = (form) => form.matches(".inserting") ? null : form.parentElement.querySelector(":scope > .view");
  const fields = (form) => [...form.querySelectorAll("textarea")];
  const typedForms = () => [...document.querySelectorAll("#editor form[data-typed]")];
  const isOpen = (form) => !form.hidden;
  const isDirty = (form) => fields(form).some((field) => field.value !== field.defaultValue);
  const asks = (form) => form.querySelector(".refused") !== null;
  const chooses = (form) => form.querySelector(".refused .changes") !== null; // nothing goes by itself then
  const forget = (draft) => dispatchEvent(new CustomEvent("draft-forget", { detail: draft }));
  const waiting = new Set(); // forms whose sending failed
  const left = new Set(); // forms that one has left: they go with the next click, if not before
  const after = { save: false }; // what follows the next answer

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
    leave(); // what was typed goes before what was clicked
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
    else if (event.code === "KeyS" && (event.ctrlKey || event.metaKey) && editor()) {
      after.save = Boolean(form) && isDirty(form); // SAVE comes once what was typed is there
      if (form) commit(form);
      if (!after.save) byId("cap-save")?.click();
    } else if (event.key === "Escape" && event.target.closest?.("[data-message]")) document.querySelector("[data-row][aria-current]")?.focus();
    else if ((event.ctrlKey || event.metaKey) && !event.altKey && editor() && !event.target.closest("input, textarea, select")) {
      const back = event.code === "KeyZ" && !event.shiftKey;
      const forth = event.code === "KeyY" || (event.code === "KeyZ" && event.shiftKey);
      if (!back && !forth) return;
      byId(back ? "step-back" : "step-forth")?.click();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);

  // one leaves a message once the pointer is up again: until then nothing may move away under it
  let isPressed = false;
  const leave = () => {
    for (const form of left) {
      if (chooses(form) || form.matches(".inserting") || form.contains(document.activeElement)) continue;
      if (isDirty(form)) send(form);
      else if (isOpen(form) && !asks(form)) close(form);
    }
    left.clear();
  };
  document.addEventListener("focusout", (event) => {
    const form = event.target.closest?.("#editor form[data-typed]");
    if (!form || form.contains(event.relatedTarget) || !document.hasFocus()) return;
    left.add(form);
    if (!isPressed) setTimeout(leave);
  });
  document.addEventListener("pointerdown", () => { isPressed = true; }, true);
  for (const name of ["pointerup", "pointercancel"]) {
    document.addEventListener(name, () => { isPressed = false; setTimeout(leave); }, true);
  }
  document.addEventListener("input", (event) => waiting.delete(event.target.form));

  return { byId, editor, boxOf, fields, typedForms, isOpen, isDirty, asks, send, forget, waiting, left, after, settle, open, close, showBeside };
})();
