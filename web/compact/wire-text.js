// Short texts that are written out: six bits of length, seven bits for each character.

import { nonsense } from './bits.js';
import { lacks } from './error.js';

const MAX = 63;

export function putText(out, text) {
  if (!/^[ -~]*$/.test(text) || text.length > MAX) throw lacks(`names of at most ${MAX} ASCII characters`);
  out.put(text.length, 6);
  for (const character of text) out.put(character.charCodeAt(0), 7);
}

export function takeText(from) {
  const codes = [];
  for (let left = from.take(6); left > 0; left -= 1) {
    const code = from.take(7);
    if (code < 0x20 || code > 0x7e) throw nonsense();
    codes.push(code);
  }
  return String.fromCharCode(...codes);
}
