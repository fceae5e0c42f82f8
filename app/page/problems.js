// What went wrong, what to do about it, and the key where one is needed.

import { Problem, hasKey, useKey } from "./api.js";
import { byId, element } from "./elements.js";

const keyForm = byId("key-form");
const retry = byId("retry");
let countdown;

/** Show an error of a call; one that is no `Problem` is a defect and goes on to the console. */
export function showProblem(error) {
  if (!(error instanceof Problem)) throw error;
  if (error.status === 401) return askForKey();
  tell(error.title, error.message, error.requestId);
  const passes = error.status === 0 || error.status === 429 || error.status >= 500;
  if (passes) offerRetry(error.retryAfterS);
}

export function clearProblem() {
  byId("problem").replaceChildren();
  keyForm.hidden = retry.hidden = true;
  clearInterval(countdown);
}

/** Ask for a key; one that was in use is not known any more. */
export function askForKey() {
  if (hasKey()) tell("This key is not known", "Keys are given out by whoever runs the service.");
  keep(null);
  keyForm.hidden = false;
  byId("key").focus();
}

/** Have `again` run when somebody wants to try again or has given a key. */
export function onRemedy(again) {
  retry.addEventListener("click", again);
  keyForm.addEventListener("submit", (event) => {
    event.preventDefault();
    const key = byId("key").value.trim();
    if (!/^[!-~]+$/.test(key)) return tell("That is no key", "Keys have neither spaces nor accents.");
    keyForm.reset();
    keep(key);
    again();
  });
}

/** Use a key, or none, and offer to forget the one that there is. */
function keep(key) {
  useKey(key);
  byId("forget").hidden = key === null;
}

function tell(title, detail, requestId) {
  const words = [element("strong", {}, `${title}.`), ` ${detail}`];
  if (requestId) words.push(element("small", {}, `Request ${requestId}`));
  byId("problem").replaceChildren(element("p", {}, ...words));
}

/** A button that waits for as long as the service asked to. */
function offerRetry(seconds) {
  const tick = () => {
    retry.disabled = seconds > 0;
    retry.textContent = seconds > 0 ? `Try again in ${seconds} s` : "Try again";
    if (seconds === 0) clearInterval(countdown);
    seconds -= 1;
  };
  retry.hidden = false;
  clearInterval(countdown); // of another call that was refused
  countdown = setInterval(tick, 1000);
  tick();
}
