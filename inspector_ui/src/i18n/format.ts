import { useTranslation } from "react-i18next";
import type { Text } from "../api/types";

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

function formatFor(locale: string): Format {
  const number = kept((options: Intl.NumberFormatOptions) => new Intl.NumberFormat(locale, options));
  const date = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, options);
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  const minutes = date(clock);
  const withSeconds = date({ ...clock, second: "2-digit" });
  const day = date({ month: "short", day: "numeric" });
  const both = date({ month: "short", day: "numeric", ...clock, second: "2-digit" });
  const dayOfYear = date({ year: "numeric", month: "short", day: "numeric" });
  const bothOfYear = date({ year: "numeric", month: "short", day: "numeric", ...clock, second: "2-digit" });
  const thisYear = (at: Date) => at.getFullYear() === new Date().getFullYear();
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
    dateTime: (at) => (thisYear(new Date(at)) ? both : bothOfYear).format(new Date(at)),
    date: (at) => (thisYear(new Date(at)) ? day : dayOfYear).format(new Date(at)),
  };
}

const formats = kept(formatFor);

/** Numbers, money and times as the chosen language writes them; times in this machine's time zone. */
export function useFormat(): Format {
  const { i18n } = useTranslation();
  return formats(LOCALES[i18n.language] ?? "en-US");
}

/** The server's own sentences, in the language of the page. */
export function useServerText(): (text: Text) => string {
  const { i18n } = useTranslation();
  return (text) => text[i18n.language === "zh-Hant" ? "zh-Hant" : "en"];
}
