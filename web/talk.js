// Chat with every peer, and the console for `peerage pipe`.

import { clean, cleanLines } from './text.js';

const MAX_MESSAGES = 500;
const MAX_TEXT = 16000;
const MAX_SHOWN = 64 * 1024;
const MAX_KEPT = 64 * 1024 * 1024;
const MAX_PIPE_MESSAGE = 65536;

export class Chat {
  /** `{ own, event, from, text, at }`, oldest first. */
  messages = [];
  #channels = new Map();
  #on;

  /** Handlers: `changed(message)`. */
  constructor({ on }) {
    this.#on = on;
  }

  /** A chat channel of a peer, opened on either side. */
  attach(peer, channel) {
    this.#channels.set(peer.id, channel);
    channel.onmessage = ({ data }) => {
      if (typeof data === 'string') this.#add({ own: false, from: peer, text: cleanLines(data, MAX_TEXT) });
    };
    channel.onclose = () => {
      if (this.#channels.get(peer.id) === channel) this.#channels.delete(peer.id);
    };
  }

  /** How many can read a message now. */
  get readers() {
    return [...this.#channels.values()].filter((channel) => channel.readyState === 'open').length;
  }

  /** Says `text` to everyone; false where nobody can hear it. */
  say(text) {
    const cleaned = cleanLines(text, MAX_TEXT).trim();
    if (cleaned === '' || this.readers === 0) return false;
    for (const channel of this.#channels.values()) {
      if (channel.readyState !== 'open') continue;
      try {
        channel.send(cleaned);
      } catch {
        // It closed at this moment; the others still get it.
      }
    }
    this.#add({ own: true, from: null, text: cleaned });
    return true;
  }

  /** A line about who came and went. */
  event(text) {
    this.#add({ own: false, event: true, from: null, text: clean(text) });
  }

  #add(message) {
    const entry = { event: false, ...message, at: new Date() };
    this.messages.push(entry);
    if (this.messages.length > MAX_MESSAGES) this.messages.shift();
    this.#on.changed(entry);
  }
}

/** The channel of one `peerage pipe`: what comes, as text or hexadecimal, and a line to type. */
export class Pipe {
  received = 0;
  sent = 0;
  theirEnd = false;
  ourEnd = false;
  closed = false;
  #channel;
  #tail = new Uint8Array(0);
  #kept = [];
  #on;

  /** Handlers: `changed(pipe)`. */
  constructor({ peer, channel, on }) {
    this.peer = peer;
    this.#channel = channel;
    this.#on = on;
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => this.#arrive(data);
    channel.onclose = () => {
      this.closed = true;
      on.changed(this);
    };
    channel.addEventListener('open', () => on.changed(this));
  }

  get open() {
    return this.#channel.readyState === 'open' && !this.ourEnd;
  }

  /** Whether everything that came can still be saved. */
  get complete() {
    return this.received <= MAX_KEPT;
  }

  /** The end of what came. */
  text(asHex) {
    if (!asHex) return cleanLines(new TextDecoder().decode(this.#tail), MAX_SHOWN);
    const lines = [];
    for (let at = 0; at < Math.min(this.#tail.length, 8192); at += 16) {
      lines.push(Array.from(this.#tail.subarray(at, at + 16), (byte) => byte.toString(16).padStart(2, '0')).join(' '));
    }
    return lines.join('\n');
  }

  content() {
    return new Blob(this.#kept, { type: 'application/octet-stream' });
  }

  say(text) {
    if (!this.open) return;
    const data = new TextEncoder().encode(text);
    for (let at = 0; at < data.length; at += MAX_PIPE_MESSAGE) this.#channel.send(data.subarray(at, at + MAX_PIPE_MESSAGE));
    this.sent += data.length;
    this.#on.changed(this);
  }

  /** Says that nothing more comes from here. */
  end() {
    if (!this.open) return;
    this.#channel.send(new ArrayBuffer(0));
    this.ourEnd = true;
    this.#finish();
  }

  #arrive(data) {
    if (typeof data === 'string' || this.theirEnd) return;
    if (data.byteLength === 0) {
      this.theirEnd = true;
      this.#finish();
      return;
    }
    this.received += data.byteLength;
    if (this.complete) this.#kept.push(new Blob([data]));
    else this.#kept = [];
    const room = MAX_SHOWN - data.byteLength;
    const tail = new Uint8Array(Math.min(this.#tail.length, Math.max(0, room)) + Math.min(data.byteLength, MAX_SHOWN));
    const before = tail.length - Math.min(data.byteLength, MAX_SHOWN);
    tail.set(this.#tail.subarray(this.#tail.length - before));
    tail.set(new Uint8Array(data).subarray(Math.max(0, data.byteLength - MAX_SHOWN)), before);
    this.#tail = tail;
    this.#on.changed(this);
  }

  #finish() {
    if (this.theirEnd && this.ourEnd) this.#channel.close();
    this.#on.changed(this);
  }
}
