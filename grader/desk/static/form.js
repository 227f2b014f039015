// The marking of one group of equal answers: items, points, comment, reason. It enters nothing by itself.

import { get, part } from "./api.js";
import { counted, fill, find, h, kept, points, signed } from "./dom.js";
import { kbd } from "./keys.js";

const clip = (value, most) => Math.min(Math.max(value, 0), most);
const PAUSE = 120;

/** What counts: the sum of the items, cut to 0 and the maximum, plus the adjustment, cut again. */
export function pointsOf(question, chosen, adjustment) {
  const sum = question.items.filter((item) => chosen.has(item.key)).reduce((all, item) => all + item.points, 0);
  return clip(clip(sum, question.max_points) + adjustment, question.max_points);
}

/** What full marks are in items: the largest ones that add up to them, where this leaves no choice; else an adjustment. */
export function fullMarks(question) {
  const up = question.items.filter((item) => item.points > 0).sort((first, second) => second.points - first.points);
  const taken = [];
  let left = question.max_points;
  for (const item of up) {
    if (left <= 0) break;
    taken.push(item);
    left -= item.points;
  }
  const next = up[taken.length];
  const isClear = Math.abs(left) < 1e-9 && (!next || next.points < taken.at(-1).points);
  return isClear ? { items: taken.map((item) => item.key), adjustment: 0 } : { items: [], adjustment: question.max_points };
}

export const draftName = (question, group) => `grader-mark draft ${question} ${group}`;

export class Form {
  /** on: `{save(), edit(item), changed()}`. keyed: whether the keys of the page act here, and are shown. */
  constructor(question, group, on, { keyed = true } = {}) {
    this.question = question;
    this.group = group;
    this.on = on;
    this.keyed = keyed;
    this.draftName = draftName(question.id, group.id);
    const draft = kept.get(this.draftName);
    this.isDraft = draft !== null;
    this.touched = this.isDraft;
    this.given = this.isDraft;
    this._start(draft ?? group.decision ?? group.offered ?? {});
    this.element = this._build();
    this._show();
  }

  _start(said) {
    const known = new Set(this.question.items.map((item) => item.key));
    this.chosen = new Set((said.items ?? []).filter((key) => known.has(key)));
    this.adjustment = said.adjustment ?? 0;
    this.comment = said.comment ?? "";
    this.reason = said.reason ?? "";
    const missing = (said.items ?? []).some((key) => !known.has(key));
    const marked = said.points ?? null;
    if (marked !== null && (missing || pointsOf(this.question, this.chosen, this.adjustment) !== marked)) {
      // It was given without items, by a score file: the points stay what they were.
      this.adjustment += marked - pointsOf(this.question, this.chosen, this.adjustment);
    }
  }

  get points() {
    return pointsOf(this.question, this.chosen, this.adjustment);
  }

  /** Whether there is something to save: nothing chosen at all is no decision, unless that is said, or nothing was answered. */
  get decides() {
    return Boolean(this.given || this.group.decision || this.group.offered || this.group.empty);
  }

  get said() {
    return {
      // In the order of the question, so that the same choice is the same decision.
      items: this.question.items.map((item) => item.key).filter((key) => this.chosen.has(key)),
      adjustment: Math.round(this.adjustment * 1e6) / 1e6,
      comment: this.comment.trim(),
      reason: this.reason.trim(),
    };
  }

  /** What is missing before this may be saved, in words; empty where nothing is. */
  get missing() {
    if (!this.decides) return "Choose an item, none or full marks first.";
    const gave = this.group.automatic_points;
    const differs = this.question.kind === "code" && this.group.status !== "review" && gave !== null && gave !== undefined && this.points !== gave;
    return differs && !this.reason.trim() ? `Say why: the checks gave ${points(gave)}.` : "";
  }

  toggle(key) {
    if (this.chosen.has(key)) this.chosen.delete(key);
    else this.chosen.add(key);
    this._touch();
  }

  digit(digit) {
    const item = this.question.items.find((one) => one.digit === digit);
    if (item) this.toggle(item.key);
    return Boolean(item);
  }

  none() {
    this.chosen.clear();
    this.adjustment = 0;
    this._touch();
  }

  full() {
    const { items, adjustment } = fullMarks(this.question);
    this.chosen = new Set(items);
    this.adjustment = adjustment;
    this._touch();
  }

  /** Have this decision in the form, as somebody's own. */
  take(decision) {
    this._start(decision);
    this._touch();
  }

  setPoints(value) {
    this.adjustment = 0;
    this.adjustment = clip(value, this.question.max_points) - this.points;
    this._touch();
  }

  focusComment() {
    this.commentField.focus();
  }

  forget() {
    kept.set(this.draftName, null);
  }

  _touch() {
    this.touched = this.given = true;
    this._keep();
    this._show();
    this.on.changed?.();
  }

  _keep() {
    kept.set(this.draftName, { ...this.said, points: this.points });
  }

  // Building

  _build() {
    const { question, group } = this;
    this.itemList = h("ul.d-items", { "aria-label": "Items" }, question.items.map((item) => this._item(item)));
    this.total = h("input.d-total", {
      type: "number", min: 0, max: question.max_points, step: "any", inputmode: "decimal", "aria-label": `Points of ${points(question.max_points)}`,
      onchange: () => this.setPoints(Number(this.total.value) || 0),
    });
    this.how = h("span.d-how");
    this.noneButton = this._choice("None", "none", () => this.none());
    this.fullButton = this._choice("Full marks", "full", () => this.full());
    this.commentField = h("textarea.d-comment", {
      rows: 3, value: this.comment, placeholder: "For the student: Markdown, formulas between $ signs",
      oninput: () => this._type(), onfocus: () => this._suggest(), onkeydown: (event) => this._keyInComment(event),
    });
    this.suggestions = h("ul.d-suggestions", { "aria-label": "Comments used before" });
    const commentId = `comment-${question.id}-${group.id}`.replace(/[^\w-]/g, "-");
    this.commentField.id = commentId;
    this.saveButton = h("button.d-main-button", { type: "button", onclick: () => this.on.save() }, this.keyed ? ["Save and next ", kbd("save")] : "Save");
    const parts = [
      h("div.d-sum", {}, this.total, h("span.of", {}, `of ${counted(question.max_points, "point")}`), this.how),
      question.items.length > 0 && this.itemList,
      h("div.d-choices", {}, this.noneButton, this.fullButton, this.on.edit && h("button", { type: "button", onclick: () => this.on.edit(null) }, "New item ", this.keyed && kbd("item"))),
      h("div.d-field", {}, h("label", { for: commentId }, "Comment ", this.keyed && kbd("comment")), this.commentField, this.suggestions),
    ];
    if (question.kind === "code") {
      this.reasonField = h("textarea", { rows: 2, value: this.reason, oninput: () => ((this.reason = this.reasonField.value), this._typed()) });
      const gave = group.automatic_points === null || group.automatic_points === undefined ? "The checks could not decide." : `The checks gave ${points(group.automatic_points)}.`;
      parts.push(h("label.d-field", {}, h("span", {}, "Why other points than the checks gave"), this.reasonField, h("span.d-hint", {}, gave)));
    }
    this.savePoints = h("span.d-save-points", { "aria-hidden": "true" });
    parts.push(h("div.d-save", {}, this.savePoints, this.saveButton));
    return h("div.d-form", {}, parts);
  }

  _item(item) {
    const button = h(
      "button.d-item",
      {
        type: "button", "data-key": item.key, "aria-pressed": "false",
        onclick: () => this.toggle(item.key),
      },
      item.digit && this.keyed ? h("kbd", {}, item.digit) : h("kbd.d-none", { "aria-hidden": "true" }, "·"),
      h("span.d-item-text", {}, item.text),
      h(`span.d-item-points${item.points < 0 ? ".down" : item.points ? "" : ".even"}`, {}, signed(item.points)),
    );
    const edit = this.on.edit && h("button.d-quiet.d-edit", { type: "button", "aria-label": `Change the item: ${item.text}`, title: "Change this item", onclick: () => this.on.edit(item) }, "✎");
    return h("li", {}, button, edit);
  }

  _choice(text, action, act) {
    return h("button", { type: "button", "aria-pressed": "false", onclick: act }, `${text} `, this.keyed && kbd(action));
  }

  _show() {
    for (const button of this.itemList.querySelectorAll(".d-item")) button.setAttribute("aria-pressed", this.chosen.has(button.dataset.key));
    const value = this.decides || this.chosen.size ? this.points : null;
    this.total.value = value === null ? "" : points(value);
    // What counts as long as nobody decides.
    this.total.placeholder = points(this.question.kind === "code" ? this.group.automatic_points : null);
    this.how.textContent = this.adjustment && this.chosen.size ? `the items, adjusted by ${signed(this.adjustment)}` : "";
    this.savePoints.textContent = `${points(value)} of ${points(this.question.max_points)}`;
    this.noneButton.setAttribute("aria-pressed", this.given && value === 0 && !this.chosen.size);
    this.fullButton.setAttribute("aria-pressed", value === this.question.max_points);
    if (this.commentField.value !== this.comment) this.commentField.value = this.comment;
    if (this.reasonField && this.reasonField.value !== this.reason) this.reasonField.value = this.reason;
  }

  // The comment

  _type() {
    this.comment = this.commentField.value;
    this._typed();
    this._suggest();
  }

  _typed() {
    this.touched = true;
    this._keep();
    this.on.changed?.();
  }

  _keyInComment(event) {
    if (event.key === "Escape") {
      this._clearSuggestions();
      this.commentField.blur();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.commentField.blur();
      this.on.save();
    } else if (event.key === "ArrowDown" && this.commentField.selectionEnd === this.commentField.value.length) {
      const first = find("button", this.suggestions);
      if (first) {
        event.preventDefault();
        first.focus();
      }
    }
  }

  _suggest() {
    clearTimeout(this._timer);
    this._timer = setTimeout(async () => {
      const asked = this.commentField.value;
      try {
        const { comments } = await get(`/api/comments?question=${part(this.question.id)}&begin=${part(asked.trim())}`);
        if (asked === this.commentField.value && this.element.isConnected && this.element.contains(document.activeElement)) {
          fill(this.suggestions, comments.filter((one) => one.comment !== asked.trim()).slice(0, 5).map((one) => this._suggestion(one)));
        }
      } catch {
        // Without them one types.
      }
    }, PAUSE);
  }

  _suggestion(one) {
    const take = () => {
      this.comment = one.comment;
      this._typed();
      this._show();
      this._clearSuggestions();
      this.commentField.focus();
    };
    const move = (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") this.commentField.focus();
      if (!step) return;
      event.preventDefault();
      const all = [...this.suggestions.querySelectorAll("button")];
      (all[all.indexOf(event.currentTarget) + step] ?? this.commentField).focus();
    };
    return h("li", {}, h("button", { type: "button", onclick: take, onkeydown: move }, h("span.d-excerpt", { dir: "auto" }, one.comment), " ", h("span.d-hint", {}, `${one.count}×`)));
  }

  _clearSuggestions() {
    clearTimeout(this._timer);
    fill(this.suggestions);
  }
}
