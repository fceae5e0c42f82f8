// The search page.  Its address says what is asked (q, top_k, lang, filter), so that back, reload and links work.

import { Problem, explain, hasKey, info, search, useKey } from "./api.js";
import { byId, chip, element } from "./elements.js";
import { showHits, walkWithArrows } from "./hits.js";
import { clearProblem, onRemedy, showProblem } from "./problems.js";

const form = byId("search");
const question = byId("question");
const topK = byId("top-k");
const hits = byId("hits");
const plainTitle = document.title;

let facts = null; // of index and encoder, once the service has told them
let learning = null;
let underWay = new AbortController();

const asked = () => Object.fromEntries(new URLSearchParams(location.search));

/** Ask what the parameters say; the address leaves out what is the default. */
function go({ top_k, ...others }) {
  const parameters = { ...others, top_k: top_k === "10" ? "" : top_k };
  const given = Object.entries(parameters).filter(([, value]) => value);
  const address = given.length ? `?${new URLSearchParams(given)}` : "./";
  if (new URL(address, document.baseURI).href !== location.href) history.pushState(null, "", address);
  scrollTo(0, 0);
  return read();
}

/** Put the address's question into the box, and answer it. */
function read() {
  question.value = asked().q ?? "";
  return answer();
}

/** Answer what the address asks. */
async function answer() {
  underWay.abort();
  underWay = new AbortController();
  const { signal } = underWay;
  const { q = "", top_k: count = "10", lang, filter: conditions = "{}" } = asked();
  if (![...topK.options].some((option) => option.value === count)) topK.add(new Option(count));
  topK.value = count;
  document.title = q ? `${q} · xQG` : plainTitle;
  byId("examples").hidden = Boolean(q);
  for (const id of ["hits", "filters", "status"]) byId(id).replaceChildren();
  clearProblem();
  hits.ariaBusy = String(Boolean(q));
  if (!q) return facts === null ? learn() : undefined;
  try {
    const filter = parsedFilter(conditions);
    showFilters(filter);
    const began = performance.now();
    const found = await search({ query: q, top_k: Number(count), lang, filter }, signal);
    const tookMs = performance.now() - began;
    if (facts?.index?.collection !== found.index.collection) await learn();
    if (!signal.aborted) show(found, tookMs, filter, signal);
  } catch (error) {
    if (!signal.aborted) showProblem(error);
  } finally {
    if (!signal.aborted) hits.ariaBusy = "false";
  }
}

function parsedFilter(text) {
  let filter = null;
  try {
    filter = JSON.parse(text);
  } catch {
    // told below
  }
  if (filter instanceof Object && !Array.isArray(filter)) return filter;
  throw new Problem(422, "The address is damaged", "Its filter is no JSON object; take it out of the address.");
}

function show(found, tookMs, filter, signal) {
  const { query, timings_ms: timings, truncated } = found;
  const number = found.hits.length === 1 ? "1 passage" : `${found.hits.length || "No"} passages`;
  const service = timings.total.toFixed(timings.total < 10 ? 1 : 0);
  const cut = truncated ? " The question was longer than the encoder reads: only its beginning counted." : "";
  byId("status").textContent = `${number} in ${Math.round(tookMs)} ms, ${service} ms in the service.${cut}`;
  const { fields = {}, explain: explainable } = facts?.index ?? {};
  const { lang } = asked();
  showHits(hits, found.hits, {
    fields: Object.keys(fields),
    narrow: (field, value) => narrowTo({ ...filter, [field]: value }),
    explain: explainable ? (docid) => explain({ query, docid, lang }, signal) : null,
  });
}

const narrowTo = (filter) =>
  go({ ...asked(), filter: Object.keys(filter).length ? JSON.stringify(filter) : "" });

/** The conditions that hold, each a button that takes it away. */
function showFilters(filter) {
  const chips = Object.entries(filter).map(([field, value]) => {
    const words = `${field}: ${typeof value === "object" ? JSON.stringify(value) : value}`;
    const { [field]: _, ...others } = filter;
    return element("li", {}, chip(`${words} ✕`, `Remove the filter ${words}`, () => narrowTo(others)));
  });
  byId("filters").replaceChildren(...chips);
}

/** Learn what runs here, and say so below the hits; who asks while it is asked waits for the same answer. */
function learn() {
  learning ??= info()
    .then(showFacts, showProblem)
    .finally(() => (learning = null));
  return learning;
}

function showFacts(told) {
  facts = told;
  const { index, encoder } = facts;
  const queries = Object.values(index?.queries_per_language ?? {});
  const count = queries.reduce((sum, each) => sum + each, 0);
  const words = [
    index ? `${index.passages.toLocaleString("en")} passages` : "No index is open yet",
    count ? `${count.toLocaleString("en")} generated queries in ${queries.length} languages, α ${index.alpha}` : "",
    `${encoder.source}, ${encoder.arithmetic} on ${encoder.device}`,
  ];
  byId("facts").textContent = words.filter(Boolean).join(" · ");
  byId("forget").hidden = !hasKey();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (matchMedia("(pointer: coarse)").matches) question.blur(); // the keyboard on the screen would cover the hits
  const { q, lang = "", filter = "" } = asked();
  go({ q: question.value, lang: q === question.value ? lang : "", filter, top_k: topK.value });
});

topK.addEventListener("change", () => asked().q && form.requestSubmit());

byId("forget").addEventListener("click", () => {
  useKey(null);
  location.reload();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("#home, #examples a");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go({ ...Object.fromEntries(new URL(link.href).searchParams), top_k: topK.value });
  if (link.id === "home") question.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  question.focus();
  question.select();
});

walkWithArrows(hits, question);
onRemedy(answer);
addEventListener("popstate", read);
learn();
if (asked().q) read();
else answer(); // and leave what was typed before this ran
