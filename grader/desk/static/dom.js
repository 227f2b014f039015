// Making elements. Text stays text; markup comes from the server alone, which has escaped or sanitised it.

/** `h("button.item", {type: "button", onclick}, "text", element)`: attributes, listeners, children. */
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "html") element.innerHTML = value;
    else if (key === "value" || key === "checked") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const find = (selector, within = document) => within.querySelector(selector);

/** Put `children` in the place of what is in it. */
export const fill = (element, ...children) => element.replaceChildren(...children.flat(Infinity).filter(Boolean));

/** What can be scrolled in `element` can be scrolled by keys. */
export function reachable(element) {
  for (const part of element.querySelectorAll("pre, table, .text, .html, .image, .formula")) {
    const style = getComputedStyle(part);
    const scrolls = (part.scrollWidth > part.clientWidth && ["auto", "scroll"].includes(style.overflowX)) || (part.scrollHeight > part.clientHeight && ["auto", "scroll"].includes(style.overflowY));
    if (scrolls) part.tabIndex = 0;
    else part.removeAttribute("tabindex");
  }
}

export const points = (value) => (value === null || value === undefined ? "–" : String(Math.round(value * 100) / 100));

export const signed = (value) => (value < 0 ? `−${points(-value)}` : value > 0 ? `+${points(value)}` : "0");

export const counted = (number, one, many = `${one}s`) => `${number} ${["1", "+1", "−1"].includes(String(number)) ? one : many}`;

/** A time in ISO 8601 as people here write it. */
export function when(text) {
  const time = new Date(text);
  return isNaN(time) ? text : time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

let fading;
/** Say it: to those who see the page, and to those who have it read to them. */
export function say(text) {
  const said = find("#said");
  // The same words again are read out again.
  said.textContent = said.textContent === text ? `${text}\u00a0` : text;
  const notice = find("#notice");
  notice.textContent = text;
  notice.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => notice.classList.remove("shown"), 4000);
}

/** A dialog with these contents; it is gone when it is closed. */
export function dialog(title, ...children) {
  const id = `dialog-${Math.random().toString(36).slice(2)}`;
  const before = document.activeElement;
  const made = h(
    "dialog.d-dialog",
    { "aria-labelledby": id },
    h("div.d-dialog-head", {}, h("h2", { id }, title), h("button.d-quiet", { type: "button", onclick: () => made.close() }, "Close")),
    ...children,
  );
  made.addEventListener("close", () => {
    made.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
  });
  document.body.append(made);
  made.showModal();
  return made;
}

/** What this browser keeps, where it may. */
export const kept = {
  get(name) {
    try {
      return JSON.parse(localStorage.getItem(name));
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      if (value === null) localStorage.removeItem(name);
      else localStorage.setItem(name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  },
};
