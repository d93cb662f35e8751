// The sender of docs/transfer.md.

import { base64url, clean, randomBytes } from './text.js';
import { baseName, numbered } from './paths.js';
import { batches, count, hashText, MAX_MESSAGE, overallHash, parse, Rate, TransferError, VERSION } from './transfer.js';

const CHUNK = 262144;
const HIGH_WATER = 1024 * 1024;
const LOW_WATER = 256 * 1024;
/** Chunks read ahead, which hides the disk and the hashing behind the network. */
const AHEAD = 4;
/** The smallest window that a receiver may grant, in bytes. */
const MIN_WINDOW = 65536;

/**
 * Files on their way to one peer.
 *
 * `state`: `waiting` (for a peer), `offered`, `sending`, `interrupted`, and the final `done`, `refused`, `failed`,
 * `cancelled`. `start` begins on a channel, and again on another one after an interruption.
 */
export class Outgoing {
  state = 'waiting';
  /** Id of the peer it goes to, null while there is none. */
  peer = null;
  error = null;
  current = null;
  sha256 = null;
  restarted = [];
  rate = new Rate();
  #storage;
  #changed;
  #channel = null;
  #run = 0;
  #have = new Map();
  #acknowledged = 0;
  #sentBytes = 0;
  #skipped = 0;
  #window = 0;
  #wake = null;
  #hashes = new Map();
  #finished = false;

  /** `items`: `{ path, file }` or `{ path, dir: true }`. */
  constructor({ items, storage, changed }) {
    this.id = base64url(randomBytes(16));
    this.resume = base64url(randomBytes(32));
    this.files = items.map((item) => item.file ?? null);
    this.entries = entriesOf(items);
    this.total = this.entries.reduce((sum, entry) => sum + (entry.size ?? 0), 0);
    this.#storage = storage;
    this.#changed = changed;
  }

  /** Bytes that are stored on the other side. */
  get bytes() {
    return this.#skipped + this.#acknowledged;
  }

  get over() {
    return ['done', 'refused', 'failed', 'cancelled'].includes(this.state);
  }

  /** Offers the files on `channel`, just created for this. */
  start(channel, peer) {
    this.#run += 1;
    const run = this.#run;
    this.peer = peer;
    this.#channel = channel;
    this.#have = new Map();
    this.#acknowledged = 0;
    this.#sentBytes = 0;
    this.#skipped = 0;
    this.#window = 0;
    this.#finished = false;
    this.rate = new Rate();
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = LOW_WATER;
    channel.onbufferedamountlow = () => this.#wake?.();
    channel.onclose = () => this.#closed(run);
    channel.onmessage = ({ data }) => {
      if (run !== this.#run) return;
      try {
        this.#message(data, run);
      } catch (error) {
        this.#fail(error);
      }
    };
    const offer = () => {
      if (run !== this.#run || this.over) return;
      try {
        this.#offer();
      } catch {
        // The channel closed in between, which `onclose` tells.
      }
    };
    if (channel.readyState === 'open') offer();
    else channel.onopen = offer;
    this.#set('offered');
  }

  /** Ends it for good. */
  cancel() {
    if (this.over) return;
    this.#tell({ type: 'error', kind: 'cancelled', message: 'cancelled by the sender' });
    this.#finish('cancelled', null);
  }

  /** The connection is gone; goes on when `start` is called again. */
  interrupt() {
    if (this.over || this.state === 'waiting') return;
    this.#detach();
    this.#set('interrupted');
  }

  #offer() {
    this.#send({
      type: 'offer', version: VERSION, id: this.id, resume: this.resume, entries: this.entries.length, bytes: this.total,
    });
    for (const message of batches('entries', this.entries)) this.#channel.send(message);
  }

  #message(data, run) {
    if (typeof data !== 'string') throw new TransferError('protocol', 'content from the receiving side');
    const message = parse(data);
    switch (message.type) {
      case 'have':
        return this.#keep(message.list);
      case 'accept':
        return this.#accepted(message, run);
      case 'reject':
        return this.#finish('refused', { kind: clean(message.kind, 20), message: clean(message.message) });
      case 'ack':
        return this.#ack(message.bytes);
      case 'done':
        return this.#done(message);
      case 'error':
        return this.#finish(message.kind === 'cancelled' ? 'cancelled' : 'failed', {
          kind: clean(message.kind, 20),
          message: clean(message.message),
          theirs: true,
        });
      default:
        throw new TransferError('protocol', 'an unknown message');
    }
  }

  #keep(list) {
    if (this.state !== 'offered' || !Array.isArray(list)) throw new TransferError('protocol', 'a list out of turn');
    for (const item of list) {
      const index = count(item?.index, this.entries.length - 1);
      const entry = this.entries[index];
      if (entry.dir) throw new TransferError('protocol', 'a folder has no content');
      this.#have.set(index, { size: count(item.size, entry.size), sha256: hashText(item.sha256) });
    }
  }

  #accepted(message, run) {
    if (this.state !== 'offered') throw new TransferError('protocol', 'accepted twice');
    if (message.resume !== this.resume) throw new TransferError('protocol', 'the other side does not know this transfer');
    this.#window = count(message.window);
    if (this.#window < MIN_WINDOW) throw new TransferError('protocol', 'the window is too small');
    this.#set('sending');
    this.#stream(run).catch((error) => {
      if (run === this.#run) this.#fail(error);
    });
  }

  #ack(bytes) {
    if (count(bytes) > this.#sentBytes || bytes < this.#acknowledged) throw new TransferError('protocol', 'an impossible acknowledgement');
    this.#acknowledged = bytes;
    this.rate.note(this.bytes);
    this.#wake?.();
    this.#changed(this);
  }

  async #stream(run) {
    for (let index = 0; index < this.entries.length; index += 1) {
      if (this.entries[index].dir) continue;
      await this.#sendFile(index, run);
      if (run !== this.#run) return;
    }
    this.current = null;
    this.sha256 = overallHash(this.entries, this.#hashes);
    this.#send({ type: 'done', bytes: this.total, sha256: this.sha256 });
    this.#finished = true;
  }

  async #sendFile(index, run) {
    const entry = this.entries[index];
    const reader = `${this.id}/${index}/${run}`;
    this.current = entry.path;
    try {
      const offset = await this.#openSource(index, reader);
      if (run !== this.#run) return;
      const ahead = [];
      for (let at = offset; at < entry.size; ) {
        while (ahead.length < AHEAD) ahead.push(this.#next(reader));
        const chunk = await ahead.shift();
        if (run !== this.#run) return;
        if (chunk.bytes.byteLength === 0) throw new TransferError('source', 'the file became shorter');
        await this.#sendChunk(chunk, run);
        if (run !== this.#run) return;
        at += chunk.bytes.byteLength;
      }
      const { sha256 } = await this.#storage.call('readEnd', { reader });
      if (run !== this.#run) return;
      this.#hashes.set(index, sha256);
      this.#send({ type: 'end', index, size: entry.size, sha256 });
    } finally {
      this.#storage.call('readClose', { reader }).catch(() => {});
    }
  }

  /** Opens entry `index` where the receiver stopped, or at 0 if what it keeps is something else; announces it. */
  async #openSource(index, reader) {
    const file = this.files[index];
    const kept = this.#have.get(index);
    let offset = 0;
    let restarted = false;
    if (kept && kept.size > 0) {
      const { prefix } = await this.#storage.call('readOpen', { reader, file, offset: kept.size });
      if (prefix === kept.sha256) offset = kept.size;
      else restarted = true;
    }
    if (offset === 0) await this.#storage.call('readOpen', { reader, file, offset: 0 });
    if (restarted && !this.restarted.includes(this.entries[index].path)) this.restarted.push(this.entries[index].path);
    this.#skipped += offset;
    this.#send(restarted ? { type: 'file', index, offset, restarted } : { type: 'file', index, offset });
    return offset;
  }

  #next(reader) {
    const chunk = this.#storage.call('readNext', { reader, limit: Math.min(CHUNK, this.#window) });
    // Its failure is seen where it is awaited; until then it must not count as unhandled.
    chunk.catch(() => {});
    return chunk;
  }

  async #sendChunk({ bytes, sha256 }, run) {
    const length = bytes.byteLength;
    while (this.#sentBytes + length - this.#acknowledged > this.#window || this.#channel.bufferedAmount > HIGH_WATER) {
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
      if (run !== this.#run) return;
    }
    this.#send({ type: 'chunk', length, sha256 });
    for (let at = 0; at < length; at += MAX_MESSAGE) {
      this.#channel.send(new Uint8Array(bytes, at, Math.min(MAX_MESSAGE, length - at)));
    }
    this.#sentBytes += length;
  }

  #done(message) {
    if (!this.#finished) throw new TransferError('protocol', 'done before everything was sent');
    if (hashText(message.sha256) !== this.sha256) throw new TransferError('hash', 'the other side stored something else');
    this.#finish('done', null);
  }

  #closed(run) {
    if (run !== this.#run || this.over) return;
    this.interrupt();
  }

  #fail(error) {
    if (this.over) return;
    const kind = ['source', 'disk', 'protocol', 'hash'].includes(error.kind) ? error.kind : null;
    if (kind === null) {
      // A send on a channel that just closed: an interruption, not a fault of the files.
      this.interrupt();
      return;
    }
    this.#tell({ type: 'error', kind, message: error.message });
    this.#finish('failed', { kind, message: error.message });
  }

  #finish(state, error) {
    if (this.over) return;
    this.error = error;
    this.current = null;
    const channel = this.#channel;
    this.#detach();
    channel?.close();
    this.#set(state);
  }

  #detach() {
    this.#run += 1;
    const channel = this.#channel;
    this.#channel = null;
    if (channel) channel.onopen = channel.onmessage = channel.onclose = channel.onbufferedamountlow = null;
    this.#wake?.();
  }

  #send(message) {
    this.#channel.send(JSON.stringify(message));
  }

  #tell(message) {
    try {
      if (this.#channel?.readyState === 'open') this.#send(message);
    } catch {
      // The other side learns it from the closed channel.
    }
  }

  #set(state) {
    this.state = state;
    this.#changed(this);
  }
}

/** Entries as `entries` carries them; two files of one name get different names. */
function entriesOf(items) {
  const taken = new Set();
  return items.map((item) => {
    let path = item.path;
    for (let i = 1; taken.has(path.toLowerCase()); i += 1) {
      const folder = item.path.slice(0, item.path.length - baseName(item.path).length);
      path = folder + numbered(baseName(item.path), i);
    }
    taken.add(path.toLowerCase());
    if (item.dir) return { path, dir: true };
    const entry = { path, size: item.file.size };
    const mtime = Math.floor((item.file.lastModified ?? 0) / 1000);
    if (mtime > 0) entry.mtime = mtime;
    return entry;
  });
}
