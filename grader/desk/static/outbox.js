// What is entered waits here until the server has stored it: through a cut network, a closed page, a restart.

import { base, post, Refused, Unreachable, who } from "./api.js";
import { kept } from "./dom.js";

const WAITING = `grader-mark waiting ${base} ${who}`;
const REFUSED = `grader-mark refused ${base} ${who}`;
const PAUSES = [500, 1000, 2000, 4000, 8000];

export class Outbox {
  /** `changed()` is called whenever `waiting`, `refused` or `reachable` may be another. */
  constructor(changed) {
    this.changed = changed;
    this.reachable = true;
    this.lost = "";
    this._memory = { [WAITING]: [], [REFUSED]: [] };
    this._promises = new Map();
    this._running = false;
    this._tries = 0;
    addEventListener("online", () => this.send());
    addEventListener("storage", (event) => event.key?.startsWith("grader-mark") && this._heard());
  }

  get waiting() {
    return this._read(WAITING);
  }

  /** What the server would not have, each with the reason: a person has to say what becomes of it. */
  get refused() {
    return this._read(REFUSED);
  }

  /** entry: {op, path, body, about}. Resolves to the reply, null where another page had it; rejects with Refused.
   * It may take as long as the network. */
  add(entry) {
    this._write(WAITING, [...this.waiting, entry]);
    const promise = new Promise((resolve, reject) => this._promises.set(entry.op, { resolve, reject }));
    this.send();
    return promise;
  }

  /** Another page of the same person has put something in, or has sent it. */
  _heard() {
    const waiting = new Set(this.waiting.map((entry) => entry.op));
    for (const [op, promise] of this._promises) {
      if (!waiting.has(op) && op !== this._sending) {
        this._promises.delete(op);
        promise.resolve(null);
      }
    }
    this.changed();
  }

  /** Take back what has not been sent; false where it is too late. */
  withdraw(op) {
    if (this._sending === op || !this.waiting.some((entry) => entry.op === op)) return false;
    this._remove(WAITING, op);
    return true;
  }

  dismiss(op) {
    this._remove(REFUSED, op);
  }

  async send() {
    if (this._running) return;
    this._running = true;
    clearTimeout(this._timer);
    this.changed();
    try {
      for (let entry = this.waiting[0]; entry; entry = this.waiting[0]) {
        if (!(await this._sendOne(entry))) return;
      }
    } finally {
      this._running = false;
      this._sending = null;
      this.changed();
    }
  }

  /** Whether to go on with the next one. */
  async _sendOne(entry) {
    const promise = this._promises.get(entry.op);
    this._sending = entry.op;
    try {
      const reply = await post(entry.path, { ...entry.body, op: entry.op });
      this.reachable = true;
      this.lost = "";
      this._tries = 0;
      this._remove(WAITING, entry.op);
      promise?.resolve(reply);
      return true;
    } catch (error) {
      if (error instanceof Unreachable) {
        this.reachable = false;
        this._timer = setTimeout(() => this.send(), PAUSES[Math.min(this._tries++, PAUSES.length - 1)]);
        return false;
      }
      if (!(error instanceof Refused)) throw error;
      this.reachable = true;
      if ([401, 403, 429].includes(error.status)) {
        // It is nothing that was entered: it goes on waiting for somebody who may.
        this.lost = error.message;
        return false;
      }
      this._remove(WAITING, entry.op);
      if (promise) promise.reject(error);
      else this._write(REFUSED, [...this.refused, { ...entry, error: error.message, conflict: error.body }]);
      return true;
    } finally {
      this._promises.has(entry.op) && !this.waiting.some((one) => one.op === entry.op) && this._promises.delete(entry.op);
    }
  }

  keepRefused(entry, error) {
    this._write(REFUSED, [...this.refused, { ...entry, error: error.message, conflict: error.body }]);
    this.changed();
  }

  _remove(name, op) {
    this._write(name, this._read(name).filter((entry) => entry.op !== op));
    this.changed();
  }

  _read(name) {
    return this._memory[name].length ? this._memory[name] : (kept.get(name) ?? []);
  }

  _write(name, entries) {
    // Where the browser keeps nothing, the page does while it is open.
    this._memory[name] = kept.set(name, entries.length ? entries : null) ? [] : entries;
  }
}
