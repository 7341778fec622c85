// What every page does besides htmx: the page's token, the end of a session, focus, times in the reader's zone.
"use strict";
(() => {
  const body = document.body;
  const session = new BroadcastChannel("session");
  const byId = (id) => document.getElementById(id);

  // ---- what goes with each request
  document.addEventListener("htmx:config:request", (event) => {
    const { pageToken } = body.dataset;
    if (pageToken) event.detail.ctx.request.headers["X-Page-Token"] = pageToken;
  });

  // ---- a session that has ended: the page stays as it is, and so does what was typed
  const ended = () => {
    body.dataset.sessionEnded = ""; // nothing is asked by itself until the next one
    const dialog = byId("session-ended");
    if (dialog && !dialog.open) dialog.showModal();
  };
  const tell = (name) => {
    const line = byId("told");
    line.textContent = line.dataset[name];
    line.hidden = false;
    clearTimeout(tell.timer);
    tell.timer = setTimeout(() => { line.hidden = true; }, 8000);
  };
  const renew = async () => {
    const answer = await fetch("/page-token");
    if (answer.status === 401) return ended();
    const found = await answer.json();
    if (found.person !== body.dataset.person) return tell("other");
    body.dataset.pageToken = found.page_token;
    for (const field of document.querySelectorAll("input[name=page_token]")) field.value = found.page_token;
    delete body.dataset.sessionEnded;
    byId("session-ended").close();
    dispatchEvent(new Event("session-again"));
    return tell("again");
  };
  document.addEventListener("htmx:before:response", (event) => {
    const { headers } = event.detail.ctx.response;
    if (headers.get("X-Session-Ended")) ended();
    else if (headers.get("X-Page-Token-Stale")) renew().catch(() => tell("offline"));
    else return;
    event.preventDefault();
  });
  document.addEventListener("htmx:error", (event) => {
    if (event.detail.error?.name === "TypeError") tell("offline"); // fetch's word for: no connection
    if (event.detail.ctx?.request.signal.reason === "timeout") tell("offline");
  });
  session.addEventListener("message", (event) => {
    if (event.data === "signed in" && "sessionEnded" in body.dataset) renew().catch(() => tell("offline"));
    if (event.data === "ended" && body.dataset.pageToken) ended();
  });
  if (document.querySelector("[data-signed-in]")) session.postMessage("signed in");
  addEventListener("session-ended", () => { session.postMessage("ended"); ended(); });

  // ---- focus is never lost with what a swap takes away
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail; // now, for a button that is switched off meanwhile loses it
    const source = ctx.sourceElement?.contains(ctx.target) ? null : ctx.sourceElement; // it stays, its button too
    if ([ctx.target, source].some((one) => one?.contains(document.activeElement))) ctx.heldFocus = ctx.target.id;
  });
  document.addEventListener("htmx:after:swap", (event) => {
    localTimes();
    const held = event.detail.ctx?.heldFocus;
    if (!held || document.activeElement !== body) return;
    const place = byId(held);
    const next = place?.matches("[data-focus]") ? place : place?.querySelector("[data-focus]") ?? place;
    if (!next) return;
    if (next.tabIndex < 0) next.tabIndex = -1;
    next.focus({ preventScroll: true });
  });

  // ---- what one has folded or unfolded stays so when its part is read again
  const folded = new WeakSet();
  document.addEventListener("click", (event) => {
    const summary = event.target.closest?.("summary");
    if (summary) folded.add(summary.parentElement);
  });
  htmx.registerExtension("folding", {
    htmx_before_morph_attr: (place, { attrName }) => attrName !== "open" || !folded.has(place),
  });

  // ---- on narrow screens the row of pages is longer than there is room
  document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

  // ---- times
  const formed = (parts) => new Intl.DateTimeFormat(document.documentElement.lang, parts);
  const short = { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" };
  const [thisYear, earlier] = [formed(short), formed({ ...short, year: "numeric" })];
  const localTimes = () => {
    for (const time of document.querySelectorAll("time[datetime]:not([data-local])")) {
      time.title = time.textContent;
      const at = new Date(time.dateTime);
      time.textContent = (at.getFullYear() === new Date().getFullYear() ? thisYear : earlier).format(at);
      time.dataset.local = "";
    }
  };
  localTimes();

  // ---- of the values of one filter one holds at a time
  document.addEventListener("change", (event) => {
    const { target } = event;
    if (!target.matches?.("input[type=checkbox][data-one]") || !target.checked) return;
    for (const other of target.form.querySelectorAll(`input[name="${target.name}"]`)) {
      if (other !== target) other.checked = false;
    }
  }, true);

  // ---- the row that is shown beside the list
  document.addEventListener("htmx:before:request", (event) => {
    const row = event.detail.ctx.sourceElement;
    if (!row.matches("[data-row]")) return;
    document.querySelector("[data-row][aria-current]")?.removeAttribute("aria-current");
    row.setAttribute("aria-current", "true");
    byId("main").classList.add("reading"); // narrow screens show one of the two
  });
})();
