"use strict";
// Search, filter and sort what the page already shows. Only text and attributes are read and set, nothing is parsed.
(() => {
  const controls = document.querySelector("[data-controls]");
  if (!controls) return;
  const items = [...document.querySelectorAll("[data-item]")];
  const fields = [...controls.querySelectorAll("[data-filter]")];
  const heads = [...document.querySelectorAll("th[data-sort]")];
  const said = controls.querySelector("[data-said]");
  const empty = document.querySelector("[data-empty]");
  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  // What is drawn as nothing is searched as nothing.
  const plain = (text) => text.normalize("NFKC").replace(/[\u00ad\u200b-\u200f\u2060\ufeff]/g, "").toLowerCase();
  const messages = new Map();
  for (const one of document.querySelectorAll("[data-message-id]")) {
    messages.set(one.dataset.messageId, one.querySelector("[data-text]").textContent);
  }
  const list = (item, name) => (item.dataset[name] || "").split(" ").filter(Boolean);
  const searched = new Map();
  const textOf = (item) => {
    if (!searched.has(item)) {
      const parts = [...item.querySelectorAll("[data-text]")].map((part) => part.textContent);
      searched.set(item, plain([...parts, ...list(item, "message").map((id) => messages.get(id) || "")].join("\n")));
    }
    return searched.get(item);
  };
  let sort = "";

  const matches = (item) => fields.every((field) => {
    if (!field.value) return true;
    if (field.dataset.filter !== "q") return list(item, field.dataset.filter).includes(field.value);
    return plain(field.value).split(/\s+/).every((word) => textOf(item).includes(word));
  });

  const filter = () => {
    let shown = 0;
    for (const item of items) {
      item.hidden = !matches(item);
      shown += !item.hidden;
    }
    const message = messages.get(fields.find((field) => field.dataset.filter === "message")?.value);
    const narrowed = fields.some((field) => field.value);
    said.textContent = `${shown} of ${items.length} shown` + (message ? `, with the message: ${message}` : "");
    controls.querySelector("[data-clear]").disabled = !narrowed;
    if (empty) empty.hidden = shown > 0;
  };

  const value = (item, column) => {
    const cell = item.cells[column];
    if (!cell || cell.colSpan > 1) return "";
    return cell.dataset.v ?? cell.textContent.trim();
  };

  const arrange = () => {
    const down = sort.startsWith("-");
    const head = heads.find((one) => one.dataset.sort === sort.replace("-", ""));
    for (const one of heads) one.setAttribute("aria-sort", one !== head ? "none" : down ? "descending" : "ascending");
    if (!items.length || !heads.length) return;
    const places = new Map(items.map((item, place) => [item, place]));
    const sorted = [...items];
    if (head) {
      const column = Number(head.dataset.column);
      const compare = (first, second) => {
        const [a, b] = [value(first, column), value(second, column)];
        // What is not known stands last, in either direction.
        if (!a || !b) return !a - !b || places.get(first) - places.get(second);
        return (down ? -1 : 1) * order.compare(a, b) || places.get(first) - places.get(second);
      };
      const numbers = (first, second) => {
        const [a, b] = [parseFloat(value(first, column)), parseFloat(value(second, column))];
        if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b) || places.get(first) - places.get(second);
        return (down ? b - a : a - b) || places.get(first) - places.get(second);
      };
      sorted.sort(head.dataset.kind === "text" ? compare : numbers);
    }
    items[0].parentNode.append(...sorted);
  };

  const remember = () => {
    const state = new URLSearchParams();
    for (const field of fields) if (field.value) state.set(field.dataset.filter, field.value);
    if (sort) state.set("sort", sort);
    // Some browsers forbid this for local files: then the address just stays what it is.
    try {
      history.replaceState(null, "", String(state) ? `#${state}` : location.href.split("#")[0]);
    } catch {}
  };

  const recall = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const field of fields) field.value = state.get(field.dataset.filter) ?? "";
    for (const field of fields) if (field.selectedIndex === -1) field.value = "";
    sort = state.get("sort") ?? "";
    arrange();
    filter();
  };

  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  };

  for (const field of fields) {
    field.addEventListener("input", () => {
      filter();
      remember();
    });
  }
  controls.querySelector("[data-clear]").addEventListener("click", () => {
    for (const field of fields) field.value = "";
    filter();
    remember();
  });
  for (const head of heads) {
    const sorter = button("", () => {
      sort = sort === head.dataset.sort ? `-${sort}` : head.dataset.sort;
      arrange();
      remember();
    });
    sorter.append(...head.childNodes);
    head.append(sorter);
  }
  for (const place of document.querySelectorAll("[data-show-message]")) {
    place.append(button("Show in the table", () => {
      for (const field of fields) field.value = field.dataset.filter === "message" ? place.dataset.showMessage : "";
      filter();
      remember();
      controls.scrollIntoView();
      said.tabIndex = -1;
      said.focus({ preventScroll: true });
    }));
  }
  // The words of a cell are there for those who have the page read to them; others see them here.
  document.addEventListener("pointerover", (event) => {
    const cell = event.target.closest?.("td.mini");
    if (!cell || cell.title || !cell.querySelector(".hidden")) return;
    const head = heads.find((one) => Number(one.dataset.column) === cell.cellIndex);
    cell.title = `${head ? head.title : ""}: ${cell.querySelector(".hidden").textContent}`;
  });
  window.addEventListener("hashchange", () => {
    // A link to a place in the page changes no filter.
    if (!document.getElementById(location.hash.slice(1))) recall();
  });
  controls.hidden = false;
  recall();
})();
