// The keyboard of the studio, loaded in front of surface.js. Keys pressed anywhere inside the
// root go to Python by the key map and never reach the notebook; text fields keep theirs.
const TEXT = "input:not([type=checkbox]):not([type=range]):not([type=button]),textarea,select,[contenteditable=true]";

function chord(e) {
  let key = e.key;
  if (key.length === 1) {
    if (key > "~" && /^Key[A-Z]$/.test(e.code)) key = e.code[3]; // other scripts: by position
    key = key.toLowerCase();
  }
  const isSign = key.length === 1 && !/[a-z ]/.test(key); // "?" already carries its Shift
  const isAltGr = e.getModifierState("AltGraph");
  return (!isAltGr && (e.ctrlKey || e.metaKey) ? "Ctrl+" : "") +
    (!isAltGr && e.altKey ? "Alt+" : "") + (e.shiftKey && !isSign ? "Shift+" : "") + key;
}

// held: { hasSpace, isTabFree }, shared with the pointer. now and later send a message, at once
// or with the next screen frame; on listens until the view goes.
function guardKeys(root, el, held, { on, get, now, later, isPanning }) {
  // JupyterLab looks for a shortcut on the focused element first and for the mark only while
  // it climbs from there: so every element that gets the focus is marked, not the root alone,
  // and no key leaves the root.
  const mark = (node) => node.setAttribute("data-lm-suppress-shortcuts", "true");
  mark(root); mark(el);
  root.setAttribute("data-jp-suppress-context-menu", "true");
  if (root !== el) root.tabIndex = -1;
  on(root, "focusin", (e) => mark(e.target), true);
  on(root, "keydown", (e) => {
    const isText = e.target.closest(TEXT);
    if (isText) {
      if (e.key === "Escape" || (e.key === "Enter" && isText.tagName === "INPUT")) setTimeout(() => el.focus());
      return;
    }
    const isOnSurface = e.target === el || e.target === root;
    if (!isOnSurface && (e.key === "Tab" || (e.target.closest("button") && /^(Enter| )$/.test(e.key)) ||
      (e.target.closest("[role=slider]") && /^(Arrow|Home|End|Page)/.test(e.key)))) return;
    if (e.key === "Tab" && held.isTabFree) return; // Esc, then Tab leaves: no keyboard trap
    held.isTabFree = e.key === "Escape" || (held.isTabFree && e.key === "Shift");
    const key = chord(e);
    if (!get("chords").includes(key)) return;
    e.preventDefault(); e.stopPropagation();
    if (key === " ") { held.hasSpace = true; return; } // told apart on release: tap or pan
    if (!e.repeat) now({ kind: "key", key });
    else if (get("repeats").includes(key)) later({ kind: "key", key });
  }, true);
  on(root, "keydown", (e) => e.stopPropagation());
  on(root, "keyup", (e) => {
    if (e.key !== " " || !held.hasSpace) return;
    held.hasSpace = false;
    if (!isPanning()) now({ kind: "key", key: " " });
  }, true);
  on(root, "pointerdown", (e) => { // after a button or slider the keys belong to the picture again
    if (e.target.closest(TEXT)) return;
    window.addEventListener("pointerup", () => setTimeout(() => {
      if (!document.activeElement?.closest(TEXT)) el.focus({ preventScroll: true });
    }), { once: true });
  }, true);
  on(window, "blur", () => { held.hasSpace = false; });
}
