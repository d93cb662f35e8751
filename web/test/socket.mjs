// A WebSocket whose other end the test holds.

/** A class to be used in the place of WebSocket; those that were made stand in `sockets`. */
export function played() {
  const sockets = [];
  class Socket {
    readyState = 0;
    said = [];
    constructor(url) {
      this.url = url;
      sockets.push(this);
    }
    open() {
      this.readyState = 1;
      this.onopen();
    }
    send(text) {
      this.said.push(JSON.parse(text));
    }
    hear(frame) {
      this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
    }
    lose() {
      this.readyState = 3;
      this.onclose?.();
    }
    close() {
      this.readyState = 3;
    }
  }
  return { Socket, sockets };
}
