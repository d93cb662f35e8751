// A text as its differences from one that both sides have (docs/compact.md, "Differences").

import { nonsense } from './bits.js';

const PLACE_BITS = 14;
/** Shorter copies cost more than their characters. */
const COPY_MIN = 3;
/** Characters of the longest text, far more than any section of a description that fits has. */
export const TEXT_MAX = 6000;
/** How many places of the same beginning are looked at. */
const TRIED = 32;
/** A copy from a near place is taken even if one from afar is this much longer. */
const NEAR_BONUS = 3;
/** Places further than this after the next one are far. */
const NEAR_MAX = 255;

/** Writes `text`, which is ASCII without NUL, given `known`. */
export function writeDelta(out, known, text) {
  const all = codes(known + text);
  const places = new Map();
  let [indexed, next, at] = [0, 0, known.length];
  while (at < all.length) {
    for (; indexed + COPY_MIN <= at; indexed += 1) {
      const key = beginning(all, indexed);
      if (!places.has(key)) places.set(key, []);
      places.get(key).push(indexed);
    }
    const found = best(all, places, at, next);
    if (found === null) {
      out.put(all[at] & 0x7f, 8);
      at += 1;
      next += 1;
      continue;
    }
    const ahead = found.place - next;
    const near = ahead >= 0 && ahead <= NEAR_MAX;
    out.flag(true);
    out.flag(!near);
    if (near) out.gamma(ahead + 1);
    else out.put(found.place, PLACE_BITS);
    out.gamma(found.length - COPY_MIN + 1);
    at += found.length;
    next = found.place + found.length;
  }
  out.put(0, 8);
}

/** Reads what `writeDelta` wrote. */
export function readDelta(from, known) {
  const all = codes(known);
  let next = 0;
  for (;;) {
    const room = known.length + TEXT_MAX - all.length;
    if (!from.flag()) {
      const code = from.take(7);
      if (code === 0) return String.fromCharCode(...all.slice(known.length));
      if (room < 1) throw nonsense();
      all.push(code);
      next += 1;
      continue;
    }
    const place = from.flag() ? from.take(PLACE_BITS) : next + from.gamma() - 1;
    const length = from.gamma() + COPY_MIN - 1;
    if (place >= all.length || length > room) throw nonsense();
    // A copy may run into what it writes itself.
    for (let at = place; at < place + length; at += 1) all.push(all[at]);
    next = place + length;
  }
}

/** Where to copy from for position `at`, and how much; null if nothing is gained. */
function best(all, places, at, next) {
  if (at + COPY_MIN > all.length) return null;
  const same = places.get(beginning(all, at)) ?? [];
  const copy = (place) => {
    let length = 0;
    while (at + length < all.length && all[place + length] === all[at + length]) length += 1;
    return { place, length };
  };
  const nearest = same.find((place) => place >= next && place <= next + NEAR_MAX);
  const near = nearest === undefined ? null : copy(nearest);
  // The newest places are those of what was written last, which repeats.
  let far = null;
  for (const place of [...same.slice(-TRIED).reverse(), ...same.slice(0, TRIED)]) {
    if (place >= 2 ** PLACE_BITS) continue;
    const found = copy(place);
    if (far === null || found.length >= far.length) far = found;
  }
  if (near !== null && far !== null && near.length + NEAR_BONUS >= far.length) return near;
  // From afar a short copy is no gain.
  return far !== null && far.length > COPY_MIN ? far : near;
}

function beginning(all, at) {
  return all[at] << 16 | all[at + 1] << 8 | all[at + 2];
}

function codes(text) {
  return Array.from(text, (character) => character.charCodeAt(0));
}
