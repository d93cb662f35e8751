// The receiver of docs/transfer.md.

import { clean, fromBase64url } from './text.js';
import { collision, problem } from './paths.js';
import { batches, count, hashText, MAX_ENTRIES, MAX_MESSAGE, MAX_PATHS, overallHash, parse, Rate, TransferError, VERSION, WINDOW } from './transfer.js';

const CHUNK = 262144;

/**
 * Files that a peer wants to send.
 *
 * `state`: `listing` (names arrive), `asking` (the person decides), `receiving`, `interrupted`, and the final `done`,
 * `refused`, `failed`, `cancelled`. Handlers: `ask(incoming)` when all names are there, `changed(incoming)`,
 * `file(incoming, { index, path, size, sha256, content, name })`, `resumes(incoming, id, resume)` which gives back the
 * earlier Incoming that a resumed offer belongs to, or null.
 */
export class Incoming {
  state = 'listing';
  id = null;
  entries = [];
  total = 0;
  error = null;
  current = null;
  sha256 = null;
  restarted = [];
  place = null;
  rate = new Rate();
  files = [];
  peer;
  #storage;
  #on;
  #channel = null;
  #resume = null;
  #expected = 0;
  #paths = 0;
  #queue = Promise.resolve();
  #run = 0;
  #arrived = 0;
  #stored = 0;
  #skipped = 0;
  #file = null;
  #lastIndex = -1;
  #chunk = null;
  #hashes = new Map();

  constructor({ channel, peer, storage, on }) {
    this.peer = peer;
    this.#storage = storage;
    this.#on = on;
    this.#attach(channel);
  }

  get bytes() {
    return this.#skipped + this.#stored;
  }

  get over() {
    return ['done', 'refused', 'failed', 'cancelled'].includes(this.state);
  }

  /** Takes the files. `place`: where to, as parameters of the engine's `storeOpen`. */
  async accept(place) {
    if (this.state !== 'asking') return;
    this.place = place;
    const run = this.#run;
    try {
      await this.#storage.call('storeOpen', { store: this.id, ...place });
      for (const entry of this.entries) if (entry.dir) await this.#storage.call('folder', { store: this.id, path: entry.path });
    } catch (error) {
      if (run === this.#run) this.#fail(error);
      return;
    }
    if (run === this.#run && this.state === 'asking') this.#begin();
  }

  /** Refuses with a kind of docs/transfer.md. */
  reject(kind, message) {
    if (this.state !== 'listing' && this.state !== 'asking') return;
    this.#tell({ type: 'reject', kind, message });
    this.#finish('refused', { kind, message });
  }

  /** Ends it for good. */
  cancel() {
    if (this.over) return;
    if (this.state === 'listing' || this.state === 'asking') {
      this.reject('declined', 'declined');
      return;
    }
    this.#tell({ type: 'error', kind: 'cancelled', message: 'cancelled by the receiver' });
    this.#finish('cancelled', null);
  }

  /** The connection is gone. What arrived stays, for a sender that comes back with the same transfer. */
  interrupt() {
    if (this.over) return;
    if (this.state === 'listing' || this.state === 'asking') {
      this.#finish('failed', { kind: 'gone', message: 'the sender went away' });
      return;
    }
    this.#detach();
    this.#set('interrupted');
  }

  /** Whether an offer with this id and secret goes on with this transfer. */
  matches(id, resume, entries) {
    return (
      id === this.id && resume === this.#resume && this.place !== null &&
      ['interrupted', 'receiving'].includes(this.state) &&
      entries.length === this.entries.length &&
      entries.every((entry, index) => entry.path === this.entries[index].path && Boolean(entry.dir) === Boolean(this.entries[index].dir))
    );
  }

  #attach(channel) {
    this.#run += 1;
    const run = this.#run;
    this.#channel = channel;
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => this.#arrive(data, run);
    channel.onclose = () => {
      // What arrived before the close is still in the queue.
      this.#queue = this.#queue.then(() => {
        if (run === this.#run) this.interrupt();
      });
    };
  }

  /** Messages are handled one after the other; the window bounds how many can wait. */
  #arrive(data, run) {
    if (run !== this.#run) return;
    if (typeof data !== 'string') {
      this.#arrived += data.byteLength;
      if (this.state !== 'receiving' || this.#arrived - this.#stored > WINDOW || data.byteLength > MAX_MESSAGE) {
        this.#fail(new TransferError('protocol', 'more content than agreed'));
        return;
      }
    } else if (data.length > MAX_MESSAGE) {
      this.#fail(new TransferError('protocol', 'a message is too long'));
      return;
    }
    this.#queue = this.#queue.then(async () => {
      if (run !== this.#run) return;
      try {
        await (typeof data === 'string' ? this.#message(parse(data), run) : this.#content(data, run));
      } catch (error) {
        if (run === this.#run) this.#fail(error);
      }
    });
  }

  async #message(message, run) {
    if (message.type === 'error') {
      this.#finish(message.kind === 'cancelled' ? 'cancelled' : 'failed', {
        kind: clean(message.kind, 20), message: clean(message.message), theirs: true,
      });
      return;
    }
    if (this.state === 'listing') {
      if (message.type === 'offer' && this.id === null) this.#offered(message);
      else if (message.type === 'entries' && this.id !== null) this.#listed(message.list);
      else throw new TransferError('protocol', 'a message out of turn');
      return;
    }
    if (this.state !== 'receiving' || this.#chunk !== null) throw new TransferError('protocol', 'a message out of turn');
    switch (message.type) {
      case 'file':
        return this.#begun(message, run);
      case 'chunk':
        return this.#announced(message);
      case 'end':
        return this.#ended(message, run);
      case 'done':
        return this.#done(message);
      default:
        throw new TransferError('protocol', 'an unknown message');
    }
  }

  #offered(message) {
    if (message.version !== VERSION) throw new TransferError('protocol', 'this page does not speak that version');
    if (fromBase64url(message.id)?.length !== 16 || fromBase64url(message.resume)?.length !== 32) {
      throw new TransferError('protocol', 'the offer is malformed');
    }
    this.id = message.id;
    this.#resume = message.resume;
    this.#expected = count(message.entries);
    this.total = count(message.bytes);
    if (this.#expected > MAX_ENTRIES) {
      this.reject('entries', `at most ${MAX_ENTRIES} files and folders at once`);
    } else if (this.#expected === 0) {
      throw new TransferError('protocol', 'an offer of nothing');
    }
  }

  #listed(list) {
    if (!Array.isArray(list) || this.entries.length + list.length > this.#expected) {
      throw new TransferError('protocol', 'more entries than offered');
    }
    for (const item of list) {
      const fault = problem(item?.path);
      if (fault !== null) {
        this.reject('names', `${fault}: ${clean(item?.path, 80)}`);
        return;
      }
      this.#paths += item.path.length;
      if (this.#paths > MAX_PATHS) {
        this.reject('entries', 'the names are too long together');
        return;
      }
      this.entries.push(item.dir === true ? { path: item.path, dir: true } : { path: item.path, size: count(item.size) });
    }
    if (this.entries.length < this.#expected) return;
    const twice = collision(this.entries);
    if (twice !== null) {
      this.reject('names', `two entries would be stored under one name: ${clean(twice, 80)}`);
      return;
    }
    if (this.entries.reduce((sum, entry) => sum + (entry.size ?? 0), 0) !== this.total) {
      throw new TransferError('protocol', 'the sizes do not add up');
    }
    const earlier = this.#on.resumes(this, this.id, this.#resume);
    if (earlier) {
      const channel = this.#channel;
      this.#detach();
      this.state = 'moved';
      earlier.#continueOn(channel, this);
      return;
    }
    this.#set('asking');
    this.#on.ask(this);
  }

  /** A sender came back: what is kept here is told, and it goes on from there. */
  #continueOn(channel, offer) {
    this.#detach();
    this.peer = offer.peer;
    this.entries = offer.entries;
    this.total = offer.total;
    this.#attach(channel);
    const run = this.#run;
    this.#queue = this.#queue.then(async () => {
      try {
        const kept = await this.#storage.call('kept', { store: this.id });
        if (run !== this.#run) return;
        // A finished file whose source has another size by now is better fetched anew.
        const useful = kept.filter(({ index, size }) => {
          const finished = this.files.some((file) => file.index === index);
          return finished ? size === this.entries[index].size : size <= this.entries[index].size;
        });
        for (const message of batches('have', useful)) this.#channel.send(message);
        this.#begin();
      } catch (error) {
        if (run === this.#run) this.#fail(error);
      }
    });
  }

  #begin() {
    this.#arrived = 0;
    this.#stored = 0;
    this.#skipped = 0;
    this.#file = null;
    this.#chunk = null;
    this.#lastIndex = -1;
    this.#hashes = new Map();
    this.rate = new Rate();
    this.#set('receiving');
    this.#channel.send(JSON.stringify({ type: 'accept', resume: this.#resume, window: WINDOW }));
  }

  async #begun(message, run) {
    const index = count(message.index, this.entries.length - 1);
    const entry = this.entries[index];
    // Every file comes, in order, so that none can be left out unnoticed.
    const next = this.entries.findIndex((other, at) => at > this.#lastIndex && !other.dir);
    if (index !== next || this.#file !== null) throw new TransferError('protocol', 'a file out of turn');
    const offset = count(message.offset, entry.size);
    const restart = message.restarted === true || offset === 0;
    const { size } = await this.#storage.call('fileOpen', { store: this.id, index, path: entry.path, restart });
    if (run !== this.#run) return;
    if (size !== offset) throw new TransferError('protocol', 'the file does not go on where it stopped');
    if (message.restarted === true && !this.restarted.includes(entry.path)) this.restarted.push(entry.path);
    this.#lastIndex = index;
    this.#file = { index, entry, at: offset };
    this.#skipped += offset;
    this.current = entry.path;
    this.#on.changed(this);
  }

  #announced(message) {
    if (this.#file === null) throw new TransferError('protocol', 'content without a file');
    const length = count(message.length, CHUNK);
    if (length === 0 || this.#file.at + length > this.#file.entry.size) {
      throw new TransferError('protocol', 'more content than announced');
    }
    this.#chunk = { length, sha256: hashText(message.sha256), parts: [], arrived: 0 };
  }

  #content(data, run) {
    const chunk = this.#chunk;
    if (chunk === null) throw new TransferError('protocol', 'content that was not announced');
    chunk.parts.push(data);
    chunk.arrived += data.byteLength;
    if (chunk.arrived > chunk.length) throw new TransferError('protocol', 'more content than announced');
    if (chunk.arrived < chunk.length) return;
    this.#chunk = null;
    const file = this.#file;
    const { parts, sha256, length } = chunk;
    file.at += length;
    // Not waited for: the engine keeps the order, the window bounds how much is on its way to the disk.
    this.#storage.call('write', { store: this.id, index: file.index, parts, sha256 }, parts).then(
      () => this.#written(length, run),
      (error) => {
        if (run === this.#run) this.#fail(error);
      },
    );
  }

  #written(length, run) {
    if (run !== this.#run) return;
    this.#stored += length;
    this.#tell({ type: 'ack', bytes: this.#stored });
    this.rate.note(this.bytes);
    this.#on.changed(this);
  }

  async #ended(message, run) {
    const file = this.#file;
    if (file === null || message.index !== file.index) throw new TransferError('protocol', 'the end of a file out of turn');
    if (count(message.size) !== file.entry.size || file.at !== file.entry.size) {
      throw new TransferError('protocol', 'a file has another size than announced');
    }
    const result = await this.#storage.call('fileEnd', { store: this.id, index: file.index });
    if (run !== this.#run) return;
    if (hashText(message.sha256) !== result.sha256) throw new TransferError('hash', 'a file arrived damaged');
    this.#file = null;
    this.current = null;
    this.#hashes.set(file.index, result.sha256);
    const known = this.files.findIndex((other) => other.index === file.index);
    const received = { index: file.index, path: file.entry.path, ...result };
    if (known >= 0) this.files[known] = received;
    else this.files.push(received);
    this.#on.file(this, received);
  }

  #done(message) {
    const missing = this.entries.some((entry, index) => index > this.#lastIndex && !entry.dir);
    if (this.#file !== null || missing) throw new TransferError('protocol', 'done before everything came');
    if (count(message.bytes) !== this.total) throw new TransferError('protocol', 'another size than announced');
    this.sha256 = overallHash(this.entries, this.#hashes);
    if (hashText(message.sha256) !== this.sha256) throw new TransferError('hash', 'the files differ from what was announced');
    this.#tell({ type: 'done', sha256: this.sha256 });
    // The sender closes the channel once it has read this.
    this.#detach();
    this.#storage.call('storeClose', { store: this.id }).catch(() => {});
    this.#set('done');
  }

  #fail(error) {
    if (this.over) return;
    const known = ['disk', 'protocol', 'hash'].includes(error.kind);
    if (!known) {
      this.interrupt();
      return;
    }
    this.#tell({ type: 'error', kind: error.kind, message: error.message });
    this.#finish('failed', { kind: error.kind, message: error.message });
  }

  #finish(state, error) {
    if (this.over) return;
    this.error = error;
    this.current = null;
    const channel = this.#channel;
    this.#detach();
    channel?.close();
    if (this.place) this.#storage.call('storeClose', { store: this.id }).catch(() => {});
    this.#set(state);
  }

  #detach() {
    this.#run += 1;
    const channel = this.#channel;
    this.#channel = null;
    if (channel) channel.onmessage = channel.onclose = null;
  }

  #tell(message) {
    try {
      if (this.#channel?.readyState === 'open') this.#channel.send(JSON.stringify(message));
    } catch {
      // The other side learns it from the closed channel.
    }
  }

  #set(state) {
    this.state = state;
    this.#on.changed(this);
  }
}
