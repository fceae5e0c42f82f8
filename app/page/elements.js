// Elements of the page, found and made.

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; text stays text, whatever it holds. */
export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const languageNames = new Intl.DisplayNames(["en"], { type: "language" });

/** As the examples call it, which a browser might not: `bn` is Bengali to some and Bangla to others. */
export function languageName(code) {
  const example = document.querySelector(`#examples [lang="${CSS.escape(code)}"]`);
  return example?.previousElementSibling.textContent ?? languageNames.of(code);
}

/** A small button that says more to those who hear it. */
export function chip(text, spoken, press) {
  const node = element("button", { type: "button", className: "chip", dir: "auto", ariaLabel: spoken }, text);
  node.addEventListener("click", press);
  return node;
}
