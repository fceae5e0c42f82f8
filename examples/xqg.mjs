// Ask the service from JavaScript: a module for Node 18 or later and for browsers, with nothing to install.

const TEMPORARY = [429, 503];
const LONGEST_PAUSE_S = 30; // a service that wants more patience is not asked again

/** The service says no: a problem document (RFC 9457). `retryAfterS` is null where coming back does not help. */
export class ServiceProblem extends Error {
  constructor(problem, retryAfterS) {
    super(`${problem.status} ${problem.title}: ${problem.detail}`);
    this.name = "ServiceProblem";
    Object.assign(this, { status: problem.status, type: problem.type, detail: problem.detail });
    Object.assign(this, { requestId: problem.request_id, errors: problem.errors ?? [], retryAfterS });
  }
}

/**
 * The passages closest to a question.
 *
 * @param {string} url of the service, as "http://localhost:8000"
 * @param {string} query a question in any of the seven languages
 * @param {{top_k?: number, lang?: string, filter?: object, min_score?: number, explain?: boolean}} options
 * @param {{apiKey?: string, timeoutMs?: number, retries?: number}} how only 429 and 503 are asked again
 * @returns {Promise<object>} as the body of `POST /v1/search` in /docs
 * @throws {ServiceProblem} the service refuses
 * @throws {TypeError | DOMException | SyntaxError} nobody answers, not in time, or somebody else does
 */
export function search(url, query, options = {}, how = {}) {
  return ask(url, "/v1/search", { query, ...options }, how);
}

/**
 * Every generated query of a passage, closest to the question first; else as `search`.
 *
 * @param {string} docid as in a hit
 * @param {{lang?: string}} options
 * @returns {Promise<object>} as the body of `POST /v1/explain` in /docs
 */
export function explain(url, query, docid, options = {}, how = {}) {
  return ask(url, "/v1/explain", { query, docid, ...options }, how);
}

async function ask(url, path, body, { apiKey, timeoutMs = 15_000, retries = 3 }) {
  const headers = { "content-type": "application/json" };
  if (apiKey) headers.authorization = `Bearer ${apiKey}`;
  for (let left = retries; ; left -= 1) {
    const response = await fetch(url.replace(/\/+$/, "") + path, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.ok) return response.json();
    const problem = await readProblem(response);
    const pauseS = problem.retryAfterS ?? 0;
    if (left === 0 || pauseS > LONGEST_PAUSE_S || !TEMPORARY.includes(problem.status)) throw problem;
    await pause(pauseS + Math.random() / 2); // those refused together must not return together
  }
}

async function readProblem(response) {
  const problem = await response.json().catch(() => ({})); // a proxy's page is none
  return new ServiceProblem(
    { title: response.statusText, detail: "no problem document", ...problem, status: response.status },
    secondsFromNow(response.headers.get("retry-after")),
  );
}

/** The header has seconds or a date (RFC 9110, section 10.2.3). */
function secondsFromNow(retryAfter) {
  if (retryAfter === null) return null;
  const seconds = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? null : Math.max(0, seconds);
}

function pause(seconds) {
  return new Promise((resume) => setTimeout(resume, 1000 * seconds));
}
