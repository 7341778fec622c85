// Live pages: one tab of the browser listens for all of them; a part reads itself again when its thing changed.
"use strict";
(() => {
  if (!document.body.dataset.pageToken || !navigator.locks) return;
  const channel = new BroadcastChannel("live");
  const newest = new Map();

  const read = (part) => part.dispatchEvent(new CustomEvent("live"));
  // what came meanwhile is not known: what is in sight reads itself now, the rest once it is looked at
  const looked = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      looked.unobserve(target);
      read(target);
    }
  });
  const take = ({ kind, id, sequence }) => {
    if (kind === "ended") return dispatchEvent(new Event("session-ended"));
    if (kind === "closing") return undefined;
    if (kind === "behind") return document.querySelectorAll("[data-live]").forEach((part) => looked.observe(part));
    const thing = `${kind} ${id}`;
    if (sequence <= (newest.get(thing) ?? 0)) return undefined;
    newest.set(thing, sequence);
    const known = document.querySelectorAll(`[data-live="${CSS.escape(thing)}"]`);
    // what the page has not shown yet belongs into its list
    for (const part of known.length ? known : document.querySelectorAll(`[data-live-new="${CSS.escape(kind)}"]`)) read(part);
    return undefined;
  };
  const share = (news) => { channel.postMessage(news); take(news); };
  channel.addEventListener("message", (event) => take(event.data));

  // the lock is this tab's for as long as it is open: browsers allow few connections to one address
  const lead = () => navigator.locks.request("live", () => new Promise((leave) => {
    let opened = false;
    const listen = () => {
      const source = new EventSource("/live");
      source.addEventListener("open", () => {
        if (opened) share({ kind: "behind" });
        opened = true;
      });
      source.addEventListener("message", (event) => {
        const news = JSON.parse(event.data);
        share(news);
        if (news.kind !== "ended") return;
        source.close();
        leave(); // a tab of the next session may take over
      });
      source.addEventListener("error", async () => {
        if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
        const answer = await fetch("/page-token").catch(() => null);
        if (answer?.status === 401) {
          share({ kind: "ended" });
          leave();
        } else setTimeout(listen, 5000);
      });
    };
    addEventListener("pagehide", () => leave(), { once: true });
    listen();
  }));
  lead();
  addEventListener("session-again", lead);
})();
