"""Contrast of every text on show, measured in the page as WCAG 2.1 defines it."""

FAINT_TEXTS = """(least) => {
    const parse = (css) => {
        const [r, g, b, a = 1] = css.match(/[\\d.]+/g).map(Number);
        return [r, g, b, a];
    };
    const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
    const luminance = (rgb) => {
        const [r, g, b] = rgb.map((v) => v / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (el) => { // what lies behind, down to the first opaque colour
        const layers = [];
        for (let at = el; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            layers.push(colour);
            if (colour[3] === 1) break;
        }
        return layers.reduceRight((below, top) => over(top, below), [255, 255, 255]);
    };
    const studio = document.querySelector('.samnb-studio'), found = [];
    for (const el of studio.querySelectorAll('*')) {
        const own = [...el.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if ((!own && !el.value) || !el.getClientRects().length) continue;
        if (!own && !/^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName)) continue;
        if (el.type === 'checkbox' || el.closest('option')) continue;
        const behind = ground(el), ink = over(parse(getComputedStyle(el).color), behind);
        const [hi, lo] = [luminance(ink), luminance(behind)].sort((a, b) => b - a);
        const ratio = (hi + 0.05) / (lo + 0.05);
        const text = (el.value || el.textContent).trim();
        if (ratio < least) found.push(`${text}: ${ratio.toFixed(2)}`);
    }
    return found;
}"""
"""Takes the least ratio; returns the texts of the studio that have less."""
