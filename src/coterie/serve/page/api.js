/* Requests to the server that the page comes from, and its refusals in words. */

const KEY = "coterie-api-key";
const GONE = "The server does not answer. It may have been stopped: start it again, then ask again.";
const LOST = "The connection was lost before the answer was whole. Ask again.";

/** A refusal, or a failure on the way; `status` is 0 where there was no response. */
export class Failure extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

export const setKey = (key) => sessionStorage.setItem(KEY, key);

function makeHeaders() {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function send(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...options.headers, ...makeHeaders() } });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Failure(GONE);
  }
  if (!response.ok) throw await explain(response);
  return response;
}

async function explain(response) {
  let said = "";
  try {
    said = (await response.json()).error.message;
  } catch {
    said = `it answered with status ${response.status}`;
  }
  const wait = response.headers.get("Retry-After");
  if (response.status === 429) return new Failure(`The server is busy: ask again in ${wait ?? "a few"} s.`, 429);
  const who = response.status < 500 ? "The server refuses this" : "The server failed";
  return new Failure(`${who}: ${said}.`, response.status);
}

/** The body of a GET. */
export async function read(path) {
  return (await send(path)).json();
}

/** The body of the response to a POST. */
export async function post(path, body, signal) {
  return (await send(path, makePost(body, signal))).json();
}

const makePost = (body, signal) => ({
  method: "POST", body: JSON.stringify(body), signal, headers: { "Content-Type": "application/json" },
});

/** Yields the objects of a stream of server-sent events; throws a Failure if it ends early. */
export async function* stream(path, body, signal) {
  const reader = (await send(path, makePost(body, signal))).body.getReader();
  const decoder = new TextDecoder();
  let held = "";
  while (true) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      throw error.name === "AbortError" ? error : new Failure(LOST);
    }
    if (part.done) throw new Failure(LOST);
    const events = (held + decoder.decode(part.value, { stream: true })).split("\n\n");
    held = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "))?.slice(6);
      if (data === "[DONE]") return;
      const found = JSON.parse(data);
      if (found.error) throw new Failure(`The server failed: ${found.error.message}.`);
      yield found;
    }
  }
}
