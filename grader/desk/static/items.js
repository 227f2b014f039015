// An item made, or changed: first what it would do, then everywhere at once.

import { newOp, post } from "./api.js";
import { counted, dialog, h, points, say, signed } from "./dom.js";

const PAUSE = 150;

export const effect = ({ answers, points_change: change }) =>
  answers ? `${counted(answers, "answer")}, ${change ? `${signed(change)} ${Math.abs(change) === 1 ? "point" : "points"}` : "no other points"}` : "It has been chosen for no answer yet.";

/** item: null for a new one. done: called with the question's items after the change. */
export function editItem(question, item, done) {
  const field = (name, element) => h("label.d-field", {}, h("span", {}, name), element);
  const text = h("input", { value: item?.text ?? "", required: true, maxlength: 300 });
  const words = h("textarea", { rows: 3, value: item?.words ?? "" });
  const worth = h("input", { type: "number", step: "any", required: true, value: item ? points(item.points) : "" });
  const said = h("p.d-effect", { role: "status" });
  const fault = h("p.d-fault", { role: "alert" });
  const save = h("button.d-main-button", {}, item ? "Change it everywhere" : "Add it");
  const retire = item && h("button", { type: "button", onclick: () => act({ retired: true }) }, "Offer it no more");
  const asked = (more = {}) => ({
    question: question.id, key: item?.key ?? "", text: text.value.trim(), words: words.value.trim(), points: Number(worth.value) || 0, retired: false, ...more,
  });
  const op = newOp();
  let timer;
  const preview = () => {
    clearTimeout(timer);
    if (!item) return;
    timer = setTimeout(async () => {
      try {
        said.textContent = effect(await post("/api/items/preview", asked()));
        fault.textContent = "";
      } catch (error) {
        fault.textContent = error.message;
      }
    }, PAUSE);
  };
  const act = async (more) => {
    save.disabled = true;
    try {
      const reply = await post("/api/items/change", { ...asked(more), op: more?.retired ? newOp() : op });
      made.close();
      say(item ? `Changed: ${effect(reply)}` : "The item is there.");
      done(reply);
    } catch (error) {
      fault.textContent = `Not changed: ${error.message}`;
      save.disabled = false;
    }
  };
  const form = h(
    "form.d-fields",
    {
      oninput: preview,
      onsubmit: (event) => {
        event.preventDefault();
        act();
      },
    },
    field("Text, for those who mark", text),
    field("Points, up or down", worth),
    field("Words for the student (Markdown); empty: none", words),
    said, fault, h("div.d-choices", {}, save, retire),
  );
  const made = dialog(item ? "Change this item" : "A new item", form);
  text.focus();
  preview();
}
