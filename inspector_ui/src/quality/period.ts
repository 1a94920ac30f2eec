import { serverNow } from "../api/serverClock";

export const periods = [
  { name: "lastHour", hours: 1 },
  { name: "lastShift", hours: 8 },
  { name: "lastDay", hours: 24 },
  { name: "lastWeek", hours: 168 },
  { name: "lastMonth", hours: 720 },
] as const;

export type Period = (typeof periods)[number];
export type PeriodName = Period["name"];

export function sinceOf(period: Period): string {
  return new Date(serverNow() - period.hours * 3_600_000).toISOString();
}
