// Test chat: answers are seen coming, Enter sends, a click on one's own message edits it.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  let streaming = false;

  // ---- answers as they come; as text, whatever is in them
  document.addEventListener("answer-delta", (event) => {
    const { message_id: id, content, tool_calls: calls } = JSON.parse(event.detail.data);
    const place = byId(`m-${id}`);
    const text = place?.querySelector(".coming");
    if (!text) return; // it was whole before its pieces came
    const near = atEnd();
    if (content) text.append(content);
    for (const { function: called } of calls ?? []) {
      const coming = place.querySelector(".calls-coming");
      coming.hidden = false;
      coming.append(called?.name ? `${coming.textContent ? "\n" : ""}${called.name} ` : "", called?.arguments ?? "");
    }
    if (near) toEnd();
  });
  document.addEventListener("htmx:sse:after:connection", (event) => {
    streaming = true;
    talk.setAttribute("aria-busy", "true"); // read out once it is whole
    const { target } = event;
    if (target.id === "say") target.elements.content.value = "";
  });
  document.addEventListener("htmx:sse:close", () => { streaming = false; read(); });

  // ---- what another page asked for, or a stream that broke: the chat is read again until all is said
  const talk = byId("talk");
  let timer = 0;
  const read = () => {
    clearTimeout(timer);
    const asking = talk?.querySelector("[data-asking]");
    if (!asking) {
      streaming = false; // a form that its last words swapped away closes nothing
      talk?.removeAttribute("aria-busy");
    }
    if (asking && !streaming) timer = setTimeout(() => talk.dispatchEvent(new CustomEvent("live")), 1000);
  };
  document.addEventListener("htmx:finally:request", read); // also when it got no answer

  // ---- a refusal that brings no messages along leaves those that are there
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
    if (ctx.response.status < 400 || ctx.response.headers.get("HX-Retarget") || ctx.target !== talk) return;
    ctx.target = byId("chat-refused");
    ctx.swap = "innerHTML";
  });

  // ---- the newest words are in sight
  const scroller = () => {
    const reader = byId("reader");
    return reader.scrollHeight > reader.clientHeight + 1 && getComputedStyle(reader).overflowY !== "visible" ? reader : document.scrollingElement;
  };
  const atEnd = () => scroller().scrollHeight - scroller().scrollTop - scroller().clientHeight < 160;
  const toEnd = () => { scroller().scrollTop = scroller().scrollHeight; };
  let near = true;
  document.addEventListener("htmx:before:swap", () => { near = atEnd(); });
  document.addEventListener("htmx:after:swap", (event) => {
    if (near) toEnd();
    const { sourceElement } = event.detail.ctx;
    if (sourceElement?.matches(".edits, form[data-draft]")) {
      const next = byId("composer")?.querySelector("#edit-form textarea, [data-focus]");
      next?.focus();
      next?.setSelectionRange?.(next.value.length, next.value.length);
    }
    read();
  });

  // ---- Enter sends, with Shift it begins a line; a click on one's own words edits them
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !event.target.matches("[data-sends]")) return;
    event.preventDefault();
    const { form } = event.target;
    if (!form.querySelector("button.first").disabled) form.requestSubmit();
  });
  document.addEventListener("click", (event) => {
    const text = event.target.closest(".own .text");
    if (text && getSelection().isCollapsed) text.closest(".own").querySelector(".edits").click();
  });

  // ---- a new chat: its page says the first words, so that their answer is seen coming
  const first = "chat-first";
  document.addEventListener("htmx:before:response", (event) => {
    const { sourceElement, response } = event.detail.ctx;
    if (!sourceElement.matches("[data-begins]") || !response.headers.get("HX-Redirect")) return;
    const words = sourceElement.elements.content.value;
    sessionStorage.setItem(first, JSON.stringify([response.headers.get("HX-Redirect"), words]));
  });
  const [page, words] = JSON.parse(sessionStorage.getItem(first) ?? "[]");
  const say = byId("say");
  if (say && page === location.pathname) {
    sessionStorage.removeItem(first);
    say.elements.content.value = words;
    say.dispatchEvent(new Event("input", { bubbles: true })); // kept, if it cannot be sent
    document.addEventListener("htmx:after:process", () => say.requestSubmit(), { once: true });
  } else if (say) say.elements.content.focus();
  if (talk) { toEnd(); read(); }
})();
