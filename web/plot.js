// Small plots as SVG: lines over the last two minutes.

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 240;
const HEIGHT = 56;
const POINTS = 120;

/** The lowest of 1, 2, 5, 10, 20, 50... that is not below `value`, and not below `least`. */
export function ceiling(value, least = 1) {
  const top = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(top));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= top * (1 - 1e-9)) ?? 10 * power;
}

/**
 * The path of one line, newest point at the right; `values` may hold null, where the line is interrupted. `top` is the
 * value at the upper edge; what is above it stays at the edge.
 */
export function path(values, top, { width = WIDTH, height = HEIGHT, points = POINTS } = {}) {
  const shown = values.slice(-points);
  const step = width / (points - 1);
  let pen = 'M';
  let drawn = '';
  shown.forEach((value, index) => {
    if (value === null) {
      pen = 'M';
      return;
    }
    const x = width - (shown.length - 1 - index) * step;
    const y = height - (Math.min(Math.max(value, 0), top) / top) * height;
    drawn += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = 'L';
  });
  return drawn;
}

/**
 * `{ element, update }` of a plot: `update(lines)` draws `{ values, name }` each; `say(value)` makes a figure text, `least`
 * is the smallest upper edge.
 */
export function plot({ title, say, least }) {
  const element = document.createElement('figure');
  element.className = 'plot';
  const caption = document.createElement('figcaption');
  const heading = document.createElement('b');
  heading.textContent = title;
  const figures = document.createElement('span');
  caption.append(heading, figures);
  const drawing = svg('svg', { viewBox: `0 -2 ${WIDTH} ${HEIGHT + 4}`, preserveAspectRatio: 'none', role: 'img' });
  const edge = document.createElement('small');
  element.append(caption, drawing, edge);
  const paths = [];

  function update(lines) {
    const all = lines.flatMap((line) => line.values).filter((value) => value !== null);
    const top = ceiling(all.reduce((most, value) => Math.max(most, value), 0), least);
    lines.forEach((line, index) => {
      if (!paths[index]) {
        paths[index] = svg('path', { class: `line line-${index}`, 'vector-effect': 'non-scaling-stroke' });
        drawing.append(paths[index]);
      }
      paths[index].setAttribute('d', path(line.values, top));
    });
    const words = lines.map((line) => `${line.name ? `${line.name} ` : ''}${say(line.values.at(-1) ?? null)}`);
    figures.replaceChildren(...words.map((word, index) => {
      const part = document.createElement('span');
      part.className = `key key-${index}`;
      part.textContent = word;
      return part;
    }));
    drawing.setAttribute('aria-label', `${title}: ${words.join(', ')}`);
    edge.textContent = `0 to ${say(top)}, two minutes`;
  }

  return { element, update };
}

function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
