/* The page: asks /status over and over and shows what it says. Foreign text only ever becomes text. */
const STATES = ['creating', 'starting', 'checking', 'serving', 'finishing', 'finished', 'unreachable', 'failed', 'held', 'unknown', 'leaving'];
const MEANING = {
  creating: 'the cloud is building it', starting: 'it runs, its service may still be starting', checking: 'too few probes to tell', serving: 'it answers',
  finishing: 'it reported termination=true, and has to report it again', finished: 'it reported termination=true', unreachable: 'it runs and does not answer', failed: 'the cloud shows an error, or it is off',
  held: 'somebody paused, rescued, … it', unknown: 'the cloud cannot say', leaving: 'it is being deleted',
};
const KEPT = {
  locked: 'locked in Nova', 'still-starting': 'it may still be starting', 'may-have-run': 'it may have held sessions before',
  'still-answers': 'it still answers', 'mass-termination': 'one of many that have reported termination=true within seconds',
  'address-not-shown': 'the cloud does not show its address', 'nobody-answers': 'no replica answers at all', 'shrunken-list': 'the list lacks too much to be believed',
};
/* What needs a look comes first. */
const SEVERITY = ['failed', 'unreachable', 'unknown', 'finished', 'held', 'finishing', 'creating', 'starting', 'checking', 'serving', 'leaving'];
const ROWS = 100;
const NEW_ERROR_SECONDS = 600;
/* As many as /events has at most. */
const KEPT_EVENTS = 2000;
const $ = (id) => document.getElementById(id);

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) if (value !== null && value !== undefined) node.setAttribute(name, value);
  for (const child of children) if (child !== null && child !== undefined && child !== '') node.append(child);
  return node;
}

/* Names and answers come from outside: nothing in them may turn the line around or hide. */
const clean = (text) => String(text ?? '').replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, '\ufffd');

/* A setting's name breaks after a `_`. */
const broken = (name) => name.split(/(?<=_)/).flatMap((part) => [part, el('wbr')]);

/* Only what differs is written, so that a thousand rows cost next to nothing. */
function put(node, text) {
  const wanted = clean(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

function attribute(node, name, value) {
  if (value === null || value === undefined || value === '') node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

const shown = new WeakMap();
function listed(node, items, make) {
  const key = JSON.stringify(items);
  if (shown.get(node) === key) return;
  shown.set(node, key);
  node.replaceChildren(...items.map(make));
}

function span(seconds) {
  if (seconds === null || seconds === undefined) return '';
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return s % 60 && m < 10 ? `${m} min ${s % 60} s` : `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 48) return m % 60 ? `${h} h ${m % 60} min` : `${h} h`;
  return `${Math.floor(h / 24)} d ${h % 24} h`;
}

/* A time that has passed: tenths of a second count where it is short. */
const spent = (seconds) => (seconds < 9.95 ? `${Number(seconds.toFixed(1))} s` : span(seconds));
const clock = (t) => new Date(t * 1000).toISOString().slice(11, 19);
/* What the daemon does not know yet is null, and no zero. */
const figure = (n) => n ?? '–';
const counted = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const sum = (list, of) => list.reduce((total, item) => total + of(item), 0);

/* ---- asking ---- */
const ask = { failures: 0, answered: 0, timer: 0, tried: 0, next: 0, busy: false };
let status = null;
let now = Date.now() / 1000;

async function fetched(path) {
  const answer = await fetch(path, { headers: { Accept: 'application/json' }, cache: 'no-store', signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function poll() {
  clearTimeout(ask.timer);
  if (document.hidden || ask.busy) return;
  ask.busy = true;
  try {
    const fresh = await fetched('status');
    // A daemon that was started anew counts its events anew.
    if (status && isAnother(fresh)) events.all = null;
    ask.failures = 0;
    ask.answered = Date.now();
    status = fresh;
    now = (Date.parse(fresh.cloud_time || '') || Date.now()) / 1000;
    const whole = join();
    show();
    if (!whole) older(0);
    if (Date.now() - historyAt > 20000) remember();
  } catch (problem) {
    ask.failures += 1;
    console.debug(problem.message);
  }
  ask.busy = false;
  const calm = status && status.summary.replicas > 300 ? 5000 : 2000;
  const wait = ask.failures ? Math.min(30000, 1000 * 2 ** ask.failures) : calm;
  ask.next = Date.now() + wait;
  ask.timer = setTimeout(poll, wait);
  live();
}

/* Whether it has lived for less than the time since the last answer, give or take a minute: the page may have been hidden for long. */
function isAnother(fresh) {
  const lived = fresh.uptime_seconds - status.uptime_seconds;
  return lived < 0 || lived + 60 < (Date.now() - ask.answered) / 1000;
}

let historyAt = 0;
let samples = [];
async function remember() {
  historyAt = Date.now();
  try {
    const seen = await fetched('history');
    const at = (Date.parse(seen.cloud_time || '') || Date.now()) / 1000;
    const places = STATES.map((state) => seen.states.indexOf(state));
    samples = seen.samples.map(([ago, available, floor, counts, ready, watched, below, none]) => (
      { t: at - ago, available, floor, counts: places.map((place) => counts[place] || 0), ready, watched, below, none }));
    draw();
  } catch (problem) {
    console.debug(problem.message);
  }
}

function live() {
  const box = $('live');
  const ago = Math.round((Date.now() - ask.answered) / 1000);
  const lost = ask.failures > 0 && (!ask.answered || ago > 6 || ask.failures > 1);
  attribute(box, 'data-state', lost ? 'off' : ask.answered ? 'on' : 'wait');
  document.body.classList.toggle('stale', lost && Boolean(ask.answered));
  const again = Math.max(0, Math.ceil((ask.next - Date.now()) / 1000));
  if (lost) {
    const since = ask.answered ? ` for ${span(ago)}` : '';
    put($('live-text'), `No answer${since}; next try ${again ? `in ${again} s` : 'now'}`);
    verdict('bad', 'The daemon does not answer', ask.answered
      ? `What is shown here is as of ${clock(ask.answered / 1000)} by this browser’s clock. Is the daemon running, and this machine still connected to it?`
      : 'Nothing is known of the pool. Is the daemon running?');
  } else if (ask.answered) put($('live-text'), ago < 4 ? 'Live' : `Updated ${span(ago)} ago`);
}

/* ---- health in words ---- */
/* A screen reader speaks what changes here: no duration that runs on. */
function verdict(level, title, more) {
  attribute($('health'), 'data-level', level);
  put($('verdict'), title);
  put($('verdict-more'), more);
  const sign = { ok: '✓', warn: '!', bad: '✕', wait: '…' }[level];
  const pool = status ? `${figure(status.summary.ready)}/${status.summary.floor} ${clean(status.pool)}` : '';
  document.title = `${sign} ${pool} · SimpleScaleVM`;
}

/* What the daemon judges is shown, and nothing is judged here. Where all that is known is that it has just begun, the sign is a clock. */
const BEGINNING = ['no-list-yet', 'first-look'];
function judge() {
  const { summary, severity, severity_reasons: reasons } = status;
  const coming = Math.max(0, summary.available - summary.ready);
  const figures = `${counted(summary.ready, 'resource')} can be taken now${coming ? `, ${coming} more ${coming === 1 ? 'is' : 'are'} on the way` : ''}; the floor is ${summary.floor}.`;
  if (!reasons.length) return ['ok', 'All is well', figures];
  const begins = reasons.every((r) => BEGINNING.includes(r.reason) && r.severity === 'warning');
  const level = begins ? 'wait' : severity === 'critical' ? 'bad' : 'warn';
  return [level, clean(reasons[0].text), status.last_list_seconds_ago === null ? clean(reasons[0].advice) : `${figures} ${clean(reasons[0].advice)}`];
}

function showHealth() {
  const { summary, plan } = status;
  verdict(...judge());
  const coming = Math.max(0, summary.available - summary.ready);
  const short = summary.ready === null ? 0 : Math.max(0, summary.floor - summary.ready);
  put($('f-ready'), figure(summary.ready));
  $('f-ready').classList.toggle('low', short > 0);
  put($('f-coming'), coming ? `+ ${coming} on the way` : summary.ready === 1 ? 'resource' : 'resources');
  put($('f-floor'), summary.floor);
  put($('f-missing'), summary.missing ? `${counted(summary.missing, 'replica')} missing` : short ? `${short} short` : summary.ready === null ? '' : 'kept');
  put($('f-replicas'), figure(summary.replicas));
  put($('f-max'), summary.max_replicas ? `of at most ${summary.max_replicas}` : 'no limit');
  put($('f-list'), status.last_list_seconds_ago === null ? 'never' : `${span(status.last_list_seconds_ago)}`);
  put($('f-cycles'), status.last_list_seconds_ago === null ? '' : 'ago');
  const reasons = status.severity_reasons.map((r) => [r.text, r.severity, r.seconds === null ? '' : `for ${span(r.seconds)}`]);
  // The first one is the headline, unless it stands alone and has lasted.
  $('reasons').hidden = !reasons.length || (reasons.length === 1 && !reasons[0][2]);
  listed($('reasons-list'), reasons, ([text, severity, since]) => el('li', { class: severity }, clean(text), ' ', el('small', {}, since)));
  const urgent = [...plan.blocked].sort((a, b) => (b.what === 'create') - (a.what === 'create'));
  const [waits, doing] = [urgent, plan.actions].map((entries) => entries.map((entry) => clean(entry.text)));
  const some = (id, texts) => {
    $(id).hidden = !texts.length;
    const most = texts.length > 6 ? 5 : 6;
    const first = texts.slice(0, most);
    if (texts.length > most) first.push(`… and ${texts.length - most} more`);
    listed($(`${id}-list`), first, (text) => el('li', {}, capital(text)));
  };
  some('waits', waits);
  const blind = status.severity_reasons.some((r) => ['cannot-list', 'list-too-old', 'no-list-yet', 'loop-stopped'].includes(r.reason));
  put($('doing-title'), blind ? 'What it would do with a current list' : 'What it does next');
  some('doing', doing);
  $('surplus').hidden = !status.surplus.text;
  put($('surplus'), status.surplus.text || '');
  const errors = status.incidents.filter((i) => i.seconds_ago < NEW_ERROR_SECONDS).slice(0, 3);
  $('errors').hidden = !errors.length;
  listed($('errors-list'), errors.map((i) => [capital(`${clean(i.doing)}: ${clean(i.error)}`), `${i.times > 1 ? `${i.times} times, ` : ''}last at ${(i.at || '').slice(11, 19) || clock(now - i.seconds_ago)}`]),
    ([text, when]) => el('li', {}, text, ' ', el('small', {}, when)));
}

/* ---- chart ---- */
let chart = null;
function draw() {
  const range = Number(document.querySelector('input[name=range]:checked').value);
  chart.show(samples, now, range);
  const seen = samples.filter((s) => now - s.t <= range);
  if (!seen.length) return put($('chart-summary'), 'The chart fills while the daemon runs.');
  const ready = seen.map((s) => s.ready);
  const [least, most] = [Math.min(...ready), Math.max(...ready)];
  // Seconds as the daemon counted them, not steps of the chart.
  const [watched, low, none] = ['watched', 'below', 'none'].map((key) => sum(seen, (s) => s[key]));
  const below = low ? `below the floor for ${spent(low)}${none ? `, ${none >= low ? 'all of it' : `${spent(none)} of it`} with nothing ready` : ''}.` : 'never below the floor.';
  put($('chart-summary'), `In the last ${span(now - seen[0].t)}, ${least === most ? `${least}` : `between ${least} and ${most}`} ready; ${watched ? below : ''}`);
  const used = STACK.filter((state) => seen.some((s) => s.counts[STATES.indexOf(state)]));
  const lines = [['ready', 'ready', 'can be taken now'], ['coming', 'on the way', 'is being created or is starting']];
  listed($('legend'), [...lines, ...used.map((state) => [state, state, MEANING[state]])], ([mark, name, title]) => el('li', { title }, el('span', { class: `swatch s-${mark}` }), name));
}

/* ---- replicas ---- */
const COLUMNS = [
  ['name', 'Name', (r) => r.name.toLowerCase()],
  ['state', 'State', (r) => SEVERITY.indexOf(r.state)],
  ['age', 'Age', (r) => r.age_seconds],
  ['free', 'Free', (r) => r.counts],
  ['address', 'Address', (r) => byNumber(r.address)],
  ['external', 'External', (r) => byNumber(r.external_addresses[0])],
  ['answer', 'Last answer', (r) => (r.last_probe_seconds_ago === null ? 1e9 : r.failures * 1e6 + r.last_probe_seconds_ago)],
  ['why', 'Why it goes', (r) => (r.reason ? `0${r.reason}` : '1')],
];
const view = { sort: 'state', down: false, text: '', states: new Set(), limit: ROWS };
const rows = new Map();

const byNumber = (address) => (address ? address.replace(/\d+/g, (digits) => digits.padStart(5, '0')) : '~');
const haystack = (r) => [r.name, r.id, r.address, r.state, ...r.external_addresses, r.reason, r.reason_text, r.fault, r.last_failure].filter(Boolean).join(' ').toLowerCase();

function why(r) {
  const until = r.blocked && r.blocked.until ? ` until ${r.blocked.until.slice(11, 19)}` : '';
  if (r.blocked) return [capital(r.reason_text), `Stays${until}: ${KEPT[r.blocked.why] || r.blocked.text}`];
  if (r.reason) return [capital(r.reason_text), r.fault];
  if (r.fault) return ['', r.fault];
  if (r.outdated) return ['', 'Outdated image; it is not replaced'];
  return [r.locked ? 'Locked: it stays' : '', ''];
}

function answer(r) {
  if (r.last_probe_seconds_ago === null) return ['', ''];
  const ago = `${span(r.last_probe_seconds_ago)} ago`;
  if (r.last_failure) return [capital(r.last_failure), `${counted(r.failures, 'failure')} in a row, ${ago}`];
  return [ago, `${r.latency_ms} ms`];
}

function makeRow() {
  const cell = (name, ...children) => el('td', { class: `c-${name}`, role: 'cell', 'data-label': COLUMNS.find((c) => c[0] === name)[1] }, ...children);
  const two = (name) => cell(name, el('bdi', { class: 'main' }), el('bdi', { class: 'sub' }));
  const row = { tr: el('tr', { role: 'row' }), name: two('name'), state: cell('state', el('span', { class: 'state' }, el('span', { class: 'swatch' }), el('span', {})), el('span', { class: 'sub' })),
    age: cell('age'), free: cell('free', el('span', {}), el('span', { class: 'meter', 'aria-hidden': 'true' }, el('i'))), address: cell('address'), external: cell('external'), answer: two('answer'), why: two('why') };
  row.answer.classList.add('wraps');
  row.why.classList.add('wraps');
  row.tr.append(...COLUMNS.map(([name]) => row[name]));
  return row;
}

// What is said below the state.
function detail(r) {
  if (r.state === 'held' || r.state === 'failed' || r.state === 'creating') return r.detail;
  if (r.unreachable_seconds) return `for ${span(r.unreachable_seconds)}`;
  return r.state === 'serving' && r.full_seconds ? `full for ${span(r.full_seconds)}` : '';
}

function fill(row, r) {
  const pair = (cell, [main, sub]) => {
    put(cell.firstChild, main);
    put(cell.lastChild, sub);
    cell.classList.toggle('none', !main && !sub);
  };
  pair(row.name, [r.name || '(no name)', r.id]);
  attribute(row.name, 'title', `${clean(r.name)}\n${clean(r.id)}`);
  const state = row.state.firstChild;
  attribute(state.firstChild, 'class', `swatch s-${STATES.includes(r.state) ? r.state : 'unknown'}`);
  put(state.lastChild, r.state);
  put(row.state.lastChild, detail(r));
  attribute(row.state, 'title', MEANING[r.state]);
  put(row.age, span(r.age_seconds));
  const capacity = status.summary.capacity || 1;
  const serving = r.state === 'serving';
  put(row.free.firstChild, serving ? `${r.counts} of ${Math.max(capacity, r.counts)}` : r.counts ? `${r.counts} to come` : '–');
  row.free.lastChild.hidden = !serving || capacity < 2;
  if (serving && capacity > 1) row.free.lastChild.firstChild.style.setProperty('--used', `${Math.round(100 * (1 - Math.min(1, r.counts / capacity)))}%`);
  put(row.address, r.address || '');
  put(row.external, r.external_addresses.join(', '));
  pair(row.answer, answer(r));
  row.answer.firstChild.classList.toggle('alert', Boolean(r.last_failure));
  pair(row.why, why(r));
}

function wanted() {
  const text = view.text.toLowerCase();
  const key = COLUMNS.find(([name]) => name === view.sort)[2];
  const found = status.replicas.filter((r) => (!view.states.size || view.states.has(r.state)) && (!text || haystack(r).includes(text)));
  const keyed = found.map((r) => [key(r), r]);
  const sign = view.down ? -1 : 1;
  keyed.sort(([a, x], [b, y]) => (a < b ? -sign : a > b ? sign : x.name.localeCompare(y.name, 'en', { numeric: true }) || (x.id < y.id ? -1 : 1)));
  return keyed.map(([, r]) => r);
}

function showReplicas() {
  const found = wanted();
  const visible = found.slice(0, view.limit);
  const body = $('rows');
  const keep = new Set(visible.map((r) => r.id));
  for (const [id, row] of rows) {
    if (!keep.has(id)) {
      row.tr.remove();
      rows.delete(id);
    }
  }
  let place = body.firstChild;
  for (const r of visible) {
    let row = rows.get(r.id);
    if (!row) {
      row = makeRow();
      rows.set(r.id, row);
    }
    fill(row, r);
    if (row.tr === place) place = place.nextSibling;
    else body.insertBefore(row.tr, place);
  }
  attribute($('table'), 'aria-rowcount', found.length + 1);
  const all = status.replicas.length;
  put($('shown'), found.length === all ? '' : `${found.length} of ${all}`);
  $('no-rows').hidden = found.length > 0;
  put($('no-rows'), all ? 'No replica matches.' : status.summary.replicas === null ? 'Nothing is known yet.' : 'There are no replicas.');
  const rest = found.length - visible.length;
  $('more').hidden = rest <= 0;
  put($('more-some'), `Show ${Math.min(ROWS, rest)} more`);
  put($('more-all'), `Show all ${found.length}`);
  $('more-all').hidden = rest <= ROWS;
  showChips();
}

/* A chip that stays is the same element in the same place, and so keeps the focus. */
const chips = new Map(STATES.map((state) => [state, chip(state)]));
function showChips() {
  let place = $('states').firstChild;
  for (const [state, button] of chips) {
    const count = status.summary.by_state[state] || 0;
    if (count || view.states.has(state) || button === document.activeElement) {
      put(button.lastChild, figure(status.summary.by_state[state]));
      attribute(button, 'aria-pressed', view.states.has(state));
      if (button === place) place = place.nextSibling;
      else $('states').insertBefore(button, place);
    } else if (button === place) {
      place = place.nextSibling;
      button.remove();
    }
  }
}

function chip(state) {
  const button = el('button', { type: 'button', 'data-state': state, title: MEANING[state] }, el('span', { class: `swatch s-${state}` }), state, ' ', el('b', {}));
  button.addEventListener('click', () => {
    if (!view.states.delete(state)) view.states.add(state);
    view.limit = ROWS;
    showReplicas();
  });
  return button;
}

function sortBy(name) {
  view.down = view.sort === name ? !view.down : false;
  view.sort = name;
  heads();
  if (status) showReplicas();
}

function heads() {
  for (const th of $('columns').children) attribute(th, 'aria-sort', th.dataset.name === view.sort ? (view.down ? 'descending' : 'ascending') : null);
  $('sort').value = view.sort;
}

/* ---- external addresses, events, settings ---- */
function showAddresses() {
  const addresses = status.external_addresses;
  $('addresses-card').hidden = !addresses.length;
  const held = addresses.filter((a) => a.state === 'held').length;
  put($('addresses-count'), `${held} of ${addresses.length} on a replica`);
  const silent = new Set(status.replicas.filter((r) => r.state === 'unreachable').map((r) => r.id));
  const item = (a) => [a.address, a.state, a.state === 'held' ? `on ${clean(a.holder)}${silent.has(a.holder_id) ? ', which does not answer' : ''}` : a.state === 'free' ? 'no replica has it' : clean(a.holder), silent.has(a.holder_id)];
  listed($('addresses'), addresses.map(item), ([address, state, holder, alert]) => el('li', { class: state }, el('b', {}, address), el('span', { title: holder, class: alert ? 'alert' : null }, el('bdi', {}, holder))));
}

/* `all`: what /events had and what came since, the newest first, once somebody wants `whole`. */
const events = { all: null, limit: 30, whole: false };
const TAGS = { create: 'create', 'create-partial': 'part', delete: 'delete', 'move-address': 'address', blocked: 'waits', error: 'error', critical: 'critical', recovered: 'recovered', 'list-doubted': 'doubt', 'list-incomplete': 'doubt', contradiction: 'doubt', 'foreign-creation': 'foreign', 'image-changed': 'image', 'flavor-changed': 'flavor', 'network-changed': 'network', 'security-groups-changed': 'groups', 'mass-termination': 'many', 'stuck-deleting': 'stuck', 'over-capacity': 'over', 'clock-jump': 'clock', found: 'found', 'replica-new': 'new', 'replica-state': 'state', 'replica-gone': 'gone' };

/* The newest events and those that were fetched, the newest first. */
function joined() {
  const newest = status ? status.events : [];
  const known = new Set(newest.map((e) => e.number));
  return [...newest, ...(events.all || []).filter((e) => !known.has(e.number))].sort((a, b) => b.number - a.number).slice(0, KEPT_EVENTS);
}

/* Adds the newest events to those that were fetched. False: some in between are missing, and all have to be fetched anew. */
function join() {
  if (!events.whole) return true;
  const oldest = status.events.length ? status.events[status.events.length - 1].number : 0;
  const last = events.all && events.all.length ? events.all[0].number : 0;
  if (!events.all || oldest > last + 1) return false;
  events.all = joined();
  return true;
}

function showEvents() {
  const kind = document.querySelector('input[name=kind]:checked').value;
  const text = $('find-event').value.trim().toLowerCase();
  const all = joined();
  const isWanted = (e) => (kind === 'all' || text || !e.event.startsWith('replica-')) && (!text || [e.name, e.replica, e.reason, e.text, e.error].filter(Boolean).join(' ').toLowerCase().includes(text));
  const found = all.filter(isWanted);
  const today = new Date(now * 1000).toISOString().slice(0, 10);
  let day = today;
  const items = found.slice(0, events.limit).map((e) => {
    const at = e.at || new Date(Date.now() - 1000 * e.seconds_ago).toISOString();
    const head = at.slice(0, 10) === day ? null : (day = at.slice(0, 10));
    const failed = e.error && e.event !== 'error';
    const moved = e.available !== null && (e.available !== e.available_after);
    return { n: e.number, head, at, tag: failed ? 'failed' : TAGS[e.event] || e.event, kind: failed ? 'error' : e.event, text: capital(clean(e.text).replaceAll(' -> ', ' → ')),
      more: clean(e.error || ''), times: e.times, id: clean(e.replica || ''), nums: moved ? `${e.available} → ${e.available_after} available` : '' };
  });
  listed($('log'), items, (i) => el('li', {}, i.head ? el('span', { class: 'day' }, i.head) : null, el('time', { datetime: i.at }, i.at.slice(11, 19)), el('span', { class: `tag ${i.kind}` }, i.tag),
    el('span', { class: 'text', title: i.id }, i.text, i.times > 1 ? ` (${i.times} times)` : '', i.more ? el('span', { class: 'sub' }, i.more) : null, text && i.id ? el('span', { class: 'sub' }, i.id) : null), el('span', { class: 'nums' }, i.nums)));
  $('no-events').hidden = items.length > 0;
  put($('no-events'), text || all.length ? 'No recorded event matches.' : 'Nothing yet.');
  $('older').hidden = found.length <= events.limit && (events.all !== null || all.length < 100);
}

async function older(more) {
  events.limit += more;
  events.whole = true;
  try {
    events.all = (await fetched('events')).events;
  } catch (problem) {
    console.debug(problem.message);
  }
  showEvents();
}

function showSettings() {
  const all = Object.entries(status.settings || {});
  put($('settings-hint'), status.settings_hint || 'secrets are never shown');
  listed($('settings'), all.filter(([, value]) => value !== ''), ([name, value]) => el('div', {}, el('dt', {}, ...broken(name)), el('dd', {}, clean(value))));
  const unset = all.filter(([, value]) => value === '').map(([name]) => name);
  put($('unset'), unset.length ? `Not set: ${unset.join(', ')}` : '');
  put($('version'), `SimpleScaleVM ${status.version} · ${status.provider} · up for ${span(status.uptime_seconds)}`);
  put($('pool'), status.pool);
}

function show() {
  showHealth();
  showReplicas();
  showAddresses();
  showEvents();
  showSettings();
  if (samples.length) draw();
}

/* ---- start ---- */
for (const [name, title] of COLUMNS) {
  const button = el('button', { type: 'button' }, title);
  button.addEventListener('click', () => sortBy(name));
  $('columns').append(el('th', { class: `c-${name}`, role: 'columnheader', scope: 'col', 'data-name': name }, button));
  $('sort').append(el('option', { value: name }, title));
}
heads();
chart = new Chart($('chart'), $('plot'), $('tip'));
let typing = 0;
const later = (act) => () => { clearTimeout(typing); typing = setTimeout(act, 120); };
$('find').addEventListener('input', later(() => { Object.assign(view, { text: $('find').value.trim(), limit: ROWS }); if (status) showReplicas(); }));
$('sort').addEventListener('change', () => { Object.assign(view, { sort: $('sort').value, down: false }); heads(); if (status) showReplicas(); });
$('more-some').addEventListener('click', () => { view.limit += ROWS; showReplicas(); });
$('more-all').addEventListener('click', () => { view.limit = Infinity; showReplicas(); });
$('range').addEventListener('change', draw);
$('log-kind').addEventListener('change', showEvents);
$('find-event').addEventListener('input', later(() => (events.all ? showEvents() : older(0))));
$('older').addEventListener('click', () => older(100));
document.addEventListener('visibilitychange', () => { if (!document.hidden) poll(); });
setInterval(live, 1000);
remember();
poll();
