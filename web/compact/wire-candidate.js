// A candidate: two bits for the kind of address, two for how it was found, two for the transport, the address, the port.

import { addressOf, isIp, mdns, parseAddress, uuidDigits, uuidOf } from './address.js';
import { BitWriter, nonsense } from './bits.js';
import { lacks } from './error.js';
import { putText, takeText } from './wire-text.js';

/** Where a name is, the bits of the kind say which kind of name; only a host has one. */
const [MDNS, OTHER_NAME] = [0, 1];
const FAMILIES = { v4: 0, v6: 1, mdns: 2, name: 2 };
const SAME = 3;
const KINDS = ['host', 'srflx', 'prflx', 'relay'];
const TRANSPORTS = ['udp', 'passive', 'so', 'active'];

/** Writes a candidate that comes behind `before` (or null), whose address it may share. */
export function putCandidate(out, { kind, transport, address, port }, before) {
  const same = before !== null && before.address.family === address.family && before.address.text === address.text;
  if (!isIp(address) && kind !== 'host') throw lacks('addresses instead of names in candidates of servers');
  let second = KINDS.indexOf(kind);
  if (!same && !isIp(address)) second = address.family === 'mdns' ? MDNS : OTHER_NAME;
  out.put((same ? SAME : FAMILIES[address.family]) << 4 | second << 2 | TRANSPORTS.indexOf(transport), 6);
  if (!same) {
    if (isIp(address)) out.bytes(address.bytes);
    else if (address.family === 'mdns') out.digits(uuidDigits(address.text.slice(0, 36)));
    else putText(out, address.text);
  }
  out.put(port, 16);
}

/** Bits that a candidate takes behind `before`, with the one that says whether another follows. */
export function candidateBits(candidate, before) {
  const out = new BitWriter();
  putCandidate(out, candidate, before);
  return out.length + 1;
}

export function takeCandidate(from, before) {
  const [family, second, transport] = [from.take(2), from.take(2), from.take(2)];
  const address = takeAddress(from, family, second, before);
  const kind = isIp(address) ? KINDS[second] : 'host';
  return { kind, transport: TRANSPORTS[transport], address, port: from.take(16) };
}

function takeAddress(from, family, second, before) {
  if (family === 0) return addressOf(from.bytes(4));
  if (family === 1) return addressOf(from.bytes(16));
  if (family === SAME && before !== null) return before.address;
  if (family === 2 && second === MDNS) return mdns(uuidOf(from.digits(58) + from.digits(64)));
  if (family === 2 && second === OTHER_NAME) {
    // An address written out would be another candidate.
    const address = parseAddress(takeText(from));
    if (address?.family === 'name') return address;
  }
  throw nonsense();
}
