// From a session text to the description that its author had (docs/compact.md, "The description").

import { isIp } from './address.js';
import { candidateLine } from './candidate.js';
import { fill } from './pattern.js';

const PROTOCOLS = { audio: 'UDP/TLS/RTP/SAVPF', video: 'UDP/TLS/RTP/SAVPF', application: 'UDP/DTLS/SCTP' };
const RANKS = { relay: 0, srflx: 1, prflx: 2, host: 2 };

/** The session description (RFC 8866), as near as possible to what its author wrote. */
export function toSdp(description) {
  const { sections, session } = description;
  const lines = ['v=0', `o=${originLine(description)}`, 's=-', 't=0 0'];
  lines.push(...fill(session, (name) => value(description, name, null)).split('\n').filter((line) => line !== ''));
  const carrier = sections.find((section) => !section.refused);
  for (const section of sections) lines.push(...sectionLines(description, section, section === carrier));
  return lines.map((line) => `${line}\r\n`).join('');
}

/** The formats of a section: as written out, else those that are described, in their order. */
export function formats(media, body) {
  const lines = body.split('\n');
  const written = lines.find((line) => line.startsWith('f='));
  if (written !== undefined) return written.slice(2);
  if (media === 'application') return 'webrtc-datachannel';
  const described = lines.filter((line) => line.startsWith('a=rtpmap:')).map((line) => line.slice(9).split(' ')[0]);
  return described.length === 0 ? '0' : described.join(' ');
}

/** The names of the live sections: a refused one leaves its group (RFC 9143 §7.3.3). */
export function mids({ sections }) {
  return sections.filter((section) => !section.refused).map((section) => ` ${section.mid}`).join('');
}

/** The streams of all sections, each once. */
export function streams({ sections }) {
  const all = sections.map((section) => section.values.stream).filter((stream) => stream !== null && stream !== '-');
  return [...new Set(all)].map((stream) => ` ${stream}`).join('');
}

/** What follows `o=`. The session is named after the certificate: no other has its number. */
function originLine({ origin, fingerprint }) {
  const number = Array.from(fingerprint.slice(0, 8)).reduce((sum, byte) => sum << 8n | BigInt(byte), 0n) >> 1n;
  if (origin === 'chromium') return `- ${number} 2 IN IP4 127.0.0.1`;
  return origin === 'firefox' ? `mozilla...THIS_IS_SDPARTA-99.0 ${number} 0 IN IP4 0.0.0.0` : `- ${number} 1 IN IP4 0.0.0.0`;
}

/** The lines of a section. `carrier`: it is the one that shows the candidates. */
function sectionLines(description, section, carrier) {
  const { origin, candidates } = description;
  const body = fill(section.body, (name) => value(description, name, section));
  const rest = body.split('\n').filter((line) => line !== '' && !line.startsWith('f='));
  const closed = section.refused || rest.includes('a=bundle-only');
  const best = carrier ? defaultDestination(candidates) : null;
  const port = closed ? 0 : best?.port ?? 9;
  const connection = best === null ? 'IN IP4 0.0.0.0' : `IN ${best.address.family === 'v6' ? 'IP6' : 'IP4'} ${best.address.text}`;
  const head = [`m=${section.media} ${port} ${PROTOCOLS[section.media]} ${formats(section.media, body)}`, `c=${connection}`];
  const shown = carrier ? candidates.map((candidate, index) => `a=candidate:${candidateLine(candidate, index, origin)}`) : [];
  const end = carrier ? ['a=end-of-candidates'] : [];
  if (origin === 'native') return [...head, ...rest, ...shown, ...end];
  if (origin === 'chromium') {
    const place = rest.findIndex((line) => line.startsWith('a=ice-ufrag'));
    rest.splice(place < 0 ? rest.length : place, 0, ...shown);
    return [...head, ...rest];
  }
  rest.splice(section.direction !== null && rest.length > 0 ? 1 : 0, 0, ...end);
  return [...head, ...shown, ...rest];
}

/** What a name in braces stands for; null for another one. */
function value(description, name, section) {
  switch (name) {
    case 'ufrag': return description.ufrag;
    case 'pwd': return description.pwd;
    case 'options': return description.iceOptions.join(' ');
    case 'fingerprint': return `sha-256 ${colons(description.fingerprint)}`;
    case 'setup': return description.setup;
    case 'mids': return section === null ? mids(description) : null;
    case 'streams': return section === null ? streams(description) : null;
    case 'mid': return section?.mid ?? null;
    case 'direction': return section?.direction ?? null;
    default: {
      const found = section !== null && Object.hasOwn(section.values, name) ? section.values[name] : null;
      return found === null ? null : String(found);
    }
  }
}

/** The address that an agent without ICE would use (RFC 8839 §4.2.1.2): the most reachable one. */
function defaultDestination(candidates) {
  const usable = candidates.filter(({ transport, address }) => transport === 'udp' && isIp(address));
  const rank = ({ kind, address }) => 2 * RANKS[kind] + (address.family === 'v6' ? 1 : 0);
  return usable.reduce((best, candidate) => (best === null || rank(candidate) < rank(best) ? candidate : best), null);
}

/** Pairs of digits in upper case, as Firefox wants them. */
function colons(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':');
}
