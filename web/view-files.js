// The list of transfers, and the question before one begins.

import { $, h, keyed, save, text } from './dom.js';
import { Outgoing } from './send.js';
import { pick } from './storage.js';
import { bytes, clean, duration, plural } from './text.js';
import { peerName } from './view-peers.js';

const MAX_NAMES = 300;

/** What a refusal or a fault means for the person. */
const REASONS = {
  declined: 'The other side declined.',
  space: 'The other side has not enough space.',
  names: 'The other side cannot store one of the names.',
  entries: 'Too many files at once for the other side.',
  busy: 'The other side is busy; try again in a moment.',
  source: 'A file could not be read any more. Choose it again.',
  disk: 'Storing failed.',
  protocol: 'The two programs did not understand each other.',
  hash: 'Damaged content was noticed and thrown away. Send it again.',
  gone: 'The sender went away before it began.',
};

/** `{ element, update }` for one transfer. `files` is the Files it belongs to. */
export function transferRow(transfer, files) {
  const sending = transfer instanceof Outgoing;
  const title = h('span');
  const small = h('small');
  const status = h('p', { className: 'transfer-text', data: { testid: 'transfer-text' } });
  const progress = h('progress', { max: 1, value: 0, aria: { label: 'Progress' } });
  const bar = h('div', { className: 'bar' }, progress);
  const cancel = button('Cancel', 'cancel', () => transfer.cancel());
  const again = button('Go on', 'again', () => files.again(transfer));
  const remove = button('Remove', 'remove', () => files.remove(transfer));
  const all = button('Save all', 'save-all', () => saveAll());
  const got = h('ul', { className: 'got', data: { testid: 'received' }, hidden: true });
  const gotViews = new Map();
  const element = h(
    'li',
    { className: 'transfer', data: { testid: 'transfer', direction: sending ? 'send' : 'receive', state: transfer.state } },
    h('div', { className: 'transfer-head' }, h('p', { className: 'transfer-title' }, title, small), h('div', { className: 'row' }, again, all, cancel, remove)),
    bar,
    status,
    got,
  );

  function received() {
    return files.received.filter((file) => file.transfer === transfer);
  }

  async function saveAll() {
    for (const file of received()) {
      if (!file.content) continue;
      save(file.content, file.name);
      // Browsers drop downloads that start in the same moment.
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  }

  function update() {
    element.dataset.state = transfer.state;
    text(title, summary(transfer.entries));
    const who = transfer.peer ? peerName(transfer.peer) : 'whoever comes next';
    text(small, `${sending ? 'To' : 'From'} ${who} · ${bytes(transfer.total)}`);
    text(status, statusText(transfer, sending));
    progress.value = transfer.total > 0 ? transfer.bytes / transfer.total : transfer.state === 'done' ? 1 : 0;
    bar.hidden = transfer.over && transfer.state !== 'done';
    cancel.hidden = transfer.over;
    again.hidden = !(sending && transfer.state === 'interrupted');
    remove.hidden = !transfer.over;
    const list = received();
    got.hidden = list.length === 0;
    all.hidden = list.filter((file) => file.content).length < 2 || transfer.state !== 'done';
    keyed(got, list, gotViews, receivedRow);
  }

  return { element, update };
}

function receivedRow(file) {
  const action = file.content ? button('Save', 'save-file', () => save(file.content, file.name)) : h('small', { textContent: `Saved as ${clean(file.savedAs)}` });
  if (file.content) action.setAttribute('aria-label', `Save ${clean(file.name, 80)}`);
  const element = h(
    'li',
    { data: { testid: 'received-file', sha256: file.sha256, path: file.path, size: String(file.size) } },
    h('span', {}, clean(file.path, 120), h('small', { textContent: bytes(file.size) }), h('small', { className: 'hash', textContent: `SHA-256 ${file.sha256}` })),
    action,
  );
  return { element, update() {} };
}

function statusText(transfer, sending) {
  const done = `${bytes(transfer.bytes)} of ${bytes(transfer.total)}`;
  const changed = transfer.restarted.length > 0 ? ` Changed since and sent anew: ${clean(transfer.restarted.join(', '), 120)}.` : '';
  switch (transfer.state) {
    case 'waiting':
      return 'Waiting for someone to come into the room';
    case 'listing':
      return 'Names are coming in…';
    case 'offered':
      return 'Waiting for the other side to accept';
    case 'asking':
      return 'Waiting for your answer';
    case 'sending':
    case 'receiving': {
      const rate = transfer.rate.perSecond();
      const left = rate > 0 ? ` · ${bytes(rate)}/s · ${duration((transfer.total - transfer.bytes) / rate)} left` : '';
      return `${done}${left}${transfer.current && transfer.entries.length > 1 ? ` · ${clean(transfer.current, 60)}` : ''}${changed}`;
    }
    case 'interrupted':
      return sending
        ? `Interrupted at ${done}. It goes on when the other side is back.`
        : `Interrupted at ${done}. What arrived is kept while this page is open; it goes on when the sender is back.`;
    case 'done':
      return `Done, ${bytes(transfer.total)}, hash verified.${changed}`;
    case 'cancelled':
      return transfer.error?.theirs ? 'The other side cancelled.' : 'Cancelled.';
    default:
      return reason(transfer);
  }
}

function reason({ error, state }) {
  const what = REASONS[error?.kind] ?? (state === 'refused' ? 'Refused.' : 'Failed.');
  return error?.message && error.kind !== 'declined' ? `${what} (${clean(error.message)})` : what;
}

function summary(entries) {
  // They come after the offer, and the page may be drawn in between.
  if (entries.length === 0) return 'Files';
  const files = entries.filter((entry) => !entry.dir).length;
  if (entries.length === 1) return clean(entries[0].path, 120);
  const folders = entries.length - files;
  const names = clean(entries[0].path.split('/')[0], 60);
  return `${plural(files, 'file')}${folders > 0 ? ` in ${plural(folders, 'folder')}` : ''}: ${names}${entries.length > 1 ? ', …' : ''}`;
}

function button(label, testid, action) {
  const element = h('button', { type: 'button', className: 'small', textContent: label, data: { testid } });
  element.addEventListener('click', action);
  return element;
}

/** Shows the questions one after the other. */
export class OfferDialog {
  #queue = [];
  #files;
  #dialog = $('offer');

  constructor(files) {
    this.#files = files;
    $('offer-accept').addEventListener('click', () => this.#answer((incoming) => files.accept(incoming)));
    $('offer-decline').addEventListener('click', () => this.#answer((incoming) => incoming.reject('declined', 'declined')));
    $('offer-pick').addEventListener('click', () => this.#pick());
    this.#dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      this.#answer((incoming) => incoming.reject('declined', 'declined'));
    });
  }

  ask(incoming, facts) {
    this.#queue.push({ incoming, facts });
    if (this.#queue.length === 1) this.#show();
  }

  /** A question that needs no answer any more. */
  settled(incoming) {
    const index = this.#queue.findIndex((question) => question.incoming === incoming);
    if (index < 0) return;
    this.#queue.splice(index, 1);
    if (index === 0) this.#next();
  }

  #answer(action) {
    const question = this.#queue.shift();
    if (question) action(question.incoming);
    this.#next();
  }

  async #pick() {
    const question = this.#queue[0];
    if (!question) return;
    try {
      const place = await pick(question.incoming.entries);
      // The question may have been settled while the person looked for a place.
      if (place === null || this.#queue[0] !== question) return;
      this.#answer((incoming) => this.#files.accept(incoming, place));
    } catch {
      text($('offer-limit'), 'The browser does not let this page write there. Choose another place.');
    }
  }

  #next() {
    if (this.#queue.length > 0) this.#show();
    else if (this.#dialog.open) this.#dialog.close();
  }

  #show() {
    const { incoming, facts } = this.#queue[0];
    const files = incoming.entries.filter((entry) => !entry.dir);
    text($('offer-title'), `${peerName(incoming.peer)} wants to send you ${plural(files.length, 'file')}`);
    text($('offer-sum'), `${bytes(incoming.total)} in all`);
    const shown = incoming.entries.slice(0, MAX_NAMES).map((entry) =>
      h('li', {}, h('span', { textContent: clean(entry.dir ? `${entry.path}/` : entry.path, 300) }), h('span', { textContent: entry.dir ? 'folder' : bytes(entry.size) })),
    );
    if (incoming.entries.length > MAX_NAMES) shown.push(h('li', { textContent: `and ${incoming.entries.length - MAX_NAMES} more` }));
    $('offer-names').replaceChildren(...shown);
    text($('offer-limit'), facts.fits ? '' : `This is more than this browser can keep (${bytes(facts.limit)} now). Save it straight to a place you choose instead.`);
    $('offer-accept').disabled = !facts.fits;
    $('offer-pick').hidden = !facts.pick;
    if (!this.#dialog.open) this.#dialog.showModal();
    (facts.fits ? $('offer-accept') : $('offer-pick')).focus();
  }
}
