// Asking the server: JSON there and back.

export const base = document.body.dataset.base ?? "";
export const who = document.body.dataset.who ?? "";

/** The server has answered, and says no. `body.error` is a line for people; a conflict has more. */
export class Refused extends Error {
  constructor(status, body) {
    super(body.error ?? `the server answers ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** Nobody has answered: it may be worth asking again. */
export class Unreachable extends Error {}

const SECONDS = 20;
const NOT_THERE = [502, 503, 504];

async function ask(path, options = {}) {
  let reply;
  let body;
  try {
    reply = await fetch(base + path, { cache: "no-store", signal: AbortSignal.timeout(SECONDS * 1000), ...options });
    const isJson = reply.headers.get("content-type")?.includes("json");
    body = isJson ? await reply.json() : { error: (await reply.text()).trim().slice(0, 500) };
  } catch {
    throw new Unreachable("the server cannot be reached");
  }
  if (NOT_THERE.includes(reply.status)) throw new Unreachable("the server cannot be reached");
  if (!reply.ok) throw new Refused(reply.status, body);
  return body;
}

export const get = (path) => ask(path);

export const post = (path, body, options = {}) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Grader": "1" },
    body: JSON.stringify(body),
    ...options,
  });

/** A name for one operation: when no reply comes, it is sent again under the same name, and counts once. */
export const newOp = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export const part = encodeURIComponent;
