// The worker side of storage.js.

import { Engine } from './engine.js';

const engine = new Engine();

onmessage = async ({ data: { id, operation, parameters } }) => {
  try {
    const result = await engine.call(operation, parameters);
    const moved = result?.bytes instanceof ArrayBuffer ? [result.bytes] : [];
    postMessage({ id, result }, moved);
  } catch (error) {
    postMessage({ id, error: { kind: error.kind ?? 'disk', message: String(error.message) } });
  }
};
