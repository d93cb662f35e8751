"use strict";
(() => {
  const total = Number(document.body.dataset.packets);
  if (!total) return;
  document.documentElement.classList.add("js");
  const byId = (id) => document.getElementById(id);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const packets = all(".packet"), details = all(".step"), made = all("tr[data-n], .remote");
  const nodes = new Map(all("[data-node]").map((node) => [node.dataset.node, node]));
  const above = new Map(), wires = new Map();
  for (const wire of all("[data-wire]")) {
    const [low, high] = wire.dataset.wire.split("|");
    above.set(low, high);
    wires.set(low + "|" + high, wire).set(high + "|" + low, wire);
  }
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const dot = document.querySelector(".dot"), ladder = document.querySelector(".ladder");
  const at = byId("at"), where = byId("where"), play = byId("play");
  let now = 0, timer = null, frame = null;
  at.max = total;

  // From one element to the next one as it is drawn: up until a common place, then down.
  const between = (from, to) => {
    const up = [from];
    while (above.has(up.at(-1))) up.push(above.get(up.at(-1)));
    const down = [to];
    while (!up.includes(down.at(-1)) && above.has(down.at(-1))) down.push(above.get(down.at(-1)));
    return [...up.slice(0, up.indexOf(down.at(-1)) + 1), ...down.slice(0, -1).reverse()];
  };
  const drawn = (packet) => {
    const hops = packet.dataset.way.split("|"), way = hops.slice(0, 1);
    for (let n = 1; n < hops.length; n++) way.push(...between(hops[n - 1], hops[n]).slice(1));
    return way.filter((name) => nodes.has(name));
  };
  const travel = (way) => {
    cancelAnimationFrame(frame);
    dot.classList.remove("on");
    if (still.matches || way.length < 2) return;
    const points = way.map((name) => [Number(nodes.get(name).dataset.x), Number(nodes.get(name).dataset.y)]);
    const begin = performance.now(), length = 180 * (points.length - 1);
    dot.classList.add("on");
    const move = (time) => {
      const done = Math.min(1, Math.max(0, (time - begin) / length)) * (points.length - 1);
      const leg = Math.min(Math.floor(done), points.length - 2), part = done - leg;
      const [[x, y], [toX, toY]] = [points[leg], points[leg + 1]];
      dot.setAttribute("cx", x + (toX - x) * part);
      dot.setAttribute("cy", y + (toY - y) * part);
      if (done < points.length - 1) frame = requestAnimationFrame(move);
    };
    frame = requestAnimationFrame(move);
  };
  const show = (to, moving = true) => {
    now = Math.max(0, Math.min(total, to));
    const mark = (element) => {
      const n = Number(element.dataset.n);
      element.classList.toggle("future", n > now);
      element.classList.toggle("now", n === now);
    };
    packets.forEach(mark);
    details.forEach(mark);
    made.forEach(mark);
    all(".hot, .node.bad").forEach((element) => element.classList.remove("hot", "bad"));
    const packet = packets[now - 1];
    if (packet) {
      details[now - 1].open = true;
      const way = drawn(packet);
      way.forEach((name, n) => {
        nodes.get(name).classList.add("hot");
        if (n) wires.get(way[n - 1] + "|" + name)?.classList.add("hot");
      });
      if (packet.classList.contains("dropped")) nodes.get(way.at(-1))?.classList.add("bad");
      const box = packet.querySelector(".hit").getBoundingClientRect(), view = ladder.getBoundingClientRect();
      if (box.top < view.top + 40 || box.bottom > view.bottom) ladder.scrollTop += box.top - view.top - view.height / 2;
      if (moving) travel(way);
    }
    at.value = now;
    where.textContent = packet ? `${now} of ${total}, ${packet.querySelector(".time").textContent}` : `before the first of ${total}`;
    byId("first").disabled = byId("back").disabled = now === 0;
    byId("last").disabled = byId("next").disabled = now === total;
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };
  const toggle = () => {
    if (timer) return stop();
    if (now === total) show(0);
    play.textContent = "Pause";
    timer = setInterval(() => (now < total ? show(now + 1) : stop()), 900);
  };
  const go = (to) => {
    stop();
    show(to);
  };
  byId("first").addEventListener("click", () => go(0));
  byId("back").addEventListener("click", () => go(now - 1));
  byId("next").addEventListener("click", () => go(now + 1));
  byId("last").addEventListener("click", () => go(total));
  play.addEventListener("click", toggle);
  at.addEventListener("input", () => go(Number(at.value)));
  packets.forEach((packet) => packet.addEventListener("click", () => go(Number(packet.dataset.n))));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const control = event.target.closest("button, input, summary");
    const keys = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: total };
    if (event.key === " " && !control) {
      event.preventDefault();
      toggle();
    } else if (event.key in keys && event.target !== at) {
      event.preventDefault();
      go(keys[event.key]);
    }
  });
  const asked = Number(location.hash.slice(1));
  show(Number.isInteger(asked) && asked > 0 ? asked : total, false);
})();
