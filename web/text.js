// Text that others wrote, and numbers for people.

// Control characters, and the marks that reorder a line or make it look like another (bidi, zero width, line separators).
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const CONTROL_BUT_LINES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** One line of a peer's words: no control characters, at most `max` characters. */
export function clean(value, max = 200) {
  return cut(String(value ?? '').slice(0, max * 2).replace(CONTROL, ''), max);
}

/** As `clean`, with line feeds and tabs kept. */
export function cleanLines(value, max = 65536) {
  return cut(String(value ?? '').slice(0, max * 2).replace(/\r\n?/g, '\n').replace(CONTROL_BUT_LINES, ''), max);
}

function cut(text, max) {
  const characters = text.length > max ? Array.from(text).slice(0, max - 1).join('') + '…' : text;
  return characters.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** 1536 → "1.5 KiB". */
export function bytes(count) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  if (unit === 0) return count === 1 ? '1 byte' : `${count} bytes`;
  return `${value >= 100 ? Math.round(value) : value.toFixed(1).replace(/\.0$/, '')} ${units[unit]}`;
}

/** Seconds → "1 h 5 min", "40 s". */
export function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return '';
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Milliseconds of a round trip → "0.4 ms", "23 ms". */
export function milliseconds(value) {
  return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} ms`;
}

/** 2, "file" → "2 files". */
export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Bytes → base64url without padding. */
export function base64url(data) {
  let binary = '';
  for (let i = 0; i < data.length; i += 8192) binary += String.fromCharCode(...data.subarray(i, i + 8192));
  return btoa(binary).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

/** base64url without padding → bytes, or null. */
export function fromBase64url(text) {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const binary = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  const data = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  // Bits beyond the last byte must be zero: one text for one value.
  return base64url(data) === text ? data : null;
}

/** Bytes → lower-case hexadecimal. */
export function hex(data) {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** `length` random bytes; works over plain HTTP too. */
export function randomBytes(length) {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** A name for this browser, said to peers in `hello`. */
export function agentName(userAgent) {
  const browser =
    (/Firefox\/|FxiOS\//.test(userAgent) && 'Firefox') ||
    (/Edg(e|A|iOS)?\//.test(userAgent) && 'Edge') ||
    (/OPR\//.test(userAgent) && 'Opera') ||
    (/SamsungBrowser\//.test(userAgent) && 'Samsung Internet') ||
    (/Chrome\/|CriOS\//.test(userAgent) && 'Chrome') ||
    (/Safari\//.test(userAgent) && 'Safari') ||
    'Browser';
  const system =
    (/Android/.test(userAgent) && 'Android') ||
    (/iPhone/.test(userAgent) && 'iPhone') ||
    (/iPad/.test(userAgent) && 'iPad') ||
    (/Windows/.test(userAgent) && 'Windows') ||
    (/Mac OS X/.test(userAgent) && 'Mac') ||
    (/CrOS/.test(userAgent) && 'ChromeOS') ||
    (/Linux/.test(userAgent) && 'Linux') ||
    '';
  return system ? `${browser} on ${system}` : browser;
}
