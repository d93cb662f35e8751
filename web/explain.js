// Why there is no connection, in one sentence for people.

import { plural } from './text.js';

const MEANINGS = {
  300: 'it sends clients elsewhere',
  401: 'the credentials are not valid',
  403: 'it may not relay to the other side',
  437: 'it lost the allocation',
  438: 'the credentials are out of date',
  442: 'it does not relay over this protocol',
  486: 'this room uses all that it may',
  508: 'it is full',
};

/**
 * `steps` as `Steps` keeps them; `stood`: there was a connection before; `answered`: a path was found, but no secure
 * connection; `relayOnly`: nothing but the relay may be used; `relay`: the server has one.
 */
export function explain(steps, { stood = false, answered = false, relayOnly = false, relay = false } = {}) {
  const { local, remote, pairs } = steps;
  const refusal = relayRefusal(steps.failures);
  if (stood) return 'The connection stood, and then the other side did not answer any more.';
  if (answered) return 'Packets get through, but the secure handshake did not finish.';
  if (local.length === 0) {
    if (relayOnly && !relay) return 'Only the relay may be used, and this server has none.';
    if (relay && refusal !== null) return `This side has no address to offer: ${refusal}.`;
    return 'This side has no address to offer: the browser or the network gives none.';
  }
  if (remote.length === 0) return 'The other side sent no address.';
  const also = refusal === null ? '' : `, and ${refusal}`;
  if (remote.every(hidden)) {
    return `The other side sent hidden names (.local) alone, which lead somewhere only within one network${also}.`;
  }
  if (pairs.length === 0) return `No address of this side goes with one of the other side (IPv4 and IPv6, UDP and TCP)${also}.`;
  if (pairs.length === 1) return `The one pair of addresses did not answer${also}.`;
  return `None of ${plural(pairs.length, 'pair')} of addresses answered${also}.`;
}

/** What the relay said, if all it said was no. */
function relayRefusal(failures) {
  const relays = failures.filter(({ url }) => /^turns?:/.test(url));
  // A code of the relay tells more than one URL of several that did not answer.
  const failure = relays.find(({ code }) => code !== 701) ?? relays[0];
  if (failure === undefined) return null;
  if (failure.code === 701) return `the relay did not answer at ${failure.url}`;
  const meaning = MEANINGS[failure.code] ?? failure.text;
  return `the relay refused with ${failure.code}${meaning ? ` (${meaning})` : ''}`;
}

function hidden({ type, address }) {
  return type === 'host' && /\.local:\d+$/.test(address);
}
