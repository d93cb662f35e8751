// Two ends of a channel with the interface of RTCDataChannel, for the machines under test.

class End extends EventTarget {
  readyState = 'open';
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  onmessage = null;
  onclose = null;
  onopen = null;
  onbufferedamountlow = null;
  sent = [];
  other = null;
  /** Changes or drops (null) what goes through. */
  filter = (data) => data;

  send(data) {
    if (this.readyState !== 'open') throw new DOMException('closed', 'InvalidStateError');
    const copy = typeof data === 'string' ? data : new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength).slice().buffer;
    this.sent.push(copy);
    const size = typeof copy === 'string' ? copy.length : copy.byteLength;
    this.bufferedAmount += size;
    setImmediate(() => {
      const before = this.bufferedAmount;
      this.bufferedAmount -= size;
      if (before > this.bufferedAmountLowThreshold && this.bufferedAmount <= this.bufferedAmountLowThreshold) this.onbufferedamountlow?.();
      const passed = this.filter(copy);
      if (passed !== null && this.other.readyState === 'open') this.other.onmessage?.({ data: passed });
    });
  }

  close() {
    if (this.readyState === 'closed') return;
    this.readyState = 'closing';
    // After what was sent.
    setImmediate(() => setImmediate(() => {
      this.cut();
      this.other.cut();
    }));
  }

  cut() {
    if (this.readyState === 'closed') return;
    this.readyState = 'closed';
    this.onclose?.();
  }
}

/** `[one, other]`. */
export function pair() {
  const one = new End();
  const other = new End();
  one.other = other;
  other.other = one;
  return [one, other];
}

/** Waits until `condition` gives something. */
export async function until(condition, ms = 5000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`never: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
