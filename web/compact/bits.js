// Fields that are not whole bytes, the most significant bit first (docs/compact.md, "Bits").

/** Why a field could not be read: at least so many bits are missing, or, where that is 0, what is there has no meaning. */
export class Unreadable extends Error {
  constructor(missing) {
    super(missing === 0 ? 'no meaning' : `${missing} bits are missing`);
    this.missing = missing;
  }
}

export function nonsense() {
  return new Unreadable(0);
}

/** Zeros before the bits of the longest gamma number. */
const GAMMA_MAX = 16;

export class BitWriter {
  /** Bits so far. */
  length = 0;
  #bytes = [];

  /** Appends the low `count` bits of `value`, at most 32. */
  put(value, count) {
    for (let shift = count - 1; shift >= 0; shift -= 1) this.#bit(value / 2 ** shift & 1);
  }

  flag(value) {
    this.#bit(value ? 1 : 0);
  }

  bytes(bytes) {
    for (const byte of bytes) this.put(byte, 8);
  }

  /** Appends zeros and ones that are written out. */
  digits(text) {
    for (const digit of text) this.#bit(Number(digit));
  }

  /** A number from 1, shorter the smaller it is. */
  gamma(value) {
    const bits = 32 - Math.clz32(value);
    this.put(0, bits - 1);
    this.put(value, bits);
  }

  /** The bytes, the last one filled with zeros. */
  finish() {
    return Uint8Array.from(this.#bytes);
  }

  #bit(bit) {
    if (this.length % 8 === 0) this.#bytes.push(0);
    this.#bytes[this.#bytes.length - 1] |= bit << (7 - this.length % 8);
    this.length += 1;
  }
}

export class BitReader {
  #bytes;
  #at = 0;

  constructor(bytes) {
    this.#bytes = bytes;
  }

  /** Reads `count` bits, at most 32. */
  take(count) {
    this.#need(count);
    let value = 0;
    for (let left = count; left > 0; left -= 1) value = value * 2 + this.#bit();
    return value;
  }

  flag() {
    return this.take(1) === 1;
  }

  bytes(count) {
    // The whole field is asked for first, so that what is missing is told of all of it.
    this.#need(8 * count);
    return Uint8Array.from({ length: count }, () => this.take(8));
  }

  /** Reads `count` bits as zeros and ones. */
  digits(count) {
    this.#need(count);
    return Array.from({ length: count }, () => this.#bit()).join('');
  }

  gamma() {
    let zeros = 0;
    while (!this.flag()) {
      zeros += 1;
      if (zeros > GAMMA_MAX) throw nonsense();
    }
    return 2 ** zeros + this.take(zeros);
  }

  /** Goes to the next whole byte, past zeros only, and says which it is. */
  align() {
    if (this.take((8 - this.#at % 8) % 8) !== 0) throw nonsense();
    return this.#at / 8;
  }

  #need(count) {
    const missing = this.#at + count - 8 * this.#bytes.length;
    if (missing > 0) throw new Unreadable(missing);
  }

  #bit() {
    const bit = this.#bytes[this.#at >> 3] >> (7 - this.#at % 8) & 1;
    this.#at += 1;
    return bit;
  }
}
