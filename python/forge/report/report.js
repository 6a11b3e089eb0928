// Shows one pair at a time, filtered by kind, outcome and flaw. Without it, all pairs stay in the page, folded.
(() => {
  const box = document.getElementById("pairs");
  if (!box) return;
  const pairs = [...box.querySelectorAll(".pair")];
  const selects = [...box.querySelectorAll("select")];
  const [previous, next] = box.querySelectorAll("button");
  const where = box.querySelector(".where");
  let shown = pairs;
  let at = 0;
  const draw = () => {
    for (const pair of pairs) pair.hidden = pair !== shown[at];
    if (shown.length) shown[at].open = true;
    where.textContent = shown.length ? `${at + 1} of ${shown.length}` : "none of this kind";
    previous.disabled = at <= 0;
    next.disabled = at >= shown.length - 1;
  };
  const filter = () => {
    const fits = (pair) => (select) => select.value === "" || select.value === pair.dataset[select.name];
    shown = pairs.filter((pair) => selects.every(fits(pair)));
    at = 0;
    draw();
  };
  const move = (by) => {
    at = Math.max(0, Math.min(shown.length - 1, at + by));
    draw();
  };
  for (const select of selects) select.addEventListener("change", filter);
  previous.addEventListener("click", () => move(-1));
  next.addEventListener("click", () => move(1));
  box.addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT") return;
    if (event.key === "ArrowLeft") move(-1);
    if (event.key === "ArrowRight") move(1);
  });
  box.querySelector(".controls").hidden = false;
  draw();
})();
