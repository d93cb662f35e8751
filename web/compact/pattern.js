// Lines with names in braces for what other fields say (docs/compact.md, "Bodies").

/** Whether a pattern names `{name}`. */
export function names(body, name) {
  return body.includes(`{${name}}`);
}

/** A pattern with every `{name}` that `value` knows replaced; others stay. */
export function fill(body, value) {
  let out = '';
  let rest = body;
  for (let open = rest.indexOf('{'); open >= 0; open = rest.indexOf('{')) {
    out += rest.slice(0, open);
    rest = rest.slice(open + 1);
    const close = rest.indexOf('}');
    const found = close < 0 ? null : value(rest.slice(0, close));
    out += found ?? '{';
    if (found !== null) rest = rest.slice(close + 1);
  }
  return out + rest;
}

/** Whether a text can be the lines of a section or of the session level. */
export function isBody(text) {
  return text === '' || text.split('\n').every((line) => /^[abfik]=[ -~]*$/.test(line));
}

/** A token of a description (RFC 8866 §9). */
export function isToken(text) {
  return /^[A-Za-z0-9!#$%&'*+.^_`{|}~-]+$/.test(text);
}

/** Printable, without spaces. */
export function isWord(text) {
  return /^[!-~]+$/.test(text);
}
