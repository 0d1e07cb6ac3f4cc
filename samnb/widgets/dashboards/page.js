// Brings the page's style, hands files to the browser, and keeps keys pressed on the page from
// the notebook's own shortcuts; shows nothing itself.
const QUIET = "data-lm-suppress-shortcuts";

function render({ model, el }) {
  el.style.display = "none";
  let root = null;
  const mark = (e) => e.target.setAttribute(QUIET, "true");
  const waiting = requestAnimationFrame(() => { // the page is whole by then
    root = el.closest(".samnb-dashboard");
    root?.setAttribute(QUIET, "true");
    root?.addEventListener("focusin", mark, true);
  });
  const take = (message, buffers) => {
    if (message.kind !== "save") return;
    const url = URL.createObjectURL(new Blob(buffers, { type: message.type }));
    const link = Object.assign(document.createElement("a"), { href: url, download: message.name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  };
  model.on("msg:custom", take);
  return () => {
    cancelAnimationFrame(waiting);
    root?.removeEventListener("focusin", mark, true);
    model.off("msg:custom", take);
  };
}
export default { render };
