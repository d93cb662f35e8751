// Addresses and names as candidates have them.

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const LABEL = /^[A-Za-z0-9_-]{1,63}$/;
const NAME_MAX = 63;

/**
 * Reads an address or a name: `{ family, text, bytes }`, null if it is none. `family`: `v4`, `v6`, `mdns` (a random UUID before
 * `.local`), `name`; only the first two have bytes. The text is the one spelling of the address.
 */
export function parseAddress(text) {
  const v4 = parseV4(text);
  if (v4 !== null) return addressOf(v4);
  const v6 = parseV6(text);
  if (v6 !== null) return addressOf(v6);
  if (text.endsWith('.local') && isRandomUuid(text.slice(0, -6))) return mdns(text.slice(0, -6));
  // What ends in a number was meant to be an address.
  const named = text.includes('.') && text.length <= NAME_MAX && text.split('.').every((label) => LABEL.test(label)) && !/\d$/.test(text);
  return named ? { family: 'name', text, bytes: null } : null;
}

/** The address of four or sixteen bytes. */
export function addressOf(bytes) {
  const list = Array.from(bytes);
  return list.length === 4 ? { family: 'v4', text: list.join('.'), bytes: list } : { family: 'v6', text: v6Text(list), bytes: list };
}

export function mdns(uuid) {
  return { family: 'mdns', text: `${uuid}.local`, bytes: null };
}

export function isIp({ bytes }) {
  return bytes !== null;
}

export function isRandomUuid(text) {
  return UUID.test(text);
}

/** The 122 random bits of a random UUID (RFC 9562 §5.4), as zeros and ones. */
export function uuidDigits(uuid) {
  const all = Array.from(uuid.replaceAll('-', ''), (digit) => parseInt(digit, 16).toString(2).padStart(4, '0')).join('');
  return all.slice(0, 48) + all.slice(52, 64) + all.slice(66);
}

/** The random UUID with these bits. */
export function uuidOf(digits) {
  const all = `${digits.slice(0, 48)}0100${digits.slice(48, 60)}10${digits.slice(60)}`;
  const hex = all.match(/.{4}/g).map((four) => parseInt(four, 2).toString(16)).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function parseV4(text) {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return null;
  return parts.map(Number);
}

function parseV6(text) {
  if (!text.includes(':') || text.length > 45) return null;
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half) => groups(half, halves[1] === undefined || half === halves.at(-1)));
  if (head === null || tail === null) return null;
  if (tail === undefined) return head.length === 16 ? head : null;
  // Two colons stand for one group of zeros at least.
  const zeros = 16 - head.length - tail.length;
  return zeros < 2 ? null : [...head, ...new Array(zeros).fill(0), ...tail];
}

/** The bytes of groups between colons; the last one may be an IPv4 address. */
function groups(text, last) {
  if (text === '') return [];
  const bytes = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    const v4 = last && index === parts.length - 1 ? parseV4(part) : null;
    if (v4 !== null) bytes.push(...v4);
    else if (/^[0-9A-Fa-f]{1,4}$/.test(part)) bytes.push(parseInt(part, 16) >> 8, parseInt(part, 16) & 255);
    else return null;
  }
  return bytes;
}

/** RFC 5952. */
function v6Text(bytes) {
  const numbers = Array.from({ length: 8 }, (_, index) => bytes[2 * index] << 8 | bytes[2 * index + 1]);
  if (numbers.slice(0, 5).every((number) => number === 0) && numbers[5] === 0xffff) return `::ffff:${bytes.slice(12).join('.')}`;
  let longest = { at: 0, length: 0 };
  for (let at = 0; at < 8; at += 1) {
    let length = 0;
    while (numbers[at + length] === 0) length += 1;
    if (length > longest.length) longest = { at, length };
  }
  const hex = (list) => list.map((number) => number.toString(16)).join(':');
  if (longest.length < 2) return hex(numbers);
  return `${hex(numbers.slice(0, longest.at))}::${hex(numbers.slice(longest.at + longest.length))}`;
}
