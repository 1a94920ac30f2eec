// less is the answer's way and the second that its `Date` is rounded to
const TOLERANCE_MS = 60_000;

let offMs = 0;

/** Learn from an answer's `Date` whether this machine's clock is wrong. */
export function noteServerTime(response: Response): void {
  const by = Date.parse(response.headers.get("Date") ?? "") - Date.now();
  if (!Number.isNaN(by)) {
    offMs = Math.abs(by) > TOLERANCE_MS ? by : 0;
  }
}

/** The server's time in milliseconds, as `Date.now` would say it: a tablet's clock may be a day off. */
export function serverNow(): number {
  return Date.now() + offMs;
}
