// The call on the page: the doors to it, its buttons, where the tiles go, the choice of devices.

import { $, h, keyed, text } from './dom.js';
import { icon } from './icons.js';
import { grid } from './layout.js';
import { peerName } from './view-peers.js';
import { statistics } from './view-stats.js';
import { memberTile, ownTile } from './view-tiles.js';

const DEVICES = { mic: 'Microphone', camera: 'Camera', speaker: 'Speaker' };
const ICONS = { 'call-mute': 'mic', 'call-camera': 'camera', 'call-screen': 'screen', 'call-devices': 'devices', 'call-leave': 'leave' };
const KEYS = { m: 'call-mute', c: 'call-camera', s: 'call-screen' };

/** `app` has `call`, `devices` and the notices of `ui`. */
export class CallView {
  #app;
  #tiles = new Map();
  #panels = new Map();
  #pinned = null;
  #shown = '';
  #awake = null;

  constructor(app) {
    this.#app = app;
    const { call } = app;
    const press = (id, action) => $(id).addEventListener('click', action);
    press('join-camera', () => call.join({ camera: true }));
    press('join-sound', () => call.join());
    press('join-watch', () => call.join({ mic: false }));
    press('call-mute', () => call.mute(!call.muted));
    press('call-camera', () => call.show('camera', call.camera === null));
    press('call-screen', () => call.show('screen', call.screen === null));
    press('call-leave', () => call.leave());
    press('call-devices', () => this.#openDevices());
    press('devices-close', () => $('devices').close());
    for (const [id, sign] of Object.entries(ICONS)) $(id).prepend(icon(sign));
    $('call').addEventListener('keydown', (event) => this.#key(event));
    $('stats').addEventListener('toggle', () => this.measured());
    // Phones have no screen to share.
    $('call-screen').hidden = !navigator.mediaDevices?.getDisplayMedia && window.isSecureContext;
    document.addEventListener('visibilitychange', () => {
      // The browser gives the lock back when the page is left.
      if (document.visibilityState === 'hidden') this.#awake = null;
      else this.#stayAwake();
    });
    new ResizeObserver(() => this.#arrange()).observe($('tiles'));
    navigator.mediaDevices?.addEventListener?.('devicechange', () => {
      if ($('devices').open) this.#listDevices();
    });
  }

  /** Brings the call up to date. */
  render() {
    const { call } = this.#app;
    $('call').dataset.state = call.state;
    if ($('call-in').hidden === call.inside) this.#switch(call.inside);
    this.#renderDoors();
    this.#renderButtons();
    keyed($('tiles'), this.#items(), this.#tiles, (key) => this.#tile(key));
    this.#arrange();
    this.#say();
    this.#stayAwake();
    if (!call.inside) this.measured();
  }

  /** Who speaks, several times a second. */
  levels() {
    for (const view of this.#tiles.values()) view.speaking();
  }

  /** Once a second. */
  measured() {
    for (const view of this.#tiles.values()) view.quality();
    const shown = this.#app.call.inside && $('stats').open;
    const members = shown ? this.#app.call.members.map(([peer]) => peer) : [];
    keyed($('stats-panels'), members, this.#panels, statistics);
    $('stats-nobody').hidden = !shown || members.length > 0;
  }

  /** Opens the list of devices. */
  async #openDevices() {
    $('devices').showModal();
    await this.#listDevices();
  }

  async #listDevices() {
    const { devices, call } = this.#app;
    const found = await devices.list();
    // Not every browser lets a page choose where sound goes, or tells it what there is.
    if (!('setSinkId' in HTMLMediaElement.prototype) || found.speaker.length === 0) delete found.speaker;
    $('devices-list').replaceChildren(...Object.entries(found).map(([what, list]) => {
      const options = list.filter(({ id }) => id !== 'default').map(({ id, label }, index) => h('option', { value: id, textContent: label || `${DEVICES[what]} ${index + 1}` }));
      const select = h('select', { id: `device-${what}`, data: { testid: `device-${what}` } }, h('option', { value: '', textContent: 'As the browser has it' }), ...options);
      select.value = devices.chosen[what];
      if (select.selectedIndex < 0) select.value = '';
      select.addEventListener('change', () => call.choose(what, select.value));
      return h('div', { className: 'field' }, h('label', { htmlFor: `device-${what}`, textContent: DEVICES[what] }), select);
    }));
  }

  #key(event) {
    const id = KEYS[event.key.toLowerCase()];
    if (!id || event.ctrlKey || event.metaKey || event.altKey || event.repeat || !this.#app.call.inside) return;
    if (event.target.matches('input, select, textarea')) return;
    event.preventDefault();
    $(id).click();
  }

  /** What was pressed goes away; the focus goes to what took its place, unless it is somewhere else by now. */
  #switch(inside) {
    const here = document.activeElement === document.body || $('call').contains(document.activeElement);
    $('call-out').hidden = inside;
    $('call-in').hidden = !inside;
    if (here && !$('room').hidden) $(inside ? 'call-mute' : 'join-camera').focus({ preventScroll: true });
  }

  #renderDoors() {
    const { call } = this.#app;
    const names = call.members.map(([peer]) => peerName(peer));
    const others = names.length === 0 ? 'Nobody is in the call yet.' : `In the call: ${names.join(', ')}.`;
    text($('call-others'), call.state === 'joining' ? 'Waiting for your devices. The browser may be asking whether this page may use them.' : others);
    $('call').classList.toggle('ringing', call.state === 'out' && names.length > 0);
    for (const id of ['join-camera', 'join-sound', 'join-watch']) $(id).disabled = call.state !== 'out';
  }

  #renderButtons() {
    const { call } = this.#app;
    const set = (id, on, label, busy) => {
      // The words say it; “pressed” besides would be read as its contrary.
      $(id).dataset.on = String(on);
      $(id).disabled = busy;
      text($(id).querySelector('.what'), label);
    };
    set('call-mute', !call.muted, call.muted ? 'Unmute' : 'Mute', call.opening('mic'));
    set('call-camera', call.camera !== null, call.camera ? 'Camera off' : 'Camera on', call.opening('camera'));
    set('call-screen', call.screen !== null, call.screen ? 'Stop sharing' : 'Share screen', call.opening('screen'));
  }

  /** The keys of the tiles: screens first, then others, oneself last. */
  #items() {
    const { call } = this.#app;
    if (!call.inside) return [];
    const keys = call.members.flatMap(([peer, media]) => (media.tracks.screen ? [`${peer.id} screen`, peer.id] : [peer.id]));
    keys.sort((a, b) => Number(b.endsWith(' screen')) - Number(a.endsWith(' screen')));
    return [...keys, 'self'];
  }

  #tile(key) {
    return key === 'self' ? ownTile(this.#app) : memberTile(this.#app, key, () => this.#pin(key));
  }

  #pin(key) {
    this.#pinned = this.#pinned === key ? null : key;
    this.render();
  }

  /** Sizes: all alike, or one on the stage and the others below it. */
  #arrange() {
    const box = $('tiles');
    const keys = [...this.#tiles.keys()];
    if (keys.length === 0 || box.clientWidth === 0) return;
    if (!keys.includes(this.#pinned)) this.#pinned = null;
    const stage = this.#pinned ?? keys.find((key) => key.endsWith(' screen')) ?? null;
    for (const [key, { element, pinned }] of this.#tiles) {
      element.classList.toggle('stage', key === stage);
      pinned?.(key === this.#pinned);
    }
    // Not clientWidth: rounded up it would wrap the last tile of a row.
    const width = Math.floor(box.getBoundingClientRect().width);
    const height = Math.max(220, window.innerHeight * 0.62);
    const tile = stage === null ? grid({ count: keys.length, width, height }).width : Math.min(200, (width - 8) / 2);
    const sizes = `${Math.floor(tile)}px`;
    if (box.style.getPropertyValue('--tile') !== sizes) box.style.setProperty('--tile', sizes);
  }

  /** A call is looked at without touching anything; the screen stays on for as long as it goes on. */
  #stayAwake() {
    const { inside } = this.#app.call;
    if (!inside) {
      this.#awake?.then((lock) => lock?.release());
      this.#awake = null;
    } else if (this.#awake === null && document.visibilityState === 'visible') {
      // Refused where the battery is low; then the screen goes off as usual.
      this.#awake = Promise.resolve(navigator.wakeLock?.request('screen')).catch(() => null);
    }
  }

  /** What changed, for those who do not look at the screen. */
  #say() {
    const { call } = this.#app;
    const now = JSON.stringify([call.state, call.muted, call.camera !== null, call.screen !== null]);
    if (now === this.#shown) return;
    const before = this.#shown === '' ? null : JSON.parse(this.#shown);
    this.#shown = now;
    if (before === null || call.state === 'joining') return;
    if (before[0] !== call.state) this.#app.ui.announce(call.inside ? `You are in the call${call.muted ? ', without microphone' : ''}` : 'You have left the call');
    else if (before[1] !== call.muted) this.#app.ui.announce(call.muted ? 'Muted' : 'Others can hear you');
    else if (before[2] !== (call.camera !== null)) this.#app.ui.announce(call.camera ? 'Camera on' : 'Camera off');
    else this.#app.ui.announce(call.screen ? 'You share your screen' : 'Your screen is not shared any more');
  }
}
