// The cards of the people in the room, with each step of the connection.

import { h, lines, text } from './dom.js';
import { milliseconds } from './text.js';
import { STAGES } from './steps.js';

const TITLES = {
  found: 'Found each other',
  verified: 'Code checked',
  gathered: 'Addresses gathered',
  signalled: 'Addresses exchanged',
  checked: 'Paths checked',
  selected: 'Path selected',
  secured: 'Encrypted',
  open: 'Channel open',
};
const STATES = {
  greeting: 'Saying hello…',
  connecting: 'Connecting…',
  connected: 'Connected',
  unstable: 'Connection lost, looking for a new path…',
  'no-path': 'No path',
  'wrong-code': 'Wrong code',
  left: 'Gone',
};
const TYPES = { host: 'own address', srflx: 'public address (srflx)', prflx: 'found while checking (prflx)', relay: 'relay' };
const ROLES = { send: 'sends files', receive: 'receives files', pipe: 'pipe', call: 'audio and video' };

/** What a peer is called. */
export function peerName(peer) {
  if (peer.once && peer.agent === '') return 'The other side';
  return peer.agent || (peer.state === 'wrong-code' ? 'Somebody with another code' : 'Somebody');
}

/** A short mark that tells two peers of one kind apart. */
export function peerMark(peer) {
  return peer.id.slice(0, 4);
}

/** `{ element, update }` for one peer. */
export function peerCard(peer) {
  const name = h('span');
  const mark = h('small', { textContent: peerMark(peer), title: 'Part of the random id of this run' });
  const avatar = h('span', { className: 'avatar', aria: { hidden: 'true' } });
  avatar.style.setProperty('--hue', String(hue(peer.id)));
  const state = h('span', { data: { testid: 'peer-state' } });
  const path = h('span', { className: 'tag', hidden: true, data: { testid: 'peer-path' } });
  const rtt = h('span', { hidden: true, data: { testid: 'peer-rtt' } });
  const role = h('span', { hidden: true });
  const words = h('p', { className: 'peer-words', hidden: true, data: { testid: 'peer-words' } });
  const compare = h('button', { type: 'button', className: 'small', hidden: true, textContent: 'Compare words', data: { testid: 'compare' } });
  compare.title = 'Shows three words here and there; they are the same if nobody sits between you';
  compare.addEventListener('click', () => peer.compare());
  const problem = h('div', { className: 'problem', hidden: true, data: { testid: 'peer-problem' } });
  const stages = stageList(peer.once ? { ...TITLES, verified: 'Text of the other side' } : TITLES);
  const facts = h('dl', { className: 'facts' });
  const local = h('ul');
  const remote = h('ul');
  const pairs = h('ul', { data: { testid: 'pairs' } });
  const details = h(
    'details',
    { open: true, data: { testid: 'steps' } },
    h('summary', { textContent: 'Steps of the connection' }),
    stages.element,
    facts,
    h(
      'div',
      { className: 'sides' },
      h('div', {}, h('h3', { textContent: 'This side' }), local),
      h('div', {}, h('h3', { textContent: 'Other side' }), remote),
    ),
    h('div', { className: 'pairs' }, h('h3', { textContent: 'Pairs' }), pairs),
  );
  const element = h(
    'li',
    { className: 'card peer', data: { testid: 'peer', peer: peer.id, state: peer.state } },
    h(
      'div',
      { className: 'peer-head' },
      avatar,
      h(
        'div',
        { className: 'peer-main' },
        h('p', { className: 'peer-name' }, name, mark),
        h('p', { className: 'peer-state' }, h('span', { className: 'dot', aria: { hidden: 'true' } }), state, path, rtt, role),
      ),
    ),
    words,
    compare,
    problem,
    details,
  );
  let shownState = '';

  function update() {
    const { steps } = peer;
    element.dataset.state = peer.state;
    text(name, peerName(peer));
    text(avatar, peerName(peer).slice(0, 1).toUpperCase());
    text(state, peer.state === 'connecting' && peer.once ? 'Waiting for the other side…' : peer.state === 'connected' && !peer.present ? 'Connected, but lost the server' : STATES[peer.state]);
    const on = peer.state === 'connected' && steps.selected !== null;
    path.hidden = !on;
    if (on) {
      text(path, steps.selected.relayed ? 'Relayed' : 'Direct');
      path.classList.toggle('relay', steps.selected.relayed);
    }
    rtt.hidden = !(peer.state === 'connected' && steps.rtt !== null);
    if (!rtt.hidden) text(rtt, steps.rtt === 0 ? 'under 1 ms round trip' : `${milliseconds(steps.rtt)} round trip`);
    words.hidden = peer.words === null;
    if (peer.words !== null) text(words, `Words to compare: ${peer.words}. Nobody sits between you if the other side shows the same.`);
    compare.hidden = peer.state !== 'connected' || peer.words !== null || peer.once;
    role.hidden = !ROLES[peer.role];
    if (!role.hidden) text(role, ROLES[peer.role]);
    stages.update(steps);
    lines(local, steps.local.map(candidateText), (line) => h('li', { textContent: line }));
    lines(remote, steps.remote.map(candidateText), (line) => h('li', { textContent: line }));
    lines(pairs, steps.pairs, (pair) =>
      h('li', { data: { state: pair.state }, textContent: `${pair.local} ↔ ${pair.remote}: ${pair.state}${pair.nominated ? ', nominated' : ''}` }),
    );
    pairs.parentElement.hidden = steps.pairs.length === 0;
    lines(facts, factList(steps), ([term, value]) => h('div', { className: 'fact' }, h('dt', { textContent: term }), h('dd', { textContent: value })));
    if (peer.state === shownState) return;
    shownState = peer.state;
    if (peer.state === 'connected') details.open = false;
    explain(peer, problem);
  }

  return { element, update };
}

function stageList(titles) {
  const rows = new Map();
  const element = h('ol', { className: 'steps' });
  for (const stage of STAGES) {
    const state = h('span', { className: 'visually-hidden' });
    const note = h('p');
    const time = h('time');
    const row = h(
      'li',
      { className: 'step', data: { stage, state: 'waiting' } },
      h('span', { className: 'mark', aria: { hidden: 'true' } }),
      h('span', {}, h('b', { textContent: titles[stage] }), state),
      time,
      note,
    );
    rows.set(stage, { row, state, note, time });
    element.append(row);
  }
  return {
    element,
    update(steps) {
      for (const [stage, { row, state, note, time }] of rows) {
        const now = steps.stages[stage];
        row.dataset.state = now.state;
        text(state, ` (${now.state})`);
        text(note, now.text);
        text(time, now.at === null ? '' : `${now.at} ms`);
      }
    },
  };
}

function factList(steps) {
  const list = [];
  if (steps.selected) {
    const { local, remote, protocol, localAddress, remoteAddress } = steps.selected;
    list.push(['Path', `${localAddress} ↔ ${remoteAddress}`]);
    list.push(['Kinds', `${TYPES[local] ?? local} ↔ ${TYPES[remote] ?? remote}, ${protocol.toUpperCase()}`]);
  }
  if (steps.security) {
    const { version, cipher, group, role } = steps.security;
    list.push(['Protocol', version]);
    list.push(['Cipher', cipher ?? 'not told by this browser']);
    list.push(['Group', group ?? 'not told by this browser']);
    if (role) list.push(['DTLS role here', role]);
  }
  return list;
}

function explain(peer, problem) {
  problem.replaceChildren();
  if (peer.state === 'no-path') {
    const retry = h('button', { type: 'button', className: 'small', textContent: 'Try again', data: { testid: 'retry' } });
    retry.addEventListener('click', () => peer.retry());
    const advice = 'Put both devices on one network, or try another network or without VPN';
    const why = peer.once ? `${peer.why} ${advice}, and make new texts.` : `${peer.why} ${advice}.`;
    problem.append(h('p', { textContent: why, data: { testid: 'why' } }));
    if (!peer.once) problem.append(retry);
  } else if (peer.state === 'wrong-code') {
    problem.append(
      h('p', {
        textContent: 'Somebody came in with a wrong code and cannot be let in. If you expect them, give them the code again; this page goes on waiting.',
      }),
    );
  } else if (peer.state === 'left') {
    problem.append(h('p', { textContent: `${peerName(peer)} is gone: ${peer.reason}.` }));
  }
  problem.hidden = problem.childElementCount === 0;
}

function candidateText({ type, protocol, address }) {
  return `${type} ${protocol} ${address}`;
}

/** The colour of a peer, the same wherever it is shown. */
export function hue(id) {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.charCodeAt(0)) % 360;
  return sum;
}
