// Calls of the service.  Addresses are relative, so that the page works under any prefix of a proxy.

const STORED_KEY = "xqg-key";
const store = tabStore();
let key = store?.getItem(STORED_KEY) ?? null;

/** What went wrong, in words for a person; `status` is 0 where the service did not answer. */
export class Problem extends Error {
  constructor(status, title, detail, { requestId = "", retryAfterS = 0 } = {}) {
    super(detail);
    Object.assign(this, { status, title, requestId, retryAfterS });
  }
}

export const hasKey = () => key !== null;

/** Keep an API key for as long as the tab lives; null forgets it. */
export function useKey(value) {
  key = value;
  if (value === null) store?.removeItem(STORED_KEY);
  else store?.setItem(STORED_KEY, value);
}

export const search = (body, signal) => call("v1/search", body, signal);
export const explain = (body, signal) => call("v1/explain", body, signal);
export const info = () => call("v1/info");

async function call(address, body, signal) {
  const headers = key === null ? {} : { "x-api-key": key }; // authorization is a proxy's, which may ask for a password
  const request = { headers, signal, cache: "no-store" };
  if (body) {
    headers["content-type"] = "application/json";
    Object.assign(request, { method: "POST", body: JSON.stringify(body) });
  }
  let answer, content;
  try {
    answer = await fetch(address, request);
    content = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "The service does not answer", "Check that it runs and that you are online, then try again.");
  }
  const words = parsed(content);
  if (answer.ok && words) return words;
  const foreign = `HTTP ${answer.status} ${answer.statusText}, from something between this page and the service.`;
  throw new Problem(answer.status, words?.title ?? "No answer of the service", words?.detail ?? foreign, {
    requestId: words?.request_id,
    retryAfterS: Number(answer.headers.get("retry-after")) || 0,
  });
}

/** Null where it is no JSON: a proxy's page, not the service's words. */
function parsed(content) {
  try {
    return JSON.parse(content);
  } catch {
    return null;
  }
}

/** Null where the browser keeps nothing for this page. */
function tabStore() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
