// Session texts: an offer or an answer in the fewest characters (docs/compact.md).

export { condense } from './compact/condense.js';
export { offerTag } from './compact/derive.js';
export { DoesNotFit, TextError } from './compact/error.js';
export { toSdp } from './compact/expand.js';
export { answerTo, find, LIFETIME, newest } from './compact/find.js';
export { toQr, toText } from './compact/spelling.js';
