// The WebSocket client of docs/signalling.md: enters a room, resumes after a lost connection, resends what was not acknowledged.

const ACK_AFTER = 8;
const ACK_DELAY_MS = 200;
const MAX_UNACKED = 256;
const MAX_UNACKED_BYTES = 1024 * 1024;
const MAX_PEERS = 64;
const BACKOFF_MS = [250, 500, 1000, 2000, 4000, 8000];
const OPEN_TIMEOUT_MS = 10000;
const PEER = /^[A-Za-z0-9_-]{22}$/;

/**
 * One stay in one room under one peer id.
 *
 * Handlers: `state(name)` with `connecting`, `joined`, `reconnecting`; `joined(peers, iceServers)`; `iceServers(list)` for
 * what takes the place of all servers named before; `peerJoined(id)`; `peerLeft(id)`; `resumed(peers)`;
 * `signal(from, data)`; `ended({ code, message })`, after which nothing more comes.
 */
export class Room {
  #url;
  #room;
  #self;
  #mode;
  #accessToken;
  #nameplate;
  #on;
  #WebSocket;
  #socket = null;
  #token = null;
  #received = 0;
  #sent = 0;
  #unacked = [];
  #sinceAck = 0;
  #ackTimer = null;
  #retryTimer = null;
  #openTimer = null;
  #attempt = 0;
  #ready = false;
  #over = false;

  /**
   * `mode`: `open` creates the room where it does not exist, `join` needs it to exist. `accessToken`: what a server that
   * does not let everybody open rooms asks for, or the empty text. With `nameplate`, a number, it is what stands behind that
   * nameplate, come to as a guest, and `room` and `mode` do not count.
   */
  constructor({ url, room, self, mode, accessToken = '', nameplate = null, on, WebSocket = globalThis.WebSocket }) {
    this.#url = url;
    this.#room = room;
    this.#self = self;
    this.#mode = mode;
    this.#accessToken = accessToken;
    this.#nameplate = nameplate;
    this.#on = on;
    this.#WebSocket = WebSocket;
  }

  /** Connects; again at once where a retry was waiting. */
  connect() {
    if (this.#over || this.#socket !== null) return;
    clearTimeout(this.#retryTimer);
    this.#on.state(this.#token === null && this.#attempt === 0 ? 'connecting' : this.#token === null ? 'unreachable' : 'reconnecting');
    let socket;
    try {
      socket = new this.#WebSocket(this.#url);
    } catch {
      this.#retry();
      return;
    }
    this.#socket = socket;
    // A network that swallows packets would otherwise hold the attempt for minutes.
    this.#openTimer = setTimeout(() => this.#drop(socket), OPEN_TIMEOUT_MS);
    socket.onopen = () => this.#enter(socket);
    socket.onmessage = (event) => this.#message(socket, event.data);
    socket.onerror = () => this.#drop(socket);
    socket.onclose = () => this.#drop(socket);
  }

  /** The network changed: a connection that hangs is not waited for. */
  networkChanged() {
    if (this.#over) return;
    this.#attempt = 0;
    if (this.#socket !== null && !this.#ready) this.#drop(this.#socket);
    this.connect();
  }

  /** Hands sealed `data` to peer `to`; kept until the server acknowledged it. */
  signal(to, data) {
    if (this.#over) return;
    this.#sent += 1;
    const frame = { type: 'signal', seq: this.#sent, to, data };
    this.#unacked.push(frame);
    const size = this.#unacked.reduce((sum, waiting) => sum + waiting.data.length, 0);
    if (this.#unacked.length > MAX_UNACKED || size > MAX_UNACKED_BYTES) {
      this.#end({ code: 'gone', message: 'too much was said while the server was away' });
      return;
    }
    if (this.#ready) this.#write(frame);
  }

  /** Leaves at once. */
  leave() {
    if (this.#over) return;
    if (this.#ready) {
      this.#acknowledge();
      this.#write({ type: 'leave' });
    }
    this.#stop();
  }

  #enter(socket) {
    if (socket !== this.#socket) return;
    if (this.#token === null && this.#nameplate !== null) {
      this.#write({ type: 'claim', nameplate: this.#nameplate, peer: this.#self, side: 'guest' });
    } else if (this.#token === null) {
      const frame = { type: this.#mode, room: this.#room, peer: this.#self, accepts: ['ice_servers'] };
      if (this.#mode === 'open' && this.#accessToken !== '') frame.access_token = this.#accessToken;
      this.#write(frame);
    } else {
      this.#write({ type: 'resume', room: this.#room, peer: this.#self, token: this.#token, received: this.#received });
    }
  }

  #message(socket, text) {
    if (socket !== this.#socket || typeof text !== 'string') return;
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (typeof frame !== 'object' || frame === null) return;
    switch (frame.type) {
      case 'joined':
        return this.#joined(frame);
      case 'claimed':
        return this.#claimed(frame);
      case 'resumed':
        return this.#resumed(frame);
      case 'ice_servers':
        return this.#ready ? this.#on.iceServers(iceServers(frame.ice_servers)) : undefined;
      case 'ack':
        return this.#forget(frame.received);
      case 'error':
        return this.#end({ code: String(frame.code), message: String(frame.message ?? '') });
      case 'peer_joined':
      case 'peer_left':
      case 'signal':
        return this.#numbered(frame);
      default:
        return undefined;
    }
  }

  #joined(frame) {
    if (this.#token !== null || this.#nameplate !== null || typeof frame.token !== 'string') return;
    this.#token = frame.token;
    this.#mode = 'resume';
    this.#becomeReady();
    this.#on.joined(peerList(frame.peers, this.#self), iceServers(frame.ice_servers));
  }

  #claimed(frame) {
    if (this.#token !== null || frame.nameplate !== this.#nameplate) return;
    if (typeof frame.token !== 'string' || typeof frame.room !== 'string') return;
    this.#token = frame.token;
    this.#room = frame.room;
    this.#becomeReady();
    this.#on.joined([], []);
  }

  #resumed(frame) {
    if (this.#token === null || this.#ready) return;
    this.#forget(frame.received);
    // Before anybody hears of it, so that nothing new is said first.
    for (const waiting of this.#unacked) this.#write(waiting);
    this.#becomeReady();
    this.#on.resumed(peerList(frame.peers, this.#self));
  }

  #becomeReady() {
    clearTimeout(this.#openTimer);
    this.#ready = true;
    this.#attempt = 0;
    this.#on.state('joined');
  }

  #numbered(frame) {
    if (!this.#ready || !Number.isSafeInteger(frame.seq) || frame.seq <= this.#received) return;
    if (frame.seq !== this.#received + 1) {
      // Something was lost in between: resuming makes the server send it again.
      this.#drop(this.#socket);
      return;
    }
    this.#received = frame.seq;
    this.#sinceAck += 1;
    if (this.#sinceAck >= ACK_AFTER) this.#acknowledge();
    else this.#ackTimer ??= setTimeout(() => this.#acknowledge(), ACK_DELAY_MS);
    const peer = frame.type === 'signal' ? frame.from : frame.peer;
    if (typeof peer !== 'string' || !PEER.test(peer) || peer === this.#self) return;
    if (frame.type === 'peer_joined') this.#on.peerJoined(peer);
    else if (frame.type === 'peer_left') this.#on.peerLeft(peer);
    else if (typeof frame.data === 'string') this.#on.signal(peer, frame.data);
  }

  #acknowledge() {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = null;
    if (!this.#ready || this.#sinceAck === 0) return;
    this.#sinceAck = 0;
    this.#write({ type: 'ack', received: this.#received });
  }

  #forget(received) {
    if (!Number.isSafeInteger(received)) return;
    while (this.#unacked.length > 0 && this.#unacked[0].seq <= received) this.#unacked.shift();
  }

  #write(frame) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  #drop(socket) {
    if (socket === null || socket !== this.#socket) return;
    this.#detach();
    if (!this.#over) this.#retry();
  }

  #retry() {
    const wait = BACKOFF_MS[Math.min(this.#attempt, BACKOFF_MS.length - 1)];
    this.#attempt += 1;
    this.#on.state(this.#token === null ? 'unreachable' : 'reconnecting');
    // Clients that lost one server together shall not come back together.
    this.#retryTimer = setTimeout(() => this.connect(), wait * (0.75 + Math.random() / 2));
  }

  #end(reason) {
    if (this.#over) return;
    this.#stop();
    this.#on.ended(reason);
  }

  #stop() {
    this.#over = true;
    clearTimeout(this.#retryTimer);
    this.#detach();
  }

  #detach() {
    clearTimeout(this.#openTimer);
    clearTimeout(this.#ackTimer);
    this.#ackTimer = null;
    this.#ready = false;
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
    // A socket that is still connecting closes with a console error in some browsers; there is nothing else to do with it.
    socket.close();
  }
}

function peerList(list, self) {
  if (!Array.isArray(list)) return [];
  return list.filter((peer) => typeof peer === 'string' && PEER.test(peer) && peer !== self).slice(0, MAX_PEERS);
}

function iceServers(list) {
  if (!Array.isArray(list)) return [];
  return list.slice(0, 8).flatMap((server) => {
    const urls = [server?.urls].flat().filter((url) => typeof url === 'string' && /^(stun|turn)s?:/.test(url));
    if (urls.length === 0) return [];
    const { username, credential } = server;
    return [typeof username === 'string' && typeof credential === 'string' ? { urls, username, credential } : { urls }];
  });
}
