// Reloads the parts marked data-live when a block is committed; without this script the page is complete, only still.
"use strict";
const parts = document.querySelectorAll("[data-live]");
let waiting = false;
async function refresh() {
  if (waiting) return;
  waiting = true;
  await new Promise((done) => setTimeout(done, 1000)); // at most one reload a second, however many blocks come
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts) {
      const found = fresh.getElementById(part.id);
      if (found) part.replaceChildren(...found.childNodes);
    }
  } finally {
    waiting = false;
  }
}
if (parts.length) new EventSource("/v1/events").addEventListener("block", refresh);
