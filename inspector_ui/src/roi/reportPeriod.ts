const DAY_MS = 86_400_000;

/** The ISO week of a day, as reports name it: 2026-W47. Weeks begin on Monday, week 1 has the year's first Thursday. */
export function weekName(day: Date): string {
  const at = new Date(Date.UTC(day.getFullYear(), day.getMonth(), day.getDate()));
  const thursday = new Date(at.getTime() + (3 - ((at.getUTCDay() + 6) % 7)) * DAY_MS);
  const first = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = Math.floor((thursday.getTime() - first) / (7 * DAY_MS)) + 1;
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, "0")}`;
}

/** The month of a day, as reports name it: 2026-11. */
export function monthName(day: Date): string {
  return `${day.getFullYear()}-${String(day.getMonth() + 1).padStart(2, "0")}`;
}

/** This and the last week and month. */
export function reportPeriods(today: Date) {
  const lastWeek = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 7);
  const lastMonth = new Date(today.getFullYear(), today.getMonth() - 1, 1);
  return [
    { label: "roi.thisWeek", name: weekName(today) },
    { label: "roi.lastWeek", name: weekName(lastWeek) },
    { label: "roi.thisMonth", name: monthName(today) },
    { label: "roi.lastMonth", name: monthName(lastMonth) },
  ] as const;
}
