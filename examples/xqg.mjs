// Ask the service from JavaScript: a module for Node 18 or later and for browsers, with nothing to install.

/** The service says no: a problem document (RFC 9457). `retryAfterS` is null where coming back does not help. */
export class ServiceProblem extends Error {
  constructor(problem, retryAfterS) {
    super(`${problem.status} ${problem.title}: ${problem.detail}`);
    this.name = "ServiceProblem";
    Object.assign(this, { status: problem.status, type: problem.type, detail: problem.detail });
    Object.assign(this, { requestId: problem.request_id, errors: problem.errors ?? [], retryAfterS });
  }
}

const pause = (seconds) => new Promise((resume) => setTimeout(resume, 1000 * seconds));

async function readProblem(response) {
  const retryAfter = response.headers.get("retry-after");
  const problem = await response.json().catch(() => ({})); // a proxy's page is none
  return new ServiceProblem(
    { status: response.status, title: response.statusText, detail: "no problem document", ...problem },
    retryAfter === null ? null : Number(retryAfter),
  );
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
 * @throws {TypeError | DOMException} nobody answers, or not in time
 */
export async function search(url, query, options = {}, { apiKey, timeoutMs = 15_000, retries = 3 } = {}) {
  const headers = { "content-type": "application/json" };
  if (apiKey) headers.authorization = `Bearer ${apiKey}`;
  for (let left = retries; ; left -= 1) {
    const response = await fetch(`${url}/v1/search`, {
      method: "POST",
      headers,
      body: JSON.stringify({ query, ...options }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.ok) return response.json();
    const problem = await readProblem(response);
    if (left === 0 || ![429, 503].includes(problem.status)) throw problem;
    await pause((problem.retryAfterS || 0) + Math.random() / 2); // those refused together must not return together
  }
}
