// The tiles of a call: one for each member, one for each screen, one for oneself.

import { h, text } from './dom.js';
import { icon } from './icons.js';
import { grade } from './quality.js';
import { hue, peerMark, peerName } from './view-peers.js';

const GRADES = { good: 'Good connection', fair: 'Fair connection', poor: 'Poor connection' };

/** The picture of this side. */
export function ownTile({ call }) {
  const video = picture();
  const parts = frame({ video, name: 'You', hue: 170 });
  parts.element.dataset.testid = 'tile-self';

  return {
    element: parts.element,
    update() {
      show(video, call.camera);
      // A picture of oneself is expected as in a mirror; that of the camera on the back of a phone is not.
      video.classList.toggle('mirrored', call.camera?.getSettings?.().facingMode !== 'environment');
      parts.blank.hidden = call.camera !== null;
      parts.muted.hidden = !call.muted;
      text(parts.note, call.screen ? 'Sharing the screen' : '');
    },
    speaking() {
      parts.element.classList.toggle('speaking', call.speaking);
    },
    quality() {},
  };
}

/** The tile of another one, or of the screen that it shares. */
export function memberTile({ call, devices, ui }, key, pin) {
  const [id, screen] = key.split(' ');
  const find = () => call.members.find(([peer]) => peer.id === id) ?? [];
  const [peer] = find();
  const name = screen ? `Screen of ${peerName(peer)}` : peerName(peer);
  const video = picture();
  const sound = screen ? null : h('audio', { autoplay: true, data: { testid: 'tile-sound' } });
  const parts = frame({ video, name, mark: screen ? '' : peerMark(peer), hue: hue(peer.id) });
  const { element } = parts;
  Object.assign(element.dataset, { testid: screen ? 'tile-screen' : 'tile', peer: id });
  if (sound) element.append(sound);
  const pinButton = tool('Enlarge', 'enlarge', pin);
  const tools = h('div', { className: 'tile-tools' }, pinButton);
  if (document.pictureInPictureEnabled) tools.append(tool('Picture in picture', 'picture', () => pictureInPicture(video)));
  if (document.fullscreenEnabled) tools.append(tool('Full screen', 'full', () => fullscreen(element)));
  element.append(tools);
  let speaker = '';

  return {
    element,
    pinned(on) {
      pinButton.setAttribute('aria-pressed', String(on));
    },
    update() {
      const [, media] = find();
      if (!media) return;
      const { tracks } = media;
      show(video, screen ? tracks.screen : tracks.video);
      parts.blank.hidden = Boolean(screen || tracks.video);
      tools.hidden = !screen && !tracks.video;
      text(parts.note, peer.state === 'connected' ? '' : 'connection lost');
      parts.muted.hidden = Boolean(screen) || !media.muted;
      if (!sound) return;
      show(sound, tracks.audio, () => ui.notice('sound', 'warn', 'The sound is held back', 'This browser plays sound only after a press.', [['Hear the others', () => playAll()]]));
      if (speaker === devices.chosen.speaker) return;
      speaker = devices.chosen.speaker;
      sound.setSinkId?.(speaker).catch(() => ui.notice('speaker', 'warn', 'This speaker cannot be used', 'Choose another one under “Devices”.'));
    },
    speaking() {
      const [, media] = find();
      element.classList.toggle('speaking', !screen && Boolean(media?.speaking));
    },
    quality() {
      const [, media] = find();
      const last = media?.history.last;
      if (!last || screen) return;
      const losses = last.flows.map((flow) => flow.loss).filter((loss) => loss !== null);
      const level = grade({ loss: losses.length > 0 ? Math.max(...losses) : null, rtt: last.rtt });
      parts.bars.hidden = level === null;
      if (level === null) return;
      parts.bars.dataset.level = level;
      parts.bars.title = GRADES[level];
      parts.bars.setAttribute('aria-label', GRADES[level]);
    },
  };
}

function frame({ video, name, mark = '', hue: colour }) {
  const blank = h('span', { className: 'avatar', aria: { hidden: 'true' }, textContent: name.slice(0, 1).toUpperCase() });
  blank.style.setProperty('--hue', String(colour));
  const muted = h('span', { className: 'tile-muted', hidden: true, textContent: 'Muted', data: { testid: 'tile-muted' } });
  const bars = h('span', { className: 'bars', hidden: true, role: 'img', data: { testid: 'tile-quality' } }, h('i'), h('i'), h('i'));
  const note = h('span', { className: 'tile-note' });
  const caption = h('p', { className: 'tile-name' }, bars, h('span', { textContent: name }), mark ? h('small', { textContent: mark }) : null, note, muted);
  const element = h('li', { className: 'tile' }, video, blank, caption);
  return { element, blank, muted, bars, note };
}

/** Its sound is played by an element of its own, so that a tile without a picture is heard. */
function picture() {
  return h('video', { autoplay: true, playsInline: true, muted: true, hidden: true, tabIndex: -1, disableRemotePlayback: true });
}

function tool(label, sign, action) {
  const button = h('button', { type: 'button', className: 'tool', title: label, aria: { label } }, icon(sign));
  button.addEventListener('click', action);
  return button;
}

/** Has an element play a track, or nothing. */
function show(element, track, refused = () => {}) {
  const before = element.srcObject?.getTracks()[0] ?? null;
  element.hidden = track === null;
  if (before === track) return;
  element.srcObject = track === null ? null : new MediaStream([track]);
  if (track === null) return;
  element.play().catch((error) => {
    if (error.name === 'NotAllowedError') refused();
  });
}

function playAll() {
  for (const element of document.querySelectorAll('#tiles video, #tiles audio')) element.play().catch(() => {});
}

function pictureInPicture(video) {
  const done = document.pictureInPictureElement === video ? document.exitPictureInPicture() : video.requestPictureInPicture();
  // Refused without a picture; then there is nothing to be shown.
  done.catch(() => {});
}

function fullscreen(element) {
  const done = document.fullscreenElement === element ? document.exitFullscreen() : element.requestFullscreen();
  done.catch(() => {});
}
