"use strict";
(() => {
  const filter = document.querySelector("#filter");
  if (filter) {
    const words = filter.querySelector("input[type=search]");
    const only = filter.querySelector("input[type=checkbox]");
    const rows = [...document.querySelectorAll("#matrix tbody tr")];
    const update = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.dataset.text.toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word)) || (only.checked && !("flagged" in row.dataset));
        shown += row.hidden ? 0 : 1;
      }
      filter.querySelector("output").textContent = `${shown} of ${rows.length} shown`;
    };
    filter.hidden = false;
    filter.addEventListener("input", update);
    filter.addEventListener("submit", (event) => event.preventDefault());
    update();
  }
  for (const block of document.querySelectorAll(".copyable")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      const text = block.querySelector("pre").textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(block.querySelector("pre"));
        button.textContent = "Selected: press Ctrl+C";
      }
    });
    block.append(button);
  }
  const drawing = document.querySelector("#drawing");
  for (const box of drawing ? drawing.querySelectorAll(".box") : []) {
    const lines = drawing.querySelectorAll(`[data-from="${box.dataset.box}"], [data-to="${box.dataset.box}"]`);
    const mark = (near) => () => {
      drawing.classList.toggle("busy", near);
      for (const line of lines) line.classList.toggle("near", near);
    };
    for (const event of ["mouseenter", "focusin"]) box.addEventListener(event, mark(true));
    for (const event of ["mouseleave", "focusout"]) box.addEventListener(event, mark(false));
  }
  addEventListener("beforeprint", () => {
    for (const closed of document.querySelectorAll("details:not([open])")) closed.open = true;
  });
})();
