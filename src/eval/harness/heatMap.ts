/** A table of shares as blocks of text and as a picture that needs no program but a browser. */

export interface HeatMap {
  readonly columns: readonly number[];
  readonly rows: readonly number[];
  /** By row, then column; from 0 to 1, null where there is none. */
  readonly values: readonly (readonly (number | null)[])[];
  readonly columnName: string;
  readonly rowName: string;
}

const blocks = ["  ", "░░", "▒▒", "▓▓", "██"];

export function heatMapText({ columns, rows, values, columnName, rowName }: HeatMap): string {
  const width = Math.max(4, ...columns.map((each) => String(each).length)) + 1;
  const head = Math.max(rowName.length, ...rows.map((each) => String(each).length));
  const cell = (value: number | null): string => {
    if (value === null) return "-".padStart(width);
    const block = blocks[Math.min(blocks.length - 1, Math.floor(value * (blocks.length - 0.001)))] ?? "";
    return `${Math.round(value * 100)}`.padStart(width - 2) + block;
  };
  return [
    `${rowName.padStart(head)} |${columns.map((each) => String(each).padStart(width)).join("")}  ${columnName}`,
    ...rows.map((row, i) => `${String(row).padStart(head)} |${(values[i] ?? []).map(cell).join("")}`),
  ].join("\n");
}

const side = { width: 56, height: 24, left: 64, top: 44 };

export function heatMapSvg({ columns, rows, values, columnName, rowName }: HeatMap, title: string): string {
  const width = side.left + columns.length * side.width + 12;
  const height = side.top + rows.length * side.height + 40;
  const cells = values.flatMap((line, i) =>
    line.map((value, j) => {
      const [x, y] = [side.left + j * side.width, side.top + i * side.height];
      const tip = `<title>${columnName} ${columns[j]}, ${rowName} ${rows[i]}: ${value === null ? "none" : value.toFixed(2)}</title>`;
      const label =
        value === null
          ? ""
          : `<text x="${x + side.width / 2}" y="${y + 16}" text-anchor="middle">${Math.round(value * 100)}</text>`;
      return `<g><rect x="${x}" y="${y}" width="${side.width - 2}" height="${side.height - 2}" fill="${colour(value)}">${tip}</rect>${label}</g>`;
    }),
  );
  const heads = columns.map(
    (each, j) =>
      `<text x="${side.left + (j + 0.5) * side.width}" y="${side.top - 6}" text-anchor="middle">${each}</text>`,
  );
  const sides = rows.map(
    (each, i) => `<text x="${side.left - 8}" y="${side.top + i * side.height + 16}" text-anchor="end">${each}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      'font-family="sans-serif" font-size="12">',
    '<rect width="100%" height="100%" fill="white"/>',
    `<text x="${side.left}" y="18" font-size="14">${title}</text>`,
    ...heads,
    ...sides,
    ...cells,
    `<text x="${side.left}" y="${height - 14}">${columnName} across, ${rowName} down; 100 = all of it</text>`,
    "</svg>\n",
  ].join("\n");
}

/** From red over yellow to green; grey where nothing is known. */
function colour(value: number | null): string {
  return value === null ? "#ddd" : `hsl(${Math.round(value * 120)} 70% 70%)`;
}
