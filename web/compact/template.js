// What each origin writes anyway, as it is in this version of the format: a later browser's differences are carried.

import { TEMPLATES } from './templates.js';

/** Variants of a template: 1 has the congestion feedback of RFC 8888 where the origin knows it. */
export const VARIANTS = [0, 1];

const parsed = new Map();

/**
 * The lines of a part (`session`, `audio`, `video`, `application`, `refused`), separated by line feeds. `circumstances`:
 * `{ kind, sends, rtp, variant }`; `sends`: the section sends media, `rtp`: there are live audio or video sections.
 */
export function body(origin, part, circumstances) {
  const there = all(origin).filter(({ name, tags }) => name === part && tags.every((tag) => holds(tag, circumstances)));
  return there.map(({ line }) => line).join('\n');
}

/** What differences are coded against: the part itself, and all that the origin might write. */
export function dictionary(origin, part, circumstances) {
  return [body(origin, part, circumstances), ...all(origin).map(({ line }) => line)].join('\n');
}

/** The part that a section is. */
export function partOf(media, refused) {
  return refused ? 'refused' : media;
}

function all(origin) {
  if (!parsed.has(origin)) {
    let name = '';
    const lines = [];
    for (const text of TEMPLATES[origin].split('\n')) {
      const bar = text.indexOf('|');
      if (bar >= 0) lines.push({ name, tags: [...text.slice(0, bar)], line: text.slice(bar + 1) });
      else name = text.replace(/[[\]]/g, '');
    }
    parsed.set(origin, lines);
  }
  return parsed.get(origin);
}

function holds(tag, { kind, sends, rtp, variant }) {
  switch (tag) {
    case 's': return sends;
    case 'm': return rtp;
    case 'o': return kind === 'offer';
    case '1': return variant === 1;
    // Feedback that an answer leaves out once the other kind is agreed.
    case 'x': return variant !== 1 || kind === 'offer';
    default: return false;
  }
}
