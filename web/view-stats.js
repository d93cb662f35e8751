// The statistics of the call: for each member a table of what goes each way, and plots of the last two minutes.

import { h, lines, text } from './dom.js';
import { plot } from './plot.js';
import { milliseconds } from './text.js';
import { peerMark, peerName } from './view-peers.js';

const NAMES = { audio: 'Sound', video: 'Camera', screen: 'Screen' };
const PATHS = { direct: 'Direct', relay: 'Relayed' };
const LIMITS = { cpu: 'held back by the processor', bandwidth: 'held back by the network' };
const COLUMNS = ['', 'Codec', 'Size', 'Frames', 'Rate', 'Lost', 'Buffer'];

/** `{ element, update }` for one peer. */
export function statistics(peer) {
  const path = h('span', { className: 'tag', hidden: true, data: { testid: 'stats-path' } });
  const facts = h('span', { className: 'help', data: { testid: 'stats-facts' } });
  const body = h('tbody');
  const heading = h('tr', {}, ...COLUMNS.map((title) => h('th', { scope: 'col', textContent: title })));
  const table = h('table', { aria: { label: `Streams with ${peerName(peer)}` } }, h('thead', {}, heading), body);
  const plots = makePlots();
  const element = h(
    'section',
    { className: 'stats-peer', aria: { label: `Statistics of ${peerName(peer)}` }, data: { testid: 'stats-peer' } },
    h('div', { className: 'stats-head' }, h('h3', { textContent: `${peerName(peer)} ${peerMark(peer)}` }), path, facts),
    h('div', { className: 'stats-table', tabIndex: 0, role: 'region', aria: { label: 'Streams' } }, table),
    h('div', { className: 'plots' }, ...plots.map(({ view }) => view.element)),
  );
  let drawn = -1;

  function update() {
    const history = peer.media?.history;
    const last = history?.last;
    if (!last || last.at === drawn) return;
    drawn = last.at;
    path.hidden = last.path === null;
    text(path, PATHS[last.path] ?? '');
    path.classList.toggle('relay', last.path === 'relay');
    text(facts, [
      last.rtt === null ? null : `${time(last.rtt)} round trip`,
      last.available === null ? null : `room for ${rate(last.available)}`,
    ].filter(Boolean).join(', '));
    lines(body, last.flows.filter((flow) => flow.bitrate > 0).map((flow) => row(flow, peer.media)), (cells) =>
      h('tr', {}, h('th', { scope: 'row', textContent: cells[0] }), ...cells.slice(1).map((cell) => h('td', { textContent: cell }))));
    for (const { view, draw } of plots) view.update(draw(history));
  }

  return { element, update };
}

function makePlots() {
  const both = (figure, options) => (history) => [
    { name: 'in', values: history.line(figure, { direction: 'in', ...options }) },
    { name: 'out', values: history.line(figure, { direction: 'out', ...options }) },
  ];
  const delays = (history) => [
    { name: 'buffer', values: history.line('delay', { direction: 'in', largest: true }) },
    { name: 'round trip', values: history.points.map((point) => point.rtt) },
  ];
  const room = (history) => [{ name: '', values: history.points.map((point) => point.available) }];
  return [
    { view: plot({ title: 'Rate', say: rate, least: 100000 }), draw: both('bitrate') },
    { view: plot({ title: 'Frames a second', say: frames, least: 10 }), draw: both('frames', { kind: 'video', largest: true }) },
    { view: plot({ title: 'Packets lost', say: percent, least: 0.01 }), draw: both('loss', { largest: true }) },
    { view: plot({ title: 'Delay', say: time, least: 10 }), draw: delays },
    { view: plot({ title: 'Estimated room', say: rate, least: 100000 }), draw: room },
  ];
}

function row(flow, media) {
  const name = NAMES[media.nameOf(flow.mid) ?? flow.kind] ?? NAMES[flow.kind];
  return [
    `${name} ${flow.direction}`,
    flow.codec ?? '–',
    flow.width && flow.height ? `${flow.width}×${flow.height}` : '–',
    [flow.frames === null ? '–' : frames(flow.frames), LIMITS[flow.limited]].filter(Boolean).join(', '),
    rate(flow.bitrate),
    percent(flow.loss),
    flow.delay === null ? '–' : time(flow.delay),
  ];
}

/** 1234567 → "1.2 Mbit/s". */
export function rate(value) {
  if (value === null) return '–';
  if (value >= 1e6) return `${(value / 1e6).toFixed(value >= 1e7 ? 0 : 1)} Mbit/s`;
  return `${Math.round(value / 1000)} kbit/s`;
}

function frames(value) {
  return value === null ? '–' : `${Math.round(value)}/s`;
}

function percent(value) {
  if (value === null) return '–';
  return `${(value * 100).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
}

function time(value) {
  return value === null ? '–' : milliseconds(value);
}
