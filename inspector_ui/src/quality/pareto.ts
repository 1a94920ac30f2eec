export interface ParetoRow {
  name: string;
  count: number;
  /** Share of all counts up to and with this row, in percent. */
  cumulative: number;
}

/** Classes by falling count, with the share that they and all before them make up. */
export function pareto(byClass: Readonly<Record<string, number>>): ParetoRow[] {
  const rows = Object.entries(byClass).sort(([, one], [, other]) => other - one);
  const total = rows.reduce((sum, [, count]) => sum + count, 0);
  let reached = 0;
  return rows.map(([name, count]) => {
    reached += count;
    return { name, count, cumulative: total === 0 ? 0 : (100 * reached) / total };
  });
}
