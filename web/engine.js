// Reads, hashes and stores file content. Runs in a worker (worker.js), so that the page stays smooth; where no worker
// can be had, in the page itself.

import { sha256 } from './vendor/noble-hashes/sha2.js';
import { hex } from './text.js';
import { numbered } from './paths.js';

/** Content bytes that one hash covers (docs/transfer.md, `chunk`). */
export const CHUNK = 262144;
const MEMORY_PART = 8 * 1024 * 1024;
const PREFIX_READ = 1024 * 1024;

/** What `Engine.call` may be asked for. */
const OPERATIONS = new Set([
  'readOpen', 'readNext', 'readEnd', 'readClose',
  'storeOpen', 'folder', 'fileOpen', 'write', 'fileEnd', 'kept', 'storeClose', 'storeDrop', 'probe',
]);

/** A fault with a kind of docs/transfer.md. */
export class EngineError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

export class Engine {
  #readers = new Map();
  #stores = new Map();
  #lines = new Map();

  /** Runs one operation. Those of one reader or one store run one after the other, in the order of the calls. */
  call(operation, parameters) {
    if (!OPERATIONS.has(operation)) return Promise.reject(new EngineError('protocol', 'unknown operation'));
    const line = parameters.reader ?? parameters.store ?? operation;
    const run = () => this[operation](parameters);
    const result = (this.#lines.get(line) ?? Promise.resolve()).then(run);
    const settled = result.then(() => {}, () => {}).then(() => {
      if (this.#lines.get(line) === settled) this.#lines.delete(line);
    });
    this.#lines.set(line, settled);
    return result;
  }

  /** Begins to read `file` at `offset`. `prefix`: the hash of what lies before, null where nothing does. */
  async readOpen({ reader, file, offset }) {
    const hash = sha256.create();
    for (let at = 0; at < offset; at += PREFIX_READ) {
      hash.update(await content(file, at, Math.min(offset, at + PREFIX_READ)));
    }
    this.#readers.set(reader, { file, at: offset, hash });
    return { prefix: offset > 0 ? hex(hash.clone().digest()) : null };
  }

  /** The next chunk: `{ bytes, sha256 }`, with no bytes at the end of the file. */
  async readNext({ reader, limit }) {
    const state = this.#readers.get(reader);
    if (!state) throw new EngineError('source', 'the file is not open');
    const end = Math.min(state.file.size, state.at + Math.min(limit, CHUNK));
    const data = await content(state.file, state.at, end);
    state.at = end;
    state.hash.update(data);
    return { bytes: data.buffer, sha256: await digest(data) };
  }

  /** The hash of the whole file, after its last chunk. */
  async readEnd({ reader }) {
    const state = this.#readers.get(reader);
    if (!state) throw new EngineError('source', 'the file is not open');
    this.#readers.delete(reader);
    return { sha256: hex(state.hash.digest()) };
  }

  async readClose({ reader }) {
    this.#readers.delete(reader);
    return null;
  }

  /**
   * Opens a store for one transfer. `kind`: `memory`, `opfs` (`path`: folders below the private root), `file` (`handle`
   * of a picked file) or `folder` (`handle` of a picked folder).
   */
  async storeOpen({ store, kind, path, handle }) {
    if (this.#stores.has(store)) return null;
    const root = kind === 'opfs' ? await privateFolder(path, true) : handle ?? null;
    this.#stores.set(store, { kind, path, root, files: new Map() });
    return null;
  }

  /** Makes a folder; matters only where the person picked where to. */
  async folder({ store, path }) {
    const state = this.#store(store);
    if (state.kind === 'folder') await disk(() => subfolder(state, path.split('/')));
    return null;
  }

  /** Opens entry `index` for writing and goes on where it stopped; `restart` throws away what is there. */
  async fileOpen({ store, index, path, restart }) {
    const state = this.#store(store);
    const known = state.files.get(index);
    if (known && !restart) return { size: known.size };
    if (known) await known.sink.abandon();
    const sink = await disk(() => createSink(state, index, path, known?.sink));
    state.files.set(index, { sink, size: 0, hash: sha256.create(), result: null });
    return { size: 0 };
  }

  /** Checks one chunk and stores it. */
  async write({ store, index, parts, sha256: expected }) {
    const file = this.#store(store).files.get(index);
    if (!file || file.result || file.broken) throw new EngineError('protocol', 'content for a file that is not open');
    const data = joined(parts);
    // Chunks that follow a bad one are already on their way: they must not take its place.
    file.broken = true;
    if ((await digest(data)) !== expected) throw new EngineError('hash', 'a chunk arrived damaged');
    await disk(() => file.sink.write(data, file.size));
    file.broken = false;
    file.hash.update(data);
    file.size += data.length;
    return { size: file.size };
  }

  /** Finishes entry `index`: its size, its hash and, where the page holds it, its content. */
  async fileEnd({ store, index }) {
    const file = this.#store(store).files.get(index);
    if (!file) throw new EngineError('protocol', 'the end of a file that is not open');
    if (!file.result) {
      const { content: blob, name } = await disk(() => file.sink.finish());
      file.result = { size: file.size, sha256: hex(file.hash.clone().digest()), content: blob, name };
    }
    return file.result;
  }

  /** What is kept of each entry, for `have`. */
  async kept({ store }) {
    return [...this.#store(store).files]
      .filter(([, file]) => file.size > 0)
      .map(([index, file]) => ({ index, size: file.size, sha256: hex(file.hash.clone().digest()) }))
      .sort((a, b) => a.index - b.index);
  }

  /** Ends the store; finished files stay, unfinished ones stay where the person picked where to. */
  async storeClose({ store }) {
    const state = this.#stores.get(store);
    if (!state) return null;
    this.#stores.delete(store);
    for (const file of state.files.values()) {
      if (file.result) continue;
      await (state.root === null || state.kind === 'opfs' ? file.sink.abandon() : file.sink.finish()).catch(() => {});
    }
    return null;
  }

  /** Ends the store and removes what the page itself holds of it. */
  async storeDrop({ store, path }) {
    await this.storeClose({ store });
    if (path) await removePrivate(path);
    return null;
  }

  /** Whether a worker of this browser can write to the private file system. */
  async probe({ path }) {
    try {
      const folder = await privateFolder(path, true);
      const handle = await folder.getFileHandle('probe', { create: true });
      const access = await handle.createSyncAccessHandle();
      access.write(new Uint8Array(1), { at: 0 });
      access.close();
      await folder.removeEntry('probe');
      return true;
    } catch {
      return false;
    }
  }

  #store(store) {
    const state = this.#stores.get(store);
    if (!state) throw new EngineError('disk', 'the place for this transfer is closed');
    return state;
  }
}

async function createSink(state, index, path, earlier) {
  switch (state.kind) {
    case 'opfs': {
      const handle = await state.root.getFileHandle(String(index), { create: true });
      return new PrivateSink(handle, await handle.createSyncAccessHandle(), state.root);
    }
    case 'file':
      return new PickedSink(state.root, await state.root.createWritable());
    case 'folder': {
      const parts = path.split('/');
      const handle = earlier?.handle ?? await freshFile(await subfolder(state, parts.slice(0, -1)), parts[parts.length - 1]);
      return new PickedSink(handle, await handle.createWritable());
    }
    default:
      return new MemorySink();
  }
}

/** In the origin's private file system: on disk, hidden, until the person saves or removes it. */
class PrivateSink {
  constructor(handle, access, folder) {
    this.handle = handle;
    this.access = access;
    this.folder = folder;
    access.truncate(0);
  }

  async write(data, at) {
    if (this.access.write(data, { at }) !== data.length) throw new EngineError('disk', 'the disk is full');
  }

  async finish() {
    this.access.flush();
    this.access.close();
    return { content: await this.handle.getFile(), name: null };
  }

  async abandon() {
    this.access.close();
    await this.folder.removeEntry(this.handle.name).catch(() => {});
  }
}

/** A file that the person picked, or one in a folder that the person picked. */
class PickedSink {
  constructor(handle, writable) {
    this.handle = handle;
    this.writable = writable;
  }

  async write(data, at) {
    await this.writable.write({ type: 'write', position: at, data });
  }

  async finish() {
    await this.writable.close();
    return { content: null, name: this.handle.name };
  }

  async abandon() {
    await this.writable.abort().catch(() => {});
  }
}

/** In memory; blobs of a few MiB let browsers that can move them to disk do so. */
class MemorySink {
  constructor() {
    this.blobs = [];
    this.parts = [];
    this.size = 0;
  }

  async write(data) {
    this.parts.push(data);
    this.size += data.length;
    if (this.size >= MEMORY_PART) this.#fold();
  }

  async finish() {
    this.#fold();
    const content = new Blob(this.blobs, { type: 'application/octet-stream' });
    this.blobs = [];
    return { content, name: null };
  }

  async abandon() {
    this.blobs = [];
    this.parts = [];
  }

  #fold() {
    if (this.parts.length > 0) this.blobs.push(new Blob(this.parts));
    this.parts = [];
    this.size = 0;
  }
}

async function subfolder(state, parts) {
  let folder = state.root;
  for (const part of parts) folder = await folder.getDirectoryHandle(part, { create: true });
  return folder;
}

/** Never overwrites: `name`, else `name (1)`, `name (2)`, ... */
async function freshFile(folder, name) {
  for (let count = 0; count < 1000; count += 1) {
    const candidate = count === 0 ? name : numbered(name, count);
    try {
      await folder.getFileHandle(candidate);
    } catch (error) {
      if (error.name === 'NotFoundError') return folder.getFileHandle(candidate, { create: true });
      if (error.name !== 'TypeMismatchError') throw error;
    }
  }
  throw new EngineError('disk', 'too many files of this name');
}

async function privateFolder(path, create) {
  let folder = await navigator.storage.getDirectory();
  for (const part of path) folder = await folder.getDirectoryHandle(part, { create });
  return folder;
}

async function removePrivate(path) {
  try {
    const parent = await privateFolder(path.slice(0, -1), false);
    await parent.removeEntry(path[path.length - 1], { recursive: true });
  } catch {
    // Already gone.
  }
}

async function content(file, from, to) {
  let buffer;
  try {
    buffer = await file.slice(from, to).arrayBuffer();
  } catch {
    throw new EngineError('source', 'the file can no longer be read; it may have been changed or moved');
  }
  if (buffer.byteLength !== to - from) throw new EngineError('source', 'the file became shorter');
  return new Uint8Array(buffer);
}

async function digest(data) {
  // Plain HTTP has no crypto.subtle.
  return hex(globalThis.crypto?.subtle ? new Uint8Array(await crypto.subtle.digest('SHA-256', data)) : sha256(data));
}

async function disk(action) {
  try {
    return await action();
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError('disk', error?.name === 'QuotaExceededError' ? 'there is no space left' : `writing failed (${error?.name ?? 'error'})`);
  }
}

function joined(parts) {
  if (parts.length === 1) return new Uint8Array(parts[0]);
  const data = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    data.set(new Uint8Array(part), at);
    at += part.byteLength;
  }
  return data;
}
