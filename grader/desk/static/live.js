// What happens at other desks, as the server tells it.

import { base, who } from "./api.js";
import { find } from "./dom.js";

/** on: `{changed(data), lease(data)}`. `changed` also comes after the connection was lost: something may have been missed. */
export function follow(on) {
  const source = new EventSource(`${base}/events`);
  let lost = false;
  source.addEventListener("open", () => {
    if (lost) on.changed?.({});
    lost = false;
  });
  source.addEventListener("error", () => {
    lost = true;
    on.lost?.();
  });
  const hear = (name) => source.addEventListener(name, (event) => {
    const data = JSON.parse(event.data || "{}");
    if (name === "people") showPeople(data.people ?? []);
    on[name]?.(data);
  });
  ["changed", "lease", "people"].forEach(hear);
  // Or else the connection holds up the page that comes next.
  addEventListener("pagehide", () => source.close());
  return source;
}

export function showPeople(people) {
  const others = people.filter((person) => person !== who);
  find("#people").textContent = others.length ? `Also here: ${others.join(", ")}` : "";
}
