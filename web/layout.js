// Where the tiles of a call go.

/**
 * The columns and the size of `count` tiles of one `ratio` (width to height) that fill `width` × `height` best, in CSS
 * pixels. Rows that do not fit are scrolled to: a tile is never narrower than `least` where the width allows it.
 */
export function grid({ count, width, height, gap = 8, ratio = 16 / 9, least = 140 }) {
  let best = { columns: 1, rows: Math.max(1, count), width: 0, height: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(count / columns) || 1;
    const across = (width - gap * (columns - 1)) / columns;
    const down = (height - gap * (rows - 1)) / rows;
    if (columns > 1 && across < least) break;
    const tile = Math.max(0, Math.min(across, down * ratio));
    // Of two that are about alike the one with fewer rows.
    if (tile > best.width || (rows < best.rows && tile > best.width * 0.98)) best = { columns, rows, width: tile, height: tile / ratio };
  }
  if (best.width >= Math.min(least, width)) return round(best);
  const columns = Math.max(1, Math.min(count, Math.floor((width + gap) / (least + gap))));
  const across = Math.max(0, (width - gap * (columns - 1)) / columns);
  return round({ columns, rows: Math.ceil(count / columns) || 1, width: across, height: across / ratio });
}

function round({ columns, rows, width, height }) {
  return { columns, rows, width: Math.floor(width), height: Math.floor(height) };
}
