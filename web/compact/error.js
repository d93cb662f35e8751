// What can be wrong with a description or with a session text, for people.

/** Why a description has no session text. `kind`: `unreadable`, `lacks`, `simulcast`, `transports`, `section`, `long`. */
export class DoesNotFit extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

export function lacks(what) {
  return new DoesNotFit('lacks', `A session text needs ${what}. Start a room instead.`);
}

const MESSAGES = {
  nothing: () => 'There is no session text in this. It is one long word of letters and digits.',
  truncated: ({ missing }) => `The session text is not complete: at least ${missing} more ${missing === 1 ? 'piece is' : 'pieces are'} needed. Copy it again, from its first to its last character.`,
  altered: () => 'The session text was altered on its way: its checksum does not match. Copy it again, as it was sent.',
  word: ({ text, nearest }) => `A word of the session text was altered on its way: “${text}”.${nearest.length === 0 ? '' : ` Did you mean ${nearest.map((word) => `“${word}”`).join(' or ')}?`}`,
  newer: () => 'The session text is from a newer version. Load this page again, or use a newer one.',
  kind: ({ answer }) => answer
    ? 'This is an answer, and an offer is needed here. Paste the text that the other side made first.'
    : 'This is an offer, and the answer to yours is needed here. Have the other side take your text, and paste what it shows then.',
  expired: ({ age, limit }) => `The session text is ${span(age)} old, and only good for ${span(limit)}. Ask for a new one.`,
  other: () => 'This answers another offer. Ask for the answer to the text that is shown here.',
};

/**
 * Why there is no usable session text. `kind`: `nothing`, `truncated` (`missing` characters or words at least), `altered`,
 * `word` (`text`, `nearest`), `newer` (`version`), `kind` (`answer`: what it is), `expired` (`age`, `limit` in seconds),
 * `other` (an answer to another offer).
 */
export class TextError extends Error {
  constructor(kind, facts = {}) {
    super(MESSAGES[kind](facts));
    this.kind = kind;
    this.facts = facts;
  }
}

/** A length of time as people say it. */
function span(seconds) {
  if (seconds < 120) return `${seconds} seconds`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} minutes`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} hours`;
  return `${Math.floor(seconds / 86400)} days`;
}
