// Candidates as lines of a description.

import { parseAddress } from './address.js';

const TYPES = ['host', 'srflx', 'prflx', 'relay'];
/** RFC 8445 §5.1.2.2; over TCP less than over UDP. */
const TYPE_PREFERENCES = { host: [126, 90], prflx: [110, 80], srflx: [100, 70], relay: [0, 0] };
/** RFC 6544 §4.2. */
const LOCAL_PREFERENCES = { udp: 65535, passive: 4 << 13 | 8191, so: 2 << 13 | 8191, active: 6 << 13 | 8191 };

/** Reads the value of `a=candidate` (RFC 8839 §5.1): `{ priority, component, candidate }`; null for what has no place in a text. */
export function parseCandidate(value) {
  const words = value.split(/[ \t]+/).filter((word) => word !== '');
  const [, component, protocol, priority, host, port, typ, kind] = words;
  if (words.length < 8 || typ !== 'typ' || !TYPES.includes(kind)) return null;
  if (!whole(component, 65535) || !whole(priority, 0xffffffff) || !whole(port, 65535)) return null;
  const address = parseAddress(host);
  const transport = transportOf(protocol.toLowerCase(), words.slice(8));
  if (address === null || transport === null) return null;
  return { priority: Number(priority), component: Number(component), candidate: { kind, transport, address, port: Number(port) } };
}

/** The value of `a=candidate` for the candidate at `index`, as `origin` spells it. */
export function candidateLine({ kind, transport, address, port }, index, origin) {
  const protocol = transport === 'udp' ? 'udp' : 'tcp';
  const udp = transport === 'udp';
  const local = Math.max(0, LOCAL_PREFERENCES[transport] - index);
  const priority = TYPE_PREFERENCES[kind][udp ? 0 : 1] * 2 ** 24 + local * 256 + 255;
  let line = `${index} 1 ${origin === 'firefox' ? protocol.toUpperCase() : protocol} ${priority} ${address.text} ${port} typ ${kind}`;
  // What it was derived from is nobody's business.
  if (kind !== 'host') line += ` raddr ${address.family === 'v6' ? '::' : '0.0.0.0'} rport 0`;
  if (!udp) line += ` tcptype ${transport}`;
  return origin === 'chromium' ? `${line} generation 0` : line;
}

function transportOf(protocol, rest) {
  if (protocol === 'udp') return 'udp';
  const type = rest[rest.indexOf('tcptype') + 1];
  return protocol === 'tcp' && rest.includes('tcptype') && ['passive', 'so', 'active'].includes(type) ? type : null;
}

function whole(text, most) {
  return /^\d{1,10}$/.test(text) && Number(text) <= most;
}
