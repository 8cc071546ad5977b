// SPDX-License-Identifier: Apache-2.0
// Keeps an open page up to date: each message is a list of [id, element], and replaces the elements with these ids.
"use strict";

function replace(id, html) {
  const old = document.getElementById(id);
  if (!old) return;
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const fresh = holder.content.firstElementChild;
  if (!fresh) return;
  // Whoever has come to a link with the keyboard stays there.
  const stops = "a, button";
  const at = [...old.querySelectorAll(stops)].indexOf(document.activeElement);
  old.replaceWith(fresh);
  if (at >= 0) fresh.querySelectorAll(stops)[at]?.focus({ preventScroll: true });
}

function say(state, text) {
  const sign = document.getElementById("live");
  sign.className = state;
  sign.textContent = text;
}

const page = document.body.dataset.live;
if (page) {
  const events = new EventSource(page);
  events.onopen = () => say("good", "live");
  events.onerror = () => say("bad", "no connection: what you see may be old");
  events.onmessage = (message) => {
    for (const [id, html] of JSON.parse(message.data)) replace(id, html);
  };
  // The session ended, or may not see this page any more.
  events.addEventListener("left", () => {
    events.close();
    location.reload();
  });
}
