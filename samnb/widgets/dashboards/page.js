// Brings the page's style, hands files to the browser, and keeps keys pressed on the page from
// the notebook's own shortcuts; shows nothing itself.
const QUIET = "data-lm-suppress-shortcuts";

function render({ model, el }) {
  el.style.display = "none";
  let root = null, isOurs = false; // whether the focus was last seen on this page's widgets
  const mark = (e) => e.target.setAttribute(QUIET, "true");
  const follow = (e) => { isOurs = Boolean(root?.contains(e.target)); };
  // A desk that goes takes the focus with it, or was left by its tab: the picture of the next one
  // gets it, and the keys. That picture may be in the page before it can be seen, so this is tried
  // for a while.
  let surface = null, tries = 0, timer = 0;
  const handOn = () => {
    clearTimeout(timer);
    const at = document.activeElement;
    if (isOurs && (!at || at === document.body || at.closest(".samnb-tabs"))) {
      surface?.focus({ preventScroll: true });
    }
    if (tries-- > 0) timer = setTimeout(handOn, 100);
  };
  const desks = new MutationObserver(() => {
    const now = root.querySelector(".samnb-stage .samnb-surface");
    if (now === surface) return;
    surface = now;
    tries = 100;
    handOn();
  });
  let waiting = 0;
  const settle = () => {
    if (!el.isConnected) { waiting = requestAnimationFrame(settle); return; } // not in the page yet
    root = el.closest(".samnb-dashboard");
    root?.setAttribute(QUIET, "true");
    root?.addEventListener("focusin", mark, true);
    if (root) desks.observe(root, { childList: true, subtree: true });
  };
  settle();
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
  for (const name of ["focusin", "pointerdown"]) document.addEventListener(name, follow, true);
  return () => {
    cancelAnimationFrame(waiting);
    desks.disconnect();
    tries = 0;
    clearTimeout(timer);
    for (const name of ["focusin", "pointerdown"]) document.removeEventListener(name, follow, true);
    root?.removeEventListener("focusin", mark, true);
    model.off("msg:custom", take);
  };
}
export default { render };
