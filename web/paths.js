// Names of files that come from a peer, checked as the native programs check them.

const MAX_PATH = 4096;
const MAX_NAME = 255;
const MAX_DEPTH = 64;
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9¹²³]|lpt[0-9¹²³]) *([.:]|$)/i;
const utf8 = new TextEncoder();

/** Why `path` is refused as a name of a received entry; null if it is fine. */
export function problem(path) {
  if (typeof path !== 'string' || path === '') return 'an empty name';
  if (utf8.encode(path).length > MAX_PATH) return 'a path that is too long';
  if (/[\u0000-\u001f\u007f-\u009f]/.test(path)) return 'a control character in a name';
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return 'an absolute path';
  if (path.includes('\\')) return 'a backslash in a name';
  if (/\p{Surrogate}/u.test(path)) return 'a name that is not Unicode';
  const names = path.split('/');
  if (names.length > MAX_DEPTH) return 'a path that is too long';
  for (const name of names) {
    if (name === '' || name === '.') return 'a path that is not clean';
    if (name === '..') return 'a path that leads out of its folder';
    if (utf8.encode(name).length > MAX_NAME) return 'a name that is too long';
    if (DEVICE.test(name)) return 'the name of a device';
    if (/[. ]$/.test(name)) return 'a name that ends in a dot or a space';
  }
  return null;
}

/** Finds entries that would fall onto each other, also where upper and lower case are the same. Null if there are none. */
export function collision(entries) {
  const files = new Set();
  const folders = new Map();
  const named = new Set();
  for (const entry of entries) {
    const parts = entry.path.split('/');
    const parents = entry.dir ? parts.length : parts.length - 1;
    for (let i = 1; i <= parents; i += 1) {
      const folder = parts.slice(0, i).join('/');
      const folded = fold(folder);
      if (files.has(folded)) return folder;
      const known = folders.get(folded);
      if (known !== undefined && known !== folder) return folder;
      folders.set(folded, folder);
    }
    if (entry.dir) {
      // A folder may be named by the paths below it, but only once by itself.
      const folded = fold(entry.path);
      if (named.has(folded)) return entry.path;
      named.add(folded);
      continue;
    }
    const folded = fold(entry.path);
    if (files.has(folded) || folders.has(folded)) return entry.path;
    files.add(folded);
  }
  return null;
}

/** `a/b.txt` → `b.txt`. */
export function baseName(path) {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** `b.txt`, 2 → `b (2).txt`. */
export function numbered(name, count) {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? `${name.slice(0, dot)} (${count})${name.slice(dot)}` : `${name} (${count})`;
}

function fold(path) {
  // Upper case first folds what lower case alone keeps apart, such as the two small sigmas.
  return path.normalize('NFC').toUpperCase().toLowerCase();
}
