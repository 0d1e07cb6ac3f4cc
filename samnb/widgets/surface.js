// A transparent listener over an ipycanvas. It sends gestures to Python in fractions of its
// own size, one message per stroke, and draws only what must feel immediate: the stroke in
// progress, the box preview, the brush ring and an echo of the last click.
const CLICK_PX = 5; // movement below this, in CSS pixels, is a click

function render({ model, el }) {
  el.classList.add("samnb-surface");
  el.tabIndex = model.get("is_live") ? -1 : 0;
  const ink = el.appendChild(document.createElement("canvas"));
  const pen = ink.getContext("2d");
  const pointers = new Map();
  const get = (name) => model.get(name);
  const cleanups = [];
  const on = (target, name, fn, options) => {
    target.addEventListener(name, fn, options);
    cleanups.push(() => target.removeEventListener(name, fn, options));
  };
  const held = { hasSpace: false, isTabFree: false };
  let root = el, stroke = null, hover = null, pending = {}, pinch = null;

  const flush = () => { const all = Object.values(pending); pending = {}; for (const m of all) model.send(m); };
  const later = (msg, merge) => { // coalesce: at most one message of a kind per screen frame
    if (!Object.keys(pending).length) requestAnimationFrame(flush);
    pending[msg.kind] = pending[msg.kind] && merge ? merge(pending[msg.kind], msg) : msg;
  };
  const now = (msg) => { flush(); model.send(msg); };
  const view = (uv, factor, du = 0, dv = 0) => later({ kind: "view", uv, factor, du, dv },
    (a, b) => ({ ...b, factor: a.factor * b.factor, du: a.du + b.du, dv: a.dv + b.dv }));
  const at = (e) => {
    const r = el.getBoundingClientRect();
    return [(e.clientX - r.left) / r.width, (e.clientY - r.top) / r.height];
  };
  const mods = (e) => ({ shift: e.shiftKey, ctrl: e.ctrlKey || e.metaKey, alt: e.altKey });
  const isBrush = () => get("tool") === "brush" || get("tool") === "eraser";

  function draw() {
    const w = el.clientWidth, h = el.clientHeight, s = window.devicePixelRatio || 1;
    if (ink.width !== Math.round(w * s) || ink.height !== Math.round(h * s)) {
      ink.width = Math.round(w * s); ink.height = Math.round(h * s);
    }
    pen.setTransform(s, 0, 0, s, 0, 0);
    pen.clearRect(0, 0, w, h);
    const radius = get("radius") * w, px = ([u, v]) => [u * w, v * h];
    if (stroke && !stroke.isPan) {
      const [a, b] = [px(stroke.uv[0]), px(stroke.uv[stroke.uv.length - 1])];
      if (isBrush()) {
        pen.globalAlpha = 0.55; pen.lineWidth = 2 * radius; pen.lineCap = pen.lineJoin = "round";
        pen.strokeStyle = stroke.isErase ? "#ffffff" : get("colour");
        pen.beginPath(); pen.moveTo(...a);
        for (const p of stroke.uv) pen.lineTo(...px(p));
        pen.stroke(); pen.globalAlpha = 1;
      } else if (stroke.isFar) {
        for (const [style, dash] of [["#000", []], ["#fff", [6, 4]]]) {
          pen.strokeStyle = style; pen.lineWidth = 1.5; pen.setLineDash(dash);
          pen.strokeRect(a[0], a[1], b[0] - a[0], b[1] - a[1]);
        }
        pen.setLineDash([]);
      } else if (get("tool") === "click") {
        pen.fillStyle = (stroke.button === 2) !== get("is_negative") ? "#d32f2f" : "#2e7d32";
        pen.strokeStyle = "#fff"; pen.lineWidth = 2;
        pen.beginPath(); pen.arc(...a, 6, 0, 7); pen.fill(); pen.stroke();
      }
    }
    if (hover && isBrush()) for (const [style, r] of [["#000", radius + 1], ["#fff", radius]]) {
      pen.strokeStyle = style; pen.lineWidth = 1;
      pen.beginPath(); pen.arc(...px(hover), Math.max(r, 1), 0, 7); pen.stroke();
    }
  }

  on(el, "pointerdown", (e) => {
    e.preventDefault(); el.focus({ preventScroll: true }); held.isTabFree = false;
    el.setPointerCapture(e.pointerId); pointers.set(e.pointerId, at(e));
    if (pointers.size === 2) { stroke = null; pinch = null; return; }
    stroke = { uv: [at(e)], from: [e.clientX, e.clientY], button: e.button, isFar: false,
      isPan: !get("is_live") && (e.button === 1 || held.hasSpace || e.shiftKey),
      isErase: get("tool") === "eraser" || e.button === 2 || (e.buttons & 32) > 0 };
    if (get("is_live")) later({ kind: "drag", uv: at(e) });
    draw();
  });
  on(el, "pointermove", (e) => {
    hover = at(e);
    if (pointers.has(e.pointerId)) pointers.set(e.pointerId, hover);
    if (pointers.size === 2) { // two fingers: pan and pinch
      const [[a, b], [c, d]] = [...pointers.values()], mid = [(a + c) / 2, (b + d) / 2];
      const gap = Math.hypot(a - c, b - d);
      if (pinch) view(mid, gap / pinch.gap, mid[0] - pinch.mid[0], mid[1] - pinch.mid[1]);
      pinch = { mid, gap };
    } else if (stroke && stroke.isPan) {
      const last = stroke.uv[stroke.uv.length - 1];
      stroke.uv.push(hover); view(hover, 1, hover[0] - last[0], hover[1] - last[1]);
    } else if (stroke && get("is_live")) later({ kind: "drag", uv: hover });
    else if (stroke) for (const c of e.getCoalescedEvents?.() ?? [e]) stroke.uv.push(at(c));
    if (stroke && Math.hypot(e.clientX - stroke.from[0], e.clientY - stroke.from[1]) > CLICK_PX) stroke.isFar = true;
    draw();
  });
  const release = (e, isCancelled) => {
    pointers.delete(e.pointerId); pinch = null;
    if (!stroke) return;
    const { uv, button, isPan, isFar, isErase } = stroke;
    if (!isCancelled && !get("is_live") && !(isPan && (isFar || button === 1))) // echo stays until Python has drawn
      now({ kind: "stroke", uv: isFar ? uv : [uv[0]], is_click: !isFar, button, is_erase: isErase, ...mods(e) });
    else if (get("is_live")) now({ kind: "drop", uv: at(e), is_click: !isFar });
    const mine = stroke;
    if (isCancelled || isPan) stroke = null;
    else setTimeout(() => { if (stroke === mine) { stroke = null; draw(); } }, 1500);
    draw();
  };
  on(el, "pointerup", (e) => release(e, false));
  on(el, "pointercancel", (e) => release(e, true));
  on(el, "pointerleave", () => { hover = null; draw(); });
  on(el, "contextmenu", (e) => e.preventDefault());
  on(el, "wheel", (e) => { // an unfocused picture lets the page scroll
    if (get("is_live") || (!e.ctrlKey && !root.contains(document.activeElement))) return;
    e.preventDefault();
    view(at(e), Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0015) * (e.ctrlKey ? 4 : 1)));
  }, { passive: false });

  let isAttached = false;
  const me = Math.random().toString(36).slice(2);
  const measure = () => {
    if (!el.isConnected || !el.clientWidth) return;
    if (!isAttached) { // only now is the studio around us in the page
      isAttached = true;
      root = el.closest("." + get("root_class")) || el;
      if (get("has_keys")) guardKeys(root, el, held, { on, get, now, later, isPanning: () => stroke?.isPan });
    }
    draw();
    const [r, g, b] = getComputedStyle(el).color.match(/[\d.]+/g).map(Number); // light text: dark theme
    later({ kind: "size", width: el.clientWidth, ratio: window.devicePixelRatio || 1, is_dark: r + g + b > 382,
      room: window.innerHeight, view: me });
    if (get("greeted") !== me && el.isConnected) setTimeout(() => get("greeted") !== me && measure(), 700); // lost while the page loaded
  };
  const observer = new ResizeObserver(measure), themes = new MutationObserver(() => setTimeout(measure, 300));
  observer.observe(el);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  const onTick = () => { if (!pointers.size) stroke = null; draw(); requestAnimationFrame(() => model.send({ kind: "ack", tick: get("tick") })); };
  const onTool = () => { el.dataset.tool = get("tool"); el.toggleAttribute("data-busy", get("is_busy")); draw(); };
  model.on("change:tick", onTick);
  model.on("change:tool change:radius change:colour change:is_negative change:is_busy", onTool);
  onTool();
  return () => {
    observer.disconnect(); themes.disconnect();
    model.off("change:tick", onTick); model.off(null, onTool);
    for (const fn of cleanups) fn();
  };
}
export default { render };
