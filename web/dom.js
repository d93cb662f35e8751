// Small helpers over the DOM. What they write is text, never markup.

export const $ = (id) => document.getElementById(id);

/** An element with properties, `data` attributes, `aria` attributes and children (nodes or text). */
export function h(tag, { data, aria, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  for (const [name, value] of Object.entries(data ?? {})) element.dataset[name] = value;
  for (const [name, value] of Object.entries(aria ?? {})) element.setAttribute(`aria-${name}`, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets text only where it changed, so that a selection or a live region is not disturbed. */
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/** Makes the children of `list` those of `items` in order; `make(item)` gives `{ element, update }`, kept by item. */
export function keyed(list, items, views, make) {
  for (const [item, view] of views) {
    if (items.includes(item)) continue;
    view.element.remove();
    views.delete(item);
  }
  items.forEach((item, index) => {
    let view = views.get(item);
    if (!view) {
      view = make(item);
      views.set(item, view);
    }
    view.update();
    if (list.children[index] !== view.element) list.insertBefore(view.element, list.children[index] ?? null);
  });
}

/** Fills `list` with one element a line, only where the lines changed. */
export function lines(list, items, make) {
  const key = JSON.stringify(items);
  if (list.linesKey === key) return;
  list.linesKey = key;
  list.replaceChildren(...items.map(make));
}

/** Runs `action` soon, once for many calls. Timers also run in pages that are not in front. */
export function soon(action, ms = 40) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      action();
    }, ms);
  };
}

/** Copies `value`; plain HTTP has no clipboard interface, there the old way is taken. */
export async function copy(value) {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    const area = h('textarea', { value, className: 'visually-hidden', readOnly: true });
    document.body.append(area);
    const before = document.activeElement;
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    before?.focus?.();
    return copied;
  }
}

/** Starts a download of `content` as `name`. */
export function save(content, name) {
  const url = URL.createObjectURL(content);
  const anchor = h('a', { href: url, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  // The download must have begun before its address goes away; nothing tells when.
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
