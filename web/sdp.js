// What is read and changed in descriptions.

const MAX_SECTIONS = 16;

/** Whether a description has so many media sections that no member of a room means it. */
export function tooManySections(sdp) {
  return (sdp.match(/^m=/gm) ?? []).length > MAX_SECTIONS;
}

/**
 * A received description that asks this side for Opus with discontinuous transmission and in-band repair (RFC 7587 §6.1):
 * browsers follow these wishes, but do not utter the first one themselves.
 */
export function sparingSpeech(sdp) {
  const types = [...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000/gim)].map((match) => match[1]);
  return types.reduce((text, type) => {
    const format = new RegExp(`^(a=fmtp:${type} )([^\\r\\n]*)`, 'gm');
    if (format.test(text)) return text.replace(format, (line, head, values) => head + wishes(values));
    return text.replace(new RegExp(`^a=rtpmap:${type} [^\\r\\n]*`, 'gm'), (line) => `${line}\r\na=fmtp:${type} ${wishes('')}`);
  }, sdp);
}

function wishes(values) {
  const given = values.split(';').map((value) => value.trim()).filter((value) => value !== '');
  const names = new Set(given.map((value) => value.split('=')[0].toLowerCase()));
  for (const wish of ['useinbandfec=1', 'usedtx=1']) if (!names.has(wish.split('=')[0])) given.push(wish);
  return given.join(';');
}
