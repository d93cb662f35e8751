// How much is sent to each member of a call, and how good a connection is.

// A mesh sends each picture once for every member: together they stay below what an ordinary uplink carries.
const CAMERA = [
  { members: 1, maxBitrate: 1700000, scaleResolutionDownBy: 1, maxFramerate: 30 },
  { members: 2, maxBitrate: 1100000, scaleResolutionDownBy: 1, maxFramerate: 30 },
  { members: 3, maxBitrate: 750000, scaleResolutionDownBy: 1.5, maxFramerate: 30 },
  { members: 5, maxBitrate: 450000, scaleResolutionDownBy: 2, maxFramerate: 25 },
  { members: Infinity, maxBitrate: 300000, scaleResolutionDownBy: 2, maxFramerate: 20 },
];
const SCREEN_TOTAL = 5000000;
const SCREEN_MOST = 2500000;
const SCREEN_LEAST = 600000;
const SOUND = 40000;

/** What a sender is told: `slot` is `audio`, `video` or `screen`, `members` how many others get it. */
export function encoding(slot, members) {
  const others = Math.max(1, members);
  if (slot === 'audio') return { maxBitrate: SOUND, priority: 'high' };
  if (slot === 'screen') {
    const share = Math.floor(SCREEN_TOTAL / others);
    return { maxBitrate: Math.min(SCREEN_MOST, Math.max(SCREEN_LEAST, share)), scaleResolutionDownBy: 1, maxFramerate: 15 };
  }
  const { maxBitrate, scaleResolutionDownBy, maxFramerate } = CAMERA.find((step) => others <= step.members);
  return { maxBitrate, scaleResolutionDownBy, maxFramerate };
}

/** What gives way first where the network or the processor is short. */
export function degradation(slot) {
  return slot === 'screen' ? 'maintain-resolution' : 'balanced';
}

/** Codecs in the order in which they are offered: VP8 first, as every browser and program here has it. */
export function preferred(codecs) {
  const first = codecs.filter(isVp8);
  return [...first, ...codecs.filter((codec) => !first.includes(codec))];
}

export function isVp8(codec) {
  return /^video\/vp8$/i.test(codec?.mimeType ?? '');
}

/** `good`, `fair`, `poor` or null where nothing is known: from the share of packets lost and the round trip in milliseconds. */
export function grade({ loss = null, rtt = null }) {
  if (loss === null && rtt === null) return null;
  if ((loss ?? 0) > 0.08 || (rtt ?? 0) > 600) return 'poor';
  if ((loss ?? 0) > 0.02 || (rtt ?? 0) > 250) return 'fair';
  return 'good';
}
