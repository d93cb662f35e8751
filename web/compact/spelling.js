// Bytes as characters: base64url for messages and links, 44 characters for QR codes, words for people.

import { base64url } from '../text.js';
import { WORDS } from '../words.js';
import { encode } from './wire.js';

/** The characters of base64url (RFC 4648 §5), in the order of their values. */
export const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** Bits of a word. */
export const WORD_BITS = 11;
/** The alphanumeric characters of QR codes without the space, which is lost too easily. */
const QR = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$%*+-./:';
/** Characters of a block of 0 to 15 bytes: as many as its largest number needs. */
const QR_CHARACTERS = [0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 22];
const [QR_BLOCK, QR_BLOCK_CHARACTERS] = [15, 22];
const SALTS = [0, 1, 2, 3];

/**
 * A description in base64url. Of four spellings that mean the same the one that chat programs change least is chosen: no
 * hyphen or underscore at an end, nor beside another one.
 */
export function toText(description) {
  const texts = SALTS.map((salt) => base64url(encode(description, salt)));
  const risks = texts.map(risk);
  return texts[risks.indexOf(Math.min(...risks))];
}

/** A description in the characters that take five and a half bits each in a QR code. */
export function toQr(description) {
  const bytes = encode(description, 0);
  let text = '';
  for (let at = 0; at < bytes.length; at += QR_BLOCK) text += qrBlock(bytes.subarray(at, at + QR_BLOCK));
  return text;
}

/** A description in words, separated by spaces. */
export function toWords(description) {
  return groups(encode(description, 0), WORD_BITS).map((value) => WORDS[value]).join(' ');
}

/** The bytes of a QR spelling, in either case; null if it is none. What is left at the end of one that is cut is left out. */
export function fromQr(text) {
  const codes = Array.from(text.toUpperCase(), (character) => QR.indexOf(character));
  if (codes.includes(-1) || !/^[!-~]*$/.test(text)) return null;
  const bytes = [];
  for (let at = 0; at < codes.length; at += QR_BLOCK_CHARACTERS) {
    const block = codes.slice(at, at + QR_BLOCK_CHARACTERS);
    const length = QR_CHARACTERS.findLastIndex((count) => count <= block.length);
    const value = block.reduce((sum, code) => sum * 44n + BigInt(code), 0n);
    // A block of its own length says a smaller number than the characters could.
    if (value >> BigInt(8 * length) !== 0n) return block.length < QR_BLOCK_CHARACTERS ? Uint8Array.from(bytes) : null;
    for (let index = length - 1; index >= 0; index -= 1) bytes.push(Number(value >> BigInt(8 * index) & 255n));
  }
  return Uint8Array.from(bytes);
}

/** The bytes of numbers of `size` bits, without the bits that are left over. */
export function ungroup(values, size) {
  const bytes = [];
  let [held, count] = [0, 0];
  for (const value of values) {
    held = held << size | value;
    count += size;
    while (count >= 8) {
      count -= 8;
      bytes.push(held >> count & 255);
    }
    held &= 2 ** count - 1;
  }
  return Uint8Array.from(bytes);
}

/** Numbers of `size` bits, the last one filled with zeros. */
function groups(bytes, size) {
  const bit = (at) => (bytes[at >> 3] ?? 0) >> (7 - at % 8) & 1;
  const count = Math.ceil(bytes.length * 8 / size);
  return Array.from({ length: count }, (_, group) => {
    let value = 0;
    for (let at = group * size; at < (group + 1) * size; at += 1) value = value << 1 | bit(at);
    return value;
  });
}

/** How many places in a text a chat program may change. */
function risk(text) {
  const special = (character) => character === '-' || character === '_';
  const all = [...text];
  return all.filter((character, at) => special(character) && special(all[at + 1])).length
    + [all[0], all.at(-1)].filter(special).length;
}

function qrBlock(block) {
  let value = Array.from(block).reduce((sum, byte) => sum << 8n | BigInt(byte), 0n);
  let text = '';
  for (let left = QR_CHARACTERS[block.length]; left > 0; left -= 1) {
    text = QR[Number(value % 44n)] + text;
    value /= 44n;
  }
  return text;
}
