// Keys: by the character typed, not by the place on the keyboard; none while somebody is typing; each can be changed.

import { dialog, find, h, kept, say } from "./dom.js";

export const ACTIONS = {
  save: ["Enter", "Save, and go to the next one that is unmarked"],
  none: ["0", "No points"],
  full: ["m", "Full marks"],
  comment: ["c", "Write a comment"],
  next: ["j", "The next one, without marking"],
  previous: ["k", "The one before, without marking"],
  questionBefore: ["[", "The question before"],
  questionAfter: ["]", "The next question"],
  split: ["s", "Take this one out of its group"],
  flag: ["f", "Flag it for somebody else"],
  undo: ["u", "Undo what you decided last"],
  changes: ["d", "What changed since the last hand-in"],
  outputs: ["o", "Show or hide outputs"],
  item: ["i", "A new item"],
  keys: ["?", "All keys"],
};
const CHOSEN = "grader-mark keys";
const OFF = "grader-mark keys off";
const shown = (key) => (key === " " ? "Space" : key);
const same = (key) => (key.length === 1 ? key.toLowerCase() : key);

export const keyOf = (action) => kept.get(CHOSEN)?.[action] ?? ACTIONS[action][0];
export const isOff = () => kept.get(OFF) === true;
export const kbd = (action) => h("kbd", { "data-key-of": action }, shown(keyOf(action)));

function isTyping(target) {
  return target instanceof Element && target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
}

/** Whether it is a command to the browser. On many keyboards `[` is typed with AltGr, which is Ctrl and Alt, or with Option. */
function isCommand(event) {
  if (event.getModifierState("AltGraph")) return false;
  const isSign = event.key.length === 1 && !/[a-z0-9]/i.test(event.key);
  return event.ctrlKey || event.metaKey || (event.altKey && !isSign);
}

/** acts: what each action does in this view. item: what a digit does; it returns whether there is such an item. */
export function listen(acts, item = () => false) {
  const all = { keys: () => showKeys(acts), ...acts };
  addEventListener("keydown", (event) => {
    if (isOff() || isCommand(event) || event.isComposing || event.defaultPrevented) return;
    if (isTyping(event.target) || find("dialog[open]")) return;
    const key = same(event.key);
    // On a button or a link these keys do what they always do.
    if (["Enter", " "].includes(key) && event.target.closest?.("button, a, summary, input, [role=button]")) return;
    const action = Object.keys(all).find((name) => same(keyOf(name)) === key);
    if (action) {
      event.preventDefault();
      if (!event.repeat || ["next", "previous"].includes(action)) all[action]();
    } else if (/^[1-9]$/.test(key) && !event.repeat && item(key)) {
      event.preventDefault();
    }
  });
  find("#keys-button")?.addEventListener("click", all.keys);
  // Whoever clicked goes on by keys: Enter is to save then, not to click once more.
  addEventListener("click", (event) => {
    const clicked = event.detail && event.target.closest?.("button, summary, input[type=checkbox]");
    if (clicked && !clicked.closest("dialog")) clicked.blur();
  });
}

function showKeys(acts) {
  const body = h("tbody");
  const off = h("input", {
    type: "checkbox",
    checked: !isOff(),
    onchange: () => kept.set(OFF, off.checked ? null : true),
  });
  const fillTable = () => {
    body.replaceChildren(
      h("tr", {}, h("th", { scope: "row" }, "Choose an item, or take it back"), h("td", {}, h("kbd", {}, "1"), "–", h("kbd", {}, "9")), h("td")),
      ...Object.keys(ACTIONS)
        .filter((action) => action === "keys" || action in acts)
        .map((action) =>
          h("tr", {},
            h("th", { scope: "row" }, ACTIONS[action][1]),
            h("td", {}, kbd(action)),
            h("td", {}, h("button.d-quiet", { type: "button", "aria-label": `Another key for: ${ACTIONS[action][1]}`, onclick: (event) => change(action, event.currentTarget, fillTable) }, "Change")),
          ),
        ),
    );
  };
  fillTable();
  const reset = () => {
    kept.set(CHOSEN, null);
    renew();
    fillTable();
  };
  dialog(
    "Keys",
    h("label.d-check", {}, off, " Keys act (not while you are typing)"),
    h("table.d-keys", {}, h("thead.hidden", {}, h("tr", {}, h("th", { scope: "col" }, "What"), h("th", { scope: "col" }, "Key"), h("td"))), body),
    h("p.d-hint", {}, "In a comment: ", h("kbd", {}, "Ctrl"), " ", h("kbd", {}, "Enter"), " saves, ", h("kbd", {}, "Esc"), " leaves it. What you change is kept in this browser."),
    h("button", { type: "button", onclick: reset }, "Keys as they were"),
  );
}

function change(action, button, done) {
  button.textContent = "Press a key";
  const hear = (event) => {
    if (["Shift", "Control", "Alt", "AltGraph", "Meta", "Tab", "CapsLock", "Dead"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    removeEventListener("keydown", hear, true);
    button.removeEventListener("blur", stop);
    const key = same(event.key);
    const taken = Object.keys(ACTIONS).find((other) => other !== action && same(keyOf(other)) === key);
    if (event.key === "Escape") {
      // As it was.
    } else if (taken || /^[1-9]$/.test(key)) {
      say(`${shown(key)} is taken: ${taken ? ACTIONS[taken][1] : "it chooses an item"}`);
    } else {
      kept.set(CHOSEN, { ...kept.get(CHOSEN), [action]: key });
      renew();
    }
    done();
  };
  const stop = () => {
    removeEventListener("keydown", hear, true);
    button.textContent = "Change";
  };
  button.addEventListener("blur", stop, { once: true });
  addEventListener("keydown", hear, true);
}

/** Keys are shown where they act: there too they are the new ones. */
function renew() {
  for (const shownKey of document.querySelectorAll("[data-key-of]")) {
    shownKey.textContent = shown(keyOf(shownKey.dataset.keyOf));
  }
}
