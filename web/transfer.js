// What sending (send.js) and receiving (receive.js) of docs/transfer.md share.

import { sha256 } from './vendor/noble-hashes/sha2.js';
import { hex } from './text.js';

export const VERSION = 1;
export const LABEL = 'transfer';
export const PROTOCOL = 'peerage.transfer.1';
/** Longest message on a channel. */
export const MAX_MESSAGE = 65536;
/** Most entries that this page takes in one transfer. */
export const MAX_ENTRIES = 10000;
/** Most characters that their paths may have together. */
export const MAX_PATHS = 4 * 1024 * 1024;
/** Bytes that a sender may be ahead of what this page has stored. */
export const WINDOW = 8 * 1024 * 1024;

const HASH = /^[0-9a-f]{64}$/;
const utf8 = new TextEncoder();

/** The end of a transfer, with a kind of docs/transfer.md. */
export class TransferError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/** A text message as an object; throws what ends the transfer. */
export function parse(text) {
  if (text.length > MAX_MESSAGE) throw new TransferError('protocol', 'a message is too long');
  try {
    const message = JSON.parse(text);
    if (typeof message === 'object' && message !== null && typeof message.type === 'string') return message;
  } catch {
    // Told below.
  }
  throw new TransferError('protocol', 'a message cannot be read');
}

/** Throws unless `value` is a whole number from 0 to `max`. */
export function count(value, max = Number.MAX_SAFE_INTEGER) {
  if (!Number.isSafeInteger(value) || value < 0 || value > max) throw new TransferError('protocol', 'a number is out of range');
  return value;
}

/** Throws unless `value` is a SHA-256 in lower-case hexadecimal. */
export function hashText(value) {
  if (typeof value !== 'string' || !HASH.test(value)) throw new TransferError('protocol', 'a hash is malformed');
  return value;
}

/** Splits `list` over as many messages `{type, list}` as their length needs. */
export function batches(type, list) {
  const messages = [];
  let batch = [];
  let length = 0;
  for (const item of list) {
    const size = utf8.encode(JSON.stringify(item)).length + 1;
    if (batch.length > 0 && length + size > MAX_MESSAGE - 64) {
      messages.push(JSON.stringify({ type, list: batch }));
      batch = [];
      length = 0;
    }
    batch.push(item);
    length += size;
  }
  if (batch.length > 0) messages.push(JSON.stringify({ type, list: batch }));
  return messages;
}

/** The hash that `done` carries: of the one file, or of the manifest. `hashes` are the files' hashes by index. */
export function overallHash(entries, hashes) {
  if (entries.length === 1 && !entries[0].dir) return hashes.get(0);
  const manifest = sha256.create();
  entries.forEach((entry, index) => {
    manifest.update(utf8.encode(entry.dir ? `${entry.path}/\n` : `${entry.path}\n${entry.size}\n${hashes.get(index)}\n`));
  });
  return hex(manifest.digest());
}

/** Bytes per second over the last few seconds. */
export class Rate {
  #samples = [];

  note(total, now = performance.now()) {
    const last = this.#samples.length - 1;
    if (last > 0 && now - this.#samples[last][0] < 100) this.#samples[last][1] = total;
    else this.#samples.push([now, total]);
    while (this.#samples.length > 2 && now - this.#samples[0][0] > 4000) this.#samples.shift();
  }

  perSecond(now = performance.now()) {
    if (this.#samples.length < 2) return 0;
    const [start, from] = this.#samples[0];
    const to = this.#samples[this.#samples.length - 1][1];
    return now > start ? ((to - from) * 1000) / (now - start) : 0;
  }
}
