// Which candidates a text has room for.

import { CANDIDATES_MAX } from './wire.js';
import { candidateBits } from './wire-candidate.js';

/**
 * The candidates of `offered` (as `parseCandidate` gives them) that fit into `bits`: `{ kept, dropped }`, where `dropped` has
 * `{ candidate, why }`, `why` being `room`, `useless` or `duplicate`. Better ones come first, but one of each kind before the
 * second of any: a relay is worth more than a third network card.
 */
export function choose(offered, bits) {
  const { useful, dropped } = sift(offered);
  useful.sort((a, b) => b.priority - a.priority);
  const seen = new Map();
  const wanted = useful.map(({ candidate }, index) => {
    const rank = rankOf(candidate);
    seen.set(rank, (seen.get(rank) ?? 0) + 1);
    return [seen.get(rank), rank, index];
  });
  wanted.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  let kept = [];
  for (const [, , index] of wanted) {
    const more = [...kept, index].sort((a, b) => a - b);
    if (more.length <= CANDIDATES_MAX && fits(ordered(useful, more), bits)) kept = more;
  }
  const lost = useful.filter((_, index) => !kept.includes(index));
  return { kept: ordered(useful, kept), dropped: [...dropped, ...lost.map(({ candidate }) => ({ candidate, why: 'room' }))] };
}

/** Those that are of use to somebody, and the others. */
function sift(offered) {
  const useful = [];
  const dropped = [];
  const onlyLoopback = !offered.some(({ candidate, component }) => useOf(candidate) === 'any' && component === 1);
  for (const one of offered) {
    const { candidate, component } = one;
    const use = useOf(candidate);
    // On a host without a network both sides are on it.
    const usable = component === 1 && (use === 'any' || (use === 'loopback' && onlyLoopback));
    if (!usable) dropped.push({ candidate, why: 'useless' });
    else if (useful.some((known) => samePlace(known.candidate, candidate))) dropped.push({ candidate, why: 'duplicate' });
    else useful.push(one);
  }
  return { useful, dropped };
}

function useOf({ transport, port, address: { family, bytes } }) {
  // RFC 6544 §4.5: the other side connects to nothing that only connects itself.
  if (transport === 'active' || port === 0) return 'none';
  if (bytes === null) return 'any';
  const zeros = bytes.slice(0, -1).every((byte) => byte === 0);
  if (family === 'v4') {
    if (bytes[0] === 127) return 'loopback';
    const broadcast = bytes.every((byte) => byte === 255);
    return (zeros && bytes[3] === 0) || broadcast || bytes[0] >> 4 === 14 ? 'none' : 'any';
  }
  if (zeros && bytes[15] === 1) return 'loopback';
  // Without its zone a link-local address leads nowhere.
  const linkLocal = bytes[0] === 0xfe && bytes[1] >> 6 === 2;
  return (zeros && bytes[15] === 0) || bytes[0] === 0xff || linkLocal ? 'none' : 'any';
}

/** One that differs only in how it was found is the same place. */
function samePlace(a, b) {
  return a.transport === b.transport && sameAddress(a, b) && a.port === b.port;
}

function sameAddress({ address: a }, { address: b }) {
  return a.family === b.family && a.text === b.text;
}

/** Kinds in the order in which the first of each is wanted. */
function rankOf({ kind, transport, address }) {
  const [udp, v6] = [transport === 'udp', address.family === 'v6'];
  if (v6 && address.bytes[0] >> 5 !== 1) return 7;
  const reflexive = kind === 'srflx' || kind === 'prflx';
  if (kind === 'relay') return v6 ? 6 : 3;
  if (udp) return kind === 'host' ? (v6 ? 2 : 0) : v6 ? 5 : 1;
  return !reflexive && !v6 ? 4 : 8;
}

/** The chosen ones: the better first, and those of one address side by side, which is shorter. */
function ordered(useful, chosen) {
  const out = [];
  for (const index of chosen) {
    const { candidate } = useful[index];
    const place = out.findLastIndex((earlier) => sameAddress(earlier, candidate));
    out.splice(place < 0 ? out.length : place + 1, 0, candidate);
  }
  return out;
}

function fits(candidates, bits) {
  try {
    return candidates.reduce((sum, candidate, index) => sum + candidateBits(candidate, candidates[index - 1] ?? null), 0) <= bits;
  } catch {
    // A name where only an address can stand.
    return false;
  }
}
