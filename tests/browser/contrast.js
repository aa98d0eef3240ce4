// Texts whose contrast with what is behind them is below WCAG 2's 4.5 to 1.
const seen = [];
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const paint = (colours) => {
  canvas.clearRect(0, 0, 1, 1);
  for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => { const s = c / 255; return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4; });
};
const light = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
for (const node of document.querySelectorAll('body *')) {
  const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
  if (!own || !node.offsetParent || node.closest('.vh, .skip, svg, noscript')) continue;
  const behind = [];
  for (let up = node; up; up = up.parentElement) behind.unshift(getComputedStyle(up).backgroundColor);
  const ground = paint(['white', ...behind]);
  const ink = paint(['white', ...behind, getComputedStyle(node).color]);
  const [a, b] = [light(ground), light(ink)].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) seen.push(`${node.tagName} ${node.className} ${node.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
}
return [...new Set(seen)].slice(0, 20);
