import { useTranslation } from "react-i18next";
import { serverNow } from "../api/serverClock";
import type { Text } from "../api/types";
import { useZone } from "../who/WhoProvider";
import { unbroken } from "./unbroken";

const LOCALES: Record<string, string> = { en: "en-US", "zh-Hant": "zh-Hant-TW" };

export interface Format {
  /** One sentence after the other; Chinese has no space between them. */
  sentences(...each: string[]): string;
  /** Names one after the other. */
  list(names: readonly string[]): string;
  /** Between a name and what it is, with its space where the language has one. */
  colon: string;
  count(value: number): string;
  number(value: number, digits?: number): string;
  /** A share in 0..1 as a percentage. */
  percent(value: number, digits?: number): string;
  /** With an explicit sign, for changes. */
  change(value: number, digits?: number): string;
  money(value: number, currency: string): string;
  /** Short, as in $13.3M. */
  moneyShort(value: number, currency: string): string;
  time(at: string | Date): string;
  /** Without seconds. */
  clock(at: string | Date): string;
  /** With the year where it is not the present one. */
  dateTime(at: string | Date): string;
  /** With the year where it is not the present one. */
  date(at: string | Date): string;
  /** Without its day where that is today: for what is mostly of the last hours and has little room. */
  moment(at: string | Date): string;
  /** As `dateTime`, with the plant's zone: for what is read away from its page. */
  dateTimeZone(at: string | Date): string;
  /** The hour of a day; the day alone where it begins then. */
  dayHour(at: string | Date): string;
  /** The plant's time zone, as people call it. */
  zone: string;
  /** How far the plant's clock is from UTC now, as in GMT+8. */
  offset: string;
  /** Whether the clock of this device says the same time as the plant's. */
  sameClock: boolean;
}

/** The number that is read, which says whether a noun is one or several. */
export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** Making a formatter takes some hundred times as long as using it, and pages ask for the same few again and again. */
function kept<Options, Formatter>(make: (options: Options) => Formatter): (options: Options) => Formatter {
  const made = new Map<string, Formatter>();
  return (options) => {
    const key = JSON.stringify(options);
    const formatter = made.get(key) ?? make(options);
    made.set(key, formatter);
    return formatter;
  };
}

function formatFor({ locale, zone }: { locale: string; zone: string }): Format {
  const number = kept((options: Intl.NumberFormatOptions) => new Intl.NumberFormat(locale, options));
  const date = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, { timeZone: zone, ...options });
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  const minutes = date(clock);
  const withSeconds = date({ ...clock, second: "2-digit" });
  const day = date({ month: "short", day: "numeric" });
  const both = date({ month: "short", day: "numeric", ...clock, second: "2-digit" });
  const dayOfYear = date({ year: "numeric", month: "short", day: "numeric" });
  const bothOfYear = date({ year: "numeric", month: "short", day: "numeric", ...clock, second: "2-digit" });
  const dayMinutes = date({ month: "short", day: "numeric", ...clock });
  const year = date({ year: "numeric" });
  const sameDay = (at: Date) => dayOfYear.format(at) === dayOfYear.format(serverNow());
  const thisYear = (at: Date) => year.format(at) === year.format(serverNow());
  const zoneName = (formatter: Intl.DateTimeFormat, at: number) =>
    formatter.formatToParts(at).find(({ type }) => type === "timeZoneName")?.value ?? zone;
  const here = date({ timeZone: undefined, timeZoneName: "shortOffset" });
  const there = date({ timeZoneName: "shortOffset" });
  const offset = (at: number) => zoneName(there, at);
  const dateTime = (at: string | Date) => (thisYear(new Date(at)) ? both : bothOfYear).format(new Date(at));
  const whole = number({ maximumFractionDigits: 0 });
  return {
    sentences: (...each) => each.filter((one) => one !== "").join(locale.startsWith("zh") ? "" : " "),
    list: (names) => names.join(locale.startsWith("zh") ? "、" : ", "),
    colon: locale.startsWith("zh") ? "：" : ": ",
    count: (value) => whole.format(value),
    number: (value, digits = 2) => number({ maximumFractionDigits: digits }).format(value),
    percent: (value, digits = 1) => number({ style: "percent", maximumFractionDigits: digits }).format(value),
    change: (value, digits = 0) =>
      number({ style: "percent", maximumFractionDigits: digits, signDisplay: "exceptZero" }).format(value),
    money: (value, currency) => number({ style: "currency", currency, maximumFractionDigits: 0 }).format(value),
    moneyShort: (value, currency) =>
      number({ style: "currency", currency, notation: "compact", maximumSignificantDigits: 4 }).format(value),
    clock: (at) => minutes.format(new Date(at)),
    time: (at) => withSeconds.format(new Date(at)),
    dateTime,
    moment: (at) => (sameDay(new Date(at)) ? withSeconds.format(new Date(at)) : dateTime(at)),
    dateTimeZone: (at) => `${dateTime(at)} ${offset(new Date(at).getTime())}`,
    dayHour: (at) => (minutes.format(new Date(at)) === "00:00" ? day : dayMinutes).format(new Date(at)),
    zone: /^(GMT|UTC|Etc\/)/.test(zone) ? zone : zoneName(date({ timeZoneName: "longGeneric" }), serverNow()),
    get offset() {
      return offset(serverNow());
    },
    get sameClock() {
      return offset(serverNow()) === zoneName(here, serverNow());
    },
    date: (at) => (thisYear(new Date(at)) ? day : dayOfYear).format(new Date(at)),
  };
}

const formats = kept(formatFor);

/** Numbers, money and times as the chosen language writes them; times in the plant's time zone, wherever they are read. */
export function useFormat(): Format {
  const { i18n } = useTranslation();
  return formats({ locale: LOCALES[i18n.language] ?? "en-US", zone: useZone() });
}

/** The server's own sentences, in the language of the page. */
export function useServerText(): (text: Text) => string {
  const { i18n } = useTranslation();
  return (text) => unbroken(text[i18n.language === "zh-Hant" ? "zh-Hant" : "en"]);
}
