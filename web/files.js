// All transfers of this page: what waits to be sent, what is asked, what arrived.

import { Incoming } from './receive.js';
import { Outgoing } from './send.js';
import { LABEL, PROTOCOL } from './transfer.js';
import { baseName } from './paths.js';
import { bytes } from './text.js';

const MAX_ASKING = 8;
const MAX_TRANSFERS = 200;
const MOVING = new Set(['offered', 'sending', 'receiving', 'asking', 'listing']);

/**
 * Handlers: `changed()`; `ask(incoming, facts)` to show the question; `settled(incoming)` when a question needs no answer
 * any more; `received(file)`; `refused(incoming, text)` when something was turned down without asking; `peers()` gives
 * the peers that take files.
 */
export class Files {
  /** Newest first: Outgoing and Incoming. */
  transfers = [];
  /** `{ transfer, index, path, name, size, sha256, content, savedAs }`, in order of arrival. */
  received = [];
  autoAccept = false;
  #storage;
  #on;

  constructor({ storage, on }) {
    this.#storage = storage;
    this.#on = on;
  }

  get moving() {
    return this.transfers.some((transfer) => MOVING.has(transfer.state));
  }

  /** Sends to the peers given; to whoever comes first where there are none. */
  send(items, peers) {
    if (items.length === 0) return;
    if (peers.length === 0) this.#outgoing(items);
    for (const peer of peers) this.#startOn(this.#outgoing(items), peer);
    this.#on.changed();
  }

  /** A peer can be reached: what waited for it, or was cut off, goes on. */
  connected(peer) {
    if (!peer.takesFiles) return;
    const here = new Set(this.#on.peers().map((other) => other.id));
    // Oldest first, as they were chosen.
    for (const transfer of [...this.transfers].reverse()) {
      if (!(transfer instanceof Outgoing) || !['waiting', 'interrupted'].includes(transfer.state)) continue;
      if (transfer.peer === null || transfer.peer.id === peer.id || !here.has(transfer.peer.id)) this.#startOn(transfer, peer);
    }
  }

  /** A peer cannot be reached any more. */
  gone(peer) {
    for (const transfer of this.transfers) if (transfer.peer?.id === peer.id) transfer.interrupt();
  }

  /** Goes on with an interrupted sending, if its peer or another one is there. */
  again(outgoing) {
    const peers = this.#on.peers();
    const peer = peers.find((other) => other.id === outgoing.peer?.id) ?? peers[0];
    if (peer && outgoing.state === 'interrupted') this.#startOn(outgoing, peer);
  }

  /** A peer opened a transfer channel. */
  incoming(peer, channel) {
    const incoming = new Incoming({
      channel,
      peer,
      storage: this.#storage,
      on: {
        ask: (transfer) => this.#ask(transfer).catch(() => transfer.reject('space', 'this page cannot store files')),
        changed: (transfer) => this.#incomingChanged(transfer),
        file: (transfer, file) => this.#file(transfer, file),
        resumes: (transfer, id, resume) => this.#resumes(transfer, id, resume),
      },
    });
    this.#add(incoming);
  }

  /** The person said yes. `place`: a picked one, or null for this page's own. */
  async accept(incoming, place = null) {
    const where = place ?? this.#storage.place(incoming.id);
    if (incoming.state !== 'asking') return;
    incoming.reserved = incoming.total;
    this.#storage.reserve(where, incoming.total);
    await incoming.accept(where);
  }

  /** Takes a finished or failed transfer off the list, with the files it left in this page. */
  async remove(transfer) {
    this.transfers = this.transfers.filter((other) => other !== transfer);
    if (transfer instanceof Incoming) {
      this.received = this.received.filter((file) => file.transfer !== transfer);
      await this.#drop(transfer);
    }
    this.#on.changed();
  }

  #outgoing(items) {
    const outgoing = new Outgoing({ items, storage: this.#storage, changed: () => this.#on.changed() });
    this.#add(outgoing);
    return outgoing;
  }

  #startOn(outgoing, peer) {
    try {
      outgoing.start(peer.createChannel(LABEL, PROTOCOL), peer);
    } catch {
      // The connection ended at this moment; it goes on with the next one.
      outgoing.interrupt();
    }
  }

  #add(transfer) {
    this.transfers.unshift(transfer);
    if (this.transfers.length <= MAX_TRANSFERS) return;
    const old = this.transfers.findLast((other) => other.over && !this.received.some((file) => file.transfer === other));
    if (old) this.transfers = this.transfers.filter((other) => other !== old);
  }

  async #ask(incoming) {
    const asking = this.transfers.filter((other) => other.state === 'asking' && other.peer.id === incoming.peer.id);
    if (asking.length > MAX_ASKING) {
      incoming.reject('busy', 'too many questions are open');
      return;
    }
    const limit = await this.#storage.limit();
    if (incoming.state !== 'asking') return;
    const fits = incoming.total <= limit;
    const single = incoming.entries.length === 1 && !incoming.entries[0].dir;
    const pick = single ? this.#storage.canPickFile : this.#storage.canPickFolder;
    if (!fits && !pick) {
      const what = `${bytes(incoming.total)} do not fit: this browser can take ${bytes(limit)} now`;
      incoming.reject('space', globalThis.isSecureContext ? what : `${what}; more when the page is opened over HTTPS`);
      this.#on.refused(incoming);
    } else if (this.autoAccept && fits) {
      await this.accept(incoming);
    } else {
      this.#on.ask(incoming, { fits, pick, limit });
    }
  }

  #resumes(fresh, id, resume) {
    const earlier = this.transfers.find(
      (other) => other instanceof Incoming && other !== fresh && other.matches(id, resume, fresh.entries),
    );
    if (!earlier) return null;
    this.transfers = this.transfers.filter((other) => other !== fresh);
    return earlier;
  }

  #incomingChanged(incoming) {
    if (incoming.over) {
      this.#on.settled(incoming);
      if (incoming.state !== 'done' && incoming.place && !incoming.freed) {
        // Whole files stay; what the others had reserved is free again.
        incoming.freed = true;
        const kept = incoming.files.reduce((sum, file) => sum + file.size, 0);
        this.#storage.release(incoming.place, incoming.reserved - kept);
        incoming.reserved = kept;
      }
    }
    this.#on.changed();
  }

  #file(incoming, file) {
    const entry = {
      transfer: incoming,
      index: file.index,
      path: file.path,
      name: baseName(file.path),
      size: file.size,
      sha256: file.sha256,
      content: file.content,
      savedAs: file.name,
    };
    const known = this.received.findIndex((other) => other.transfer === incoming && other.index === file.index);
    if (known >= 0) this.received[known] = entry;
    else this.received.push(entry);
    this.#on.received(entry);
    this.#on.changed();
  }

  async #drop(incoming) {
    if (!incoming.place) return;
    this.#storage.release(incoming.place, incoming.reserved ?? 0);
    incoming.reserved = 0;
    await this.#storage.call('storeDrop', { store: incoming.id, path: incoming.place.path }).catch(() => {});
  }
}
