// The list of hits: title, score, text, and what matched once a hit is opened.

import { chip, element, languageName } from "./elements.js";

const MATCHED_QUERIES = 3;

/**
 * Fill the list and open the first hit.
 *
 * `fields` are the metadata fields that can be filtered by, `narrow(field, value)` filters by one, and
 * `explain(docid)` promises the generated queries that match; it is null where the index has none.
 */
export function showHits(list, hits, { fields, narrow, explain }) {
  list.replaceChildren(...hits.map((hit) => item(hit, fields, narrow, explain)));
  list.querySelector(".title")?.click();
}

function item(hit, fields, narrow, explain) {
  const more = element("div", { id: `more-${hit.rank}`, className: "more", hidden: true });
  const title = element("button", { type: "button", className: "title", dir: "auto" }, hit.title || hit.docid);
  title.setAttribute("aria-expanded", "false");
  title.setAttribute("aria-controls", more.id);
  const rank = element("span", { className: "rank" }, `${hit.rank}. `);
  const score = element("span", { className: "score", title: "Similarity to the question" }, hit.score.toFixed(3));
  const text = element("p", { className: "text", dir: "auto" }, hit.text);
  const node = element("li", {}, element("h2", {}, rank, title), score, more, text, ...chips(hit, fields, narrow));
  let told = false;
  title.addEventListener("click", async () => {
    const open = title.getAttribute("aria-expanded") === "false";
    title.setAttribute("aria-expanded", String(open));
    node.classList.toggle("open", open);
    more.hidden = !open || explain === null;
    if (more.hidden || told) return;
    told = showMatches(more, explain(hit.docid));
    told = await told; // what failed is asked again when the hit is opened again
  });
  return node;
}

/** What can be filtered by, each a button that does. */
function chips(hit, fields, narrow) {
  const values = fields.flatMap((field) => [hit.metadata[field] ?? []].flat().map((value) => [field, value]));
  const buttons = values.map(([field, value]) =>
    chip(`${field}: ${value}`, `Only ${field}: ${value}`, () => narrow(field, value)),
  );
  return buttons.length ? [element("p", {}, ...buttons)] : [];
}

/** Whether they could be told. */
async function showMatches(more, promised) {
  more.replaceChildren(element("p", {}, "Asking what matched …"));
  try {
    const { lang, matched_queries: matched } = await promised;
    const queries = nearest(matched, lang).map(matchedQuery);
    more.replaceChildren(
      element("h3", {}, queries.length ? "Closest generated queries" : "No query was generated for this passage"),
      element("ul", {}, ...queries),
    );
    return true;
  } catch (error) {
    if (error.name !== "AbortError")
      more.replaceChildren(element("p", {}, `What matched could not be told: ${error.message}`));
    return false;
  }
}

/** The closest of all, and among them the closest in the asker's language, where that is known. */
function nearest(matched, lang) {
  const own = matched.find((each) => each.lang === lang);
  const closest = matched.slice(0, MATCHED_QUERIES);
  return own && !closest.includes(own) ? [...closest.slice(0, -1), own] : closest;
}

function matchedQuery({ lang, query, score }) {
  return element(
    "li",
    {},
    element("q", { lang, dir: "auto" }, query),
    element("span", { className: "language" }, `${languageName(lang)}, ${score.toFixed(3)}`),
  );
}

/** Move the focus among the titles with the arrow keys; up from the first goes to `before`. */
export function walkWithArrows(list, before) {
  document.addEventListener("keydown", (event) => {
    const titles = [...list.querySelectorAll(".title")];
    const place = event.target === before ? -1 : titles.indexOf(event.target);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    if (place < 0 && event.target !== before) return;
    const next = place + step < 0 ? before : titles[place + step];
    if (!next || next === event.target) return;
    event.preventDefault();
    next.focus();
  });
}
