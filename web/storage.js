// Where received files go, and what this browser can take. The work itself is done in engine.js.

import { Engine, EngineError } from './engine.js';
import { base64url, bytes, randomBytes } from './text.js';

const FOLDER = 'peerage';
const MEMORY_LIMIT = 512 * 1024 * 1024;
const PHONE_MEMORY_LIMIT = 256 * 1024 * 1024;

/** The engine, in a worker where one can be had. */
export class Storage {
  #worker = null;
  #engine = null;
  #waiting = new Map();
  #next = 0;
  #session = base64url(randomBytes(12));
  #kind = 'memory';
  #memoryUsed = 0;

  /** Finds out what this browser offers. */
  static async create() {
    const storage = new Storage();
    storage.#startWorker();
    await storage.#choose();
    return storage;
  }

  /** `disk` or `memory`. */
  get kind() {
    return this.#kind === 'opfs' ? 'disk' : 'memory';
  }

  /** Whether the person can pick a place on disk that is written to directly. */
  get canPickFile() {
    return typeof window !== 'undefined' && isSecureContext && typeof window.showSaveFilePicker === 'function';
  }

  get canPickFolder() {
    return typeof window !== 'undefined' && isSecureContext && typeof window.showDirectoryPicker === 'function';
  }

  /** Bytes that can be received now without picking a place. */
  async limit() {
    if (this.#kind !== 'opfs') return Math.max(0, memoryLimit() - this.#memoryUsed);
    const { quota = 0, usage = 0 } = await navigator.storage.estimate();
    return Math.max(0, quota - usage);
  }

  /** One sentence on what can be received and why. */
  async describe() {
    const limit = bytes(await this.limit());
    if (this.#kind === 'opfs') return `Received files are kept on disk by this browser until you save them: up to ${limit} now.`;
    if (!globalThis.isSecureContext) {
      return `Over plain HTTP received files are held in memory: up to ${limit} now. Open the page over HTTPS for larger ones.`;
    }
    return `This browser lets the page store nothing on disk (a private window?), so received files are held in memory: up to ${limit} now.`;
  }

  /** Asks the engine. Throws an error with `kind` and `message`. */
  call(operation, parameters, moved = []) {
    if (this.#engine) return this.#engine.call(operation, parameters);
    return new Promise((resolve, reject) => {
      this.#next += 1;
      this.#waiting.set(this.#next, { resolve, reject });
      this.#worker.postMessage({ id: this.#next, operation, parameters }, moved);
    });
  }

  /** Where a transfer goes if nothing was picked: parameters of `storeOpen`. */
  place(transfer) {
    return this.#kind === 'opfs' ? { kind: 'opfs', path: [FOLDER, this.#session, transfer] } : { kind: 'memory' };
  }

  /** Memory that received files take, so that the limit holds over all of them. */
  reserve(place, count) {
    if (place.kind === 'memory') this.#memoryUsed += count;
  }

  release(place, count) {
    if (place.kind === 'memory') this.#memoryUsed = Math.max(0, this.#memoryUsed - count);
  }

  #startWorker() {
    try {
      this.#worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    } catch {
      this.#engine = new Engine();
      return;
    }
    this.#worker.onmessage = ({ data }) => {
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if (data.error) waiting?.reject(new EngineError(data.error.kind, data.error.message));
      else waiting?.resolve(data.result);
    };
    this.#worker.onerror = () => {
      // The script did not load or the worker died; what it held is lost, what comes next runs in the page.
      this.#worker = null;
      this.#engine = new Engine();
      this.#kind = 'memory';
      for (const { reject } of this.#waiting.values()) reject(new EngineError('disk', 'the storage of this page stopped'));
      this.#waiting.clear();
    };
  }

  async #choose() {
    if (typeof navigator === 'undefined' || !navigator.storage?.getDirectory || !this.#worker) return;
    // The lock says to other tabs that this session lives; it ends with the tab.
    await new Promise((granted) => {
      if (!navigator.locks) granted();
      else navigator.locks.request(`peerage-${this.#session}`, () => (granted(), new Promise(() => {}))).catch(granted);
    });
    const usable = await this.call('probe', { path: [FOLDER, this.#session] }).catch(() => false);
    if (!usable) return;
    this.#kind = 'opfs';
    await sweep(this.#session);
  }
}

/** Asks the person for a file or folder; null if they changed their mind. */
export async function pick(entries) {
  const files = entries.filter((entry) => !entry.dir);
  try {
    if (files.length === 1 && entries.length === 1 && window.showSaveFilePicker) {
      const name = files[0].path.split('/').pop();
      return { kind: 'file', handle: await window.showSaveFilePicker({ suggestedName: name }) };
    }
    return { kind: 'folder', handle: await window.showDirectoryPicker({ mode: 'readwrite' }) };
  } catch (error) {
    if (error.name === 'AbortError') return null;
    throw error;
  }
}

/** Removes what sessions that ended left in the private file system. */
async function sweep(session) {
  if (!navigator.locks) return;
  try {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER);
    for await (const name of root.keys()) {
      if (name === session) continue;
      await navigator.locks.request(`peerage-${name}`, { ifAvailable: true }, async (lock) => {
        if (lock) await root.removeEntry(name, { recursive: true });
      });
    }
  } catch {
    // Another tab was quicker, or a file is still open.
  }
}

function memoryLimit() {
  const phone = /Android|iPhone|iPad|Mobile/.test(navigator.userAgent);
  return phone ? PHONE_MEMORY_LIMIT : MEMORY_LIMIT;
}
