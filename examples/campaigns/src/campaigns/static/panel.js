// Without this script all works, page by page. With it, parts marked data-live are kept up to date where they stand.
"use strict";

const PAUSE = 300; // milliseconds between two updates at least
const POLL = 3000;

// Put the parts of another rendering of this page in the place of ours, and keep the keyboard where it is.
function swap(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const focused = document.activeElement;
  const held = focused && focused.closest("[data-live]");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (other && !other.isEqualNode(part)) part.replaceWith(document.adoptNode(other));
  }
  if (held && !focused.isConnected) {
    const again = (focused.id && document.getElementById(focused.id)) || document.getElementById(held.id);
    if (again) again.focus({ preventScroll: true });
  }
}

let pressed = false; // a key or the pointer is down: a button that is replaced meanwhile would lose the press
const waiting = [];

for (const down of ["keydown", "pointerdown"]) addEventListener(down, () => (pressed = true), true);
for (const up of ["keyup", "pointerup", "pointercancel", "blur"]) {
  addEventListener(up, () => setTimeout(release), true); // after the click that it makes
}

function release() {
  pressed = false;
  for (const go of waiting.splice(0)) go();
}

const released = () => (pressed ? new Promise((go) => waiting.push(go)) : undefined);

let asked = 0; // how many renderings were asked for, and up to which of them what stands here is newer
let shown = 0;

async function load(address, options) {
  const turn = ++asked;
  const answer = await fetch(address, { credentials: "same-origin", ...options });
  if (new URL(answer.url).pathname === "/login") location.assign("/login");
  else if (!options && !answer.ok) location.reload(); // it is gone, and the page says so
  const html = await answer.text();
  if (html.includes("data-live")) {
    await released();
    if (options || turn > shown) {
      shown = options ? asked : turn; // what was asked for while a button was at work may be older than its answer
      swap(html);
    }
  }
  return html;
}

// What a button was answered stays until the next one.
function tell(html) {
  const told = new DOMParser().parseFromString(html, "text/html").getElementById("told");
  if (told) document.getElementById("told").replaceWith(document.adoptNode(told));
}

let updating = false;
let again = false;

// Bring the page up to date; what happens meanwhile is one more time, and not many.
async function update() {
  if (updating) {
    again = true;
    return;
  }
  updating = true;
  do {
    again = false;
    try {
      await load(location.href);
    } catch {
      // the server is away: the next event, or the next round, tries again
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  } while (again);
  updating = false;
}

function poll() {
  update();
  setInterval(() => {
    if (!document.hidden) update();
  }, POLL);
}

function follow(address) {
  const events = new EventSource(address);
  events.addEventListener("progress", update);
  events.addEventListener("end", (event) => {
    events.close();
    if (JSON.parse(event.data).reason === "finished") update();
    else location.reload();
  });
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) poll(); // refused: too many are open, or the job is gone
  });
  addEventListener("pagehide", () => events.close());
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-act]");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("button");
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    tell(await load(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) }));
  } catch {
    form.submit();
  } finally {
    button.removeAttribute("aria-busy");
  }
});

const job = document.querySelector("[data-events]");
if (job && job.dataset.events) follow(job.dataset.events);
if (document.querySelector("[data-poll]")) poll();
