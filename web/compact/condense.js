// From a session description to what a text carries of it.

import { parseCandidate } from './candidate.js';
import { choose } from './choose.js';
import { DoesNotFit, lacks } from './error.js';
import { formats, mids, streams, toSdp } from './expand.js';
import { isToken } from './pattern.js';
import { attributes, readLines, valueOf } from './lines.js';
import { body } from './template.js';
import { encode, fixedBits, SECTIONS_MAX, TIME_UNIT } from './wire.js';
import { noValues } from './wire-section.js';

const OFFERED_MAX = 256;
const PROTOCOLS = { audio: 'UDP/TLS/RTP/SAVPF', video: 'UDP/TLS/RTP/SAVPF', application: 'UDP/DTLS/SCTP' };
const DIRECTIONS = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];
const USUAL_SETUP = { offer: 'actpass', answer: 'active' };
/** Characters of a text, so that all fit a post, and a QR code of version 6 those that have no media. */
const LIMITS = { media: 280, native: 140, chromium: 150, firefox: 150 };
/** What other fields say, wherever it stands. */
const COMMON = {
  'ice-ufrag': 'a=ice-ufrag:{ufrag}',
  'ice-pwd': 'a=ice-pwd:{pwd}',
  'ice-options': 'a=ice-options:{options}',
  setup: 'a=setup:{setup}',
};
const LEFT_OUT = ['candidate', 'end-of-candidates', 'remote-candidates'];

/**
 * Takes from a description what the other side cannot write itself: `{ description, dropped }`. `half`: `{ kind: 'offer' }` or
 * `{ kind: 'answer', answers }` with the offer's tag; `now`: seconds since 1970; `characters`: how many the text may have.
 * Throws DoesNotFit.
 */
export function condense(half, sdp, now, characters = null) {
  const { description, offered } = read(half, sdp);
  description.created = Math.floor(now / TIME_UNIT) * TIME_UNIT;
  // Lines that look like our own names in braces would come back as something else.
  const again = read(half, toSdp(description)).description;
  if (JSON.stringify([again.session, again.sections]) !== JSON.stringify([description.session, description.sections])) {
    throw lacks('lines that read back as they were written');
  }
  const media = description.sections.some((section) => section.media !== 'application');
  const limit = characters ?? LIMITS[media ? 'media' : description.origin];
  const room = Math.floor(limit * 6 / 8) * 8 - fixedBits(description);
  const { kept, dropped } = choose(offered, Math.max(0, room));
  description.candidates = kept;
  // With the last candidate a description may stop being a plain one, which is longer.
  for (let bytes = encode(description, 0).length; bytes * 8 > limit * 6; bytes = encode(description, 0).length) {
    const candidate = description.candidates.pop();
    if (candidate === undefined) {
      throw new DoesNotFit('long', `This takes ${Math.ceil(bytes * 8 / 6)} characters as a session text, and ${limit} are allowed. Start a room instead.`);
    }
    dropped.push({ candidate, why: 'room' });
  }
  return { description, dropped };
}

/** A description without its candidates, and these. */
function read({ kind, answers = null }, text) {
  const sdp = readLines(text);
  const origin = originOf(sdp.session);
  if (sdp.media.length < 1 || sdp.media.length > SECTIONS_MAX) throw noPlace(`${sdp.media.length} sections`);
  const sections = sdp.media.map((media, index) => readSection(media, index, kind, origin));
  const live = sections.filter((section) => !section.refused);
  if (live.length === 0) throw lacks('a section that is not refused');
  const carrier = sdp.media[sections.indexOf(live[0])];
  const inherited = (name) => valueOf(carrier, name) ?? valueOf(sdp.session, name);
  const description = {
    kind,
    origin,
    created: 0,
    answers,
    setup: inherited('setup')?.toLowerCase() ?? USUAL_SETUP[kind],
    fingerprint: fingerprintOf(carrier, sdp.session),
    ufrag: inherited('ice-ufrag'),
    pwd: inherited('ice-pwd'),
    iceOptions: (inherited('ice-options') ?? '').split(' ').filter((option) => option !== ''),
    candidates: [],
    session: '',
    sections,
  };
  if (description.ufrag === null) throw lacks('an ICE user name fragment');
  if (description.pwd === null) throw lacks('an ICE password');
  checkBundled(sdp.session, live);
  description.session = readSession(sdp.session, description);
  const lines = attributes(carrier).filter(({ name }) => name === 'candidate');
  const offered = lines.map(({ value }) => parseCandidate(value)).filter((one) => one !== null).slice(0, OFFERED_MAX);
  return { description, offered };
}

/** Whose manner it is, by the one line that each writes in its own way. */
function originOf({ lines }) {
  const origin = lines.find((line) => line.letter === 'o')?.value ?? '';
  if (origin.startsWith('mozilla')) return 'firefox';
  return origin.endsWith(' IN IP4 127.0.0.1') ? 'chromium' : 'native';
}

function fingerprintOf(...places) {
  const all = places.flatMap((place) => attributes(place).filter(({ name }) => name === 'fingerprint'));
  const found = all.map(({ value }) => /^sha-256 +([0-9a-f]{2}(?::[0-9a-f]{2}){31}) *$/i.exec(value)).find((match) => match !== null);
  if (!found) throw lacks('a SHA-256 fingerprint');
  return Uint8Array.from(found[1].split(':'), (pair) => parseInt(pair, 16));
}

/** All live sections share one transport. */
function checkBundled(session, live) {
  const groups = attributes(session).filter(({ name, value }) => name === 'group' && /^BUNDLE( |$)/.test(value));
  const members = groups[0]?.value.split(' ').slice(1) ?? [];
  if (groups.length <= 1 && (live.length === 1 || live.every((section) => members.includes(section.mid)))) return;
  throw new DoesNotFit('transports', 'The session text has one transport, and this description has several. Start a room instead.');
}

function readSection(media, index, half, origin) {
  if (PROTOCOLS[media.media] !== media.protocol) throw noPlace(`a section of ${media.media}`);
  if (valueOf(media, 'simulcast') !== null) throw new DoesNotFit('simulcast', 'Several layers of one video do not fit into a session text. Start a room instead.');
  const mid = valueOf(media, 'mid') ?? String(index);
  if (!isToken(mid)) throw new DoesNotFit('unreadable', 'This is not a session description: a section has no proper name.');
  const refused = media.port === 0 && valueOf(media, 'bundle-only') === null;
  const section = { media: media.media, mid, refused, direction: null, body: '', values: noValues() };
  if (refused) {
    // What it might have been is of no interest any more.
    section.body = body(origin, 'refused', { kind: half, sends: false, rtp: true, variant: 0 });
    return section;
  }
  section.direction = attributes(media).find(({ name }) => DIRECTIONS.includes(name))?.name ?? null;
  section.values = identifiers(media);
  section.body = media.lines.map((line) => sectionLine(line, section.values, origin)).filter((line) => line !== null).join('\n');
  const written = media.formats.join(' ');
  if (formats(media.media, section.body) !== written) section.body = `f=${written}\n${section.body}`;
  return section;
}

/** The first stream of a section, and what names it. */
function identifiers(media) {
  const values = noValues();
  for (const { name, value } of attributes(media)) {
    const [first, second, third] = value.split(' ');
    if (name === 'msid' && values.stream === null) {
      [values.stream, values.track] = [first, second ?? null];
    } else if (name === 'ssrc-group' && first === 'FID' && values.rtx === null) {
      [values.ssrc, values.rtx] = [number(second), number(third)];
    } else if (name === 'ssrc-group' && first === 'FEC-FR' && values.fec === null && values.ssrc === number(second)) {
      values.fec = number(third);
    } else if (name === 'ssrc') {
      values.ssrc ??= number(first);
      const at = value.indexOf(' cname:');
      if (at >= 0) values.cname ??= value.slice(at + 7);
    }
  }
  return values;
}

/** A number of 32 bits as it is written back: without leading zeros. */
function number(text) {
  return /^(0|[1-9]\d{0,9})$/.test(text ?? '') && Number(text) < 2 ** 32 ? Number(text) : null;
}

/** A line of a section with names for what stands elsewhere; null for what is written anew. */
function sectionLine({ letter, text, name, value }, values, origin) {
  if (letter === 'c') return null;
  if (name === null) return text;
  const common = commonLine(name, value);
  if (common !== undefined) return common;
  if (name === 'mid') return 'a=mid:{mid}';
  // RTCP has no port of its own where the sections share a transport; only Chromium says so.
  if (name === 'rtcp') return origin === 'chromium' ? 'a=rtcp:9 IN IP4 0.0.0.0' : null;
  if (['msid', 'ssrc', 'ssrc-group'].includes(name)) return `a=${name}:${named(value, values)}`;
  return DIRECTIONS.includes(name) ? 'a={direction}' : text;
}

/** Lines that may stand in a section and at the session level; undefined for another one. */
function commonLine(name, value) {
  if (name === 'fingerprint' && /^sha-256 /i.test(value)) return 'a=fingerprint:{fingerprint}';
  return LEFT_OUT.includes(name) ? null : COMMON[name];
}

/** The words of an `msid`, `ssrc` or `ssrc-group` with names for the identifiers of the section. */
function named(value, values) {
  const known = Object.entries(values).filter(([, identifier]) => identifier !== null && identifier !== '-');
  const word = (text) => {
    const found = known.find(([, identifier]) => String(identifier) === text);
    return found === undefined ? text : `{${found[0]}}`;
  };
  return value.split(' ').map((text) => {
    const [, name, rest] = /^(cname|msid):(.*)$/.exec(text) ?? [];
    return name === undefined ? word(text) : `${name}:${word(rest)}`;
  }).join(' ');
}

/** The session level, without the lines that every description has. */
function readSession(session, description) {
  const lines = session.lines.filter(({ letter }) => !'vostc'.includes(letter)).map(({ text, name, value }) => {
    if (name === null) return text;
    if (name === 'group' && value === `BUNDLE${mids(description)}`) return 'a=group:BUNDLE{mids}';
    if (name === 'msid-semantic' && value === ` WMS${streams(description)}`) return 'a=msid-semantic: WMS{streams}';
    // Firefox says it where it stands for nothing.
    if (DIRECTIONS.includes(name) && description.sections.every(statesDirection)) return null;
    const common = commonLine(name, value);
    return common === undefined ? text : common;
  });
  return lines.filter((line) => line !== null).join('\n');
}

/** Whether a direction of the session level means nothing to a section (RFC 8866 §6.7). */
function statesDirection({ refused, direction, media }) {
  return refused || direction !== null || media === 'application';
}

function noPlace(what) {
  return new DoesNotFit('section', `A session text has no place for ${what}. Start a room instead.`);
}
