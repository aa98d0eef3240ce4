'use strict';
/* The chart, drawn by hand. All text goes in as text. */
const SVG = 'http://www.w3.org/2000/svg';
const STACK = ['serving', 'starting', 'creating', 'checking', 'finishing', 'finished', 'leaving', 'held', 'unknown', 'unreachable', 'failed'];

function svg(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/* Steps of 1, 2 or 5, so that about `count` of them reach `top`. */
function niceStep(top, count) {
  const raw = Math.max(top / count, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((n) => n * power >= raw);
  return Math.max(1, step * power);
}

/* At most `most` samples; of each group the one with the least ready above its floor. */
function thin(samples, most) {
  const size = Math.ceil(samples.length / most);
  if (size < 2) return samples;
  const out = [];
  for (let i = 0; i < samples.length; i += size) {
    out.push(samples.slice(i, i + size).reduce((a, b) => (b.ready - b.floor <= a.ready - a.floor ? b : a)));
  }
  return out;
}

/* Runs without a gap: where nothing was sampled, nothing is drawn. */
function runs(samples, gap) {
  const out = [];
  for (const sample of samples) {
    const run = out[out.length - 1];
    if (run && sample.t - run[run.length - 1].t <= gap) run.push(sample);
    else out.push([sample]);
  }
  return out;
}

class Chart {
  constructor(box, plot, tip) {
    Object.assign(this, { box, plot, tip, samples: [], range: 21600, picked: null, now: 0 });
    new ResizeObserver(() => this.draw()).observe(box);
    box.addEventListener('pointermove', (event) => this.pick(this.nearest(event.clientX - box.getBoundingClientRect().left)));
    box.addEventListener('pointerleave', () => this.pick(null));
    box.addEventListener('blur', () => this.pick(null));
    box.addEventListener('keydown', (event) => this.key(event));
  }

  show(samples, now, range) {
    Object.assign(this, { samples, now, range });
    this.draw();
  }

  x(t) { return this.left + (1 - (this.now - t) / this.span) * this.width; }

  draw() {
    const whole = this.box.clientWidth;
    if (!whole) return;
    const oldest = this.samples.length ? this.samples[0].t : this.now;
    // A young daemon's few minutes fill the width, too.
    this.span = Math.min(this.range, Math.max(this.now - oldest, 300));
    this.left = 34;
    this.width = whole - this.left - 12;
    const inside = this.samples.filter((s) => this.now - s.t <= this.span);
    this.seen = thin(inside, Math.max(60, Math.floor(this.width / 2)));
    // Samples that were fetched anew are other objects: the picked moment stays.
    if (this.picked) this.picked = this.nearest(this.x(this.picked.t));
    const root = svg('svg', { viewBox: `0 0 ${whole} 330`, height: 330, 'aria-hidden': 'true' });
    if (!this.seen.length) {
      root.append(svg('text', { x: whole / 2, y: 150, class: 'none' }, 'Nothing is known yet'));
    } else {
      const gap = Math.max(150, (this.span / this.seen.length) * 4);
      this.parts = runs(this.seen, gap);
      this.upper(root, 22, 150);
      this.lower(root, 208, 92);
      this.times(root, 318);
    }
    this.cross = svg('line', { class: 'cross', y1: 22, y2: 300, visibility: 'hidden' });
    root.append(this.cross);
    this.plot.replaceChildren(root);
    this.mark();
  }

  axis(root, title, y, height, top, value) {
    root.append(svg('text', { x: 0, y: y - 9, class: 'title' }, title));
    const step = niceStep(top, height > 120 ? 4 : 2);
    for (let n = 0; n <= top; n += step) {
      root.append(svg('line', { class: 'grid', x1: this.left, x2: this.left + this.width, y1: value(n), y2: value(n) }));
      root.append(svg('text', { x: this.left - 7, y: value(n) + 4, 'text-anchor': 'end' }, n));
    }
  }

  upper(root, y, height) {
    const top = Math.max(1, ...this.seen.map((s) => Math.max(s.available, s.ready, s.floor))) * 1.08;
    const value = (n) => y + height - (n / top) * height;
    this.axis(root, 'Ready resources, and with those on the way', y, height, top, value);
    // Nothing is red before the first verdicts.
    const begun = (this.seen.find((s) => s.watched) || { t: Infinity }).t;
    for (const run of this.parts) {
      const base = value(0);
      const line = this.steps(run, (s) => value(s.ready));
      const last = this.x(run[run.length - 1].t).toFixed(1);
      const first = this.x(run[0].t).toFixed(1);
      const coming = this.steps(run, (s) => value(Math.max(s.available, s.ready)));
      const back = this.steps([...run].reverse(), (s) => value(s.ready), true);
      root.append(svg('path', { class: 'coming', d: `${coming}${back.replace('M', 'L')}Z` }));
      root.append(svg('path', { class: 'area', d: `${line}V${base}H${first}Z` }));
      const low = this.steps(run, (s) => value(s.t < begun ? s.floor : Math.min(s.ready, s.floor)));
      const floor = this.steps([...run].reverse(), (s) => value(s.floor), true);
      root.append(svg('path', { class: 'under', d: `${low}${floor.replace('M', 'L')}Z` }));
      root.append(svg('path', { class: 'floor', d: this.steps(run, (s) => value(s.floor)) }));
      root.append(svg('path', { class: 'line', d: `${line}H${last}` }));
    }
    const floor = this.seen[this.seen.length - 1].floor;
    root.append(svg('text', { class: 'floor-label', x: this.left + 5, y: value(floor) - 5 }, `floor ${floor}`));
  }

  lower(root, y, height) {
    const total = (s) => s.counts.reduce((a, b) => a + b, 0);
    const top = Math.max(1, ...this.seen.map(total)) * 1.05;
    const value = (n) => y + height - (n / top) * height;
    this.axis(root, 'Replicas by state', y, height, top, value);
    for (const run of this.parts) {
      const below = run.map(() => 0);
      for (const state of STACK) {
        const index = STATES.indexOf(state);
        const from = below.slice();
        run.forEach((s, i) => { below[i] += s.counts[index] || 0; });
        if (run.every((s) => !s.counts[index])) continue;
        const at = new Map(run.map((s, i) => [s, i]));
        const upper = this.steps(run, (s) => value(below[at.get(s)]));
        const lower = this.steps([...run].reverse(), (s) => value(from[at.get(s)]), true);
        root.append(svg('path', { class: `s-${state}`, d: `${upper}${lower.replace('M', 'L')}Z` }));
      }
    }
  }

  /* A value holds until the next sample. */
  steps(run, y, backwards) {
    let path = '';
    run.forEach((s, i) => {
      const x = this.x(s.t).toFixed(1);
      const h = y(s).toFixed(1);
      if (i === 0) path = `M${x} ${h}`;
      else path += backwards ? `V${h}H${x}` : `H${x}V${h}`;
    });
    return path;
  }

  times(root, y) {
    const steps = [60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600];
    const most = Math.max(2, Math.floor(this.width / 75));
    const step = steps.find((s) => this.span / s <= most) || 21600;
    for (let t = Math.ceil((this.now - this.span) / step) * step; t <= this.now; t += step) {
      const x = this.x(t);
      if (x < this.left + 14 || x > this.left + this.width - 8) continue;
      root.append(svg('line', { class: 'grid', x1: x, x2: x, y1: 300, y2: 305 }));
      root.append(svg('text', { x, y, 'text-anchor': 'middle' }, clock(t).slice(0, 5)));
    }
  }

  nearest(x) {
    if (!this.seen || !this.seen.length) return null;
    return this.seen.reduce((a, b) => (Math.abs(this.x(b.t) - x) < Math.abs(this.x(a.t) - x) ? b : a));
  }

  key(event) {
    const list = this.seen || [];
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 }[event.key];
    if (!list.length || !move) return;
    event.preventDefault();
    const from = this.picked ? list.indexOf(this.nearest(this.x(this.picked.t))) : list.length - 1;
    this.pick(list[Math.min(list.length - 1, Math.max(0, from + move))]);
  }

  pick(sample) {
    this.picked = sample;
    this.mark();
  }

  mark() {
    const sample = this.picked;
    this.tip.hidden = !sample;
    if (!this.cross) return;
    this.cross.setAttribute('visibility', sample ? 'visible' : 'hidden');
    if (!sample) return;
    const x = this.x(sample.t);
    this.cross.setAttribute('x1', x);
    this.cross.setAttribute('x2', x);
    const parts = STACK.map((state) => [state, sample.counts[STATES.indexOf(state)]]).filter(([, n]) => n);
    const row = (mark, name, value) => el('p', {}, mark ? el('span', { class: `swatch s-${mark}` }) : '', name, el('b', {}, value));
    this.tip.replaceChildren(el('p', { class: 'when' }, `${clock(sample.t)} UTC`), row('', 'ready', sample.ready), row('', 'with those on the way', sample.available), row('', 'floor', sample.floor),
      ...parts.map(([state, n]) => row(state, state, n)));
    const width = this.tip.offsetWidth;
    const left = x + 14 + width > this.box.clientWidth ? x - 14 - width : x + 14;
    this.tip.style.transform = `translate(${Math.max(0, left)}px, 20px)`;
    const index = this.seen.indexOf(sample);
    this.box.setAttribute('aria-valuenow', Math.round((100 * Math.max(0, index)) / Math.max(1, this.seen.length - 1)));
    this.box.setAttribute('aria-valuetext', `${clock(sample.t)} UTC: ${sample.ready} ready, ${sample.available} with those on the way, floor ${sample.floor}; ${parts.map(([s, n]) => `${n} ${s}`).join(', ')}`);
  }
}
