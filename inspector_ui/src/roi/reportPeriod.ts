const DAY_MS = 86_400_000;

/** The ISO week of a day, as reports name it: 2026-W47. Weeks begin on Monday, week 1 has the year's first Thursday. */
export function weekName(day: Date): string {
  const thursday = new Date(day.getTime() + (3 - ((day.getUTCDay() + 6) % 7)) * DAY_MS);
  const first = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = Math.floor((thursday.getTime() - first) / (7 * DAY_MS)) + 1;
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, "0")}`;
}

/** The month of a day, as reports name it: 2026-11. */
export function monthName(day: Date): string {
  return `${day.getUTCFullYear()}-${String(day.getUTCMonth() + 1).padStart(2, "0")}`;
}

/** This and the last week and month of a day, which is given as its midnight in UTC. */
export function reportPeriods(today: Date) {
  const lastWeek = new Date(today.getTime() - 7 * DAY_MS);
  const lastMonth = new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() - 1, 1));
  return [
    { label: "roi.thisWeek", name: weekName(today) },
    { label: "roi.lastWeek", name: weekName(lastWeek) },
    { label: "roi.thisMonth", name: monthName(today) },
    { label: "roi.lastMonth", name: monthName(lastMonth) },
  ] as const;
}
