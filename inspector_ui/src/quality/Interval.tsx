import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useFormat } from "../i18n/format";
import classes from "./RateTile.module.css";

export interface Estimated {
  value: number | null;
  low: number | null;
  high: number | null;
  n: number;
  needed: number;
}

interface Props {
  of: Estimated;
  /** Counted ones beside `n`. */
  hits?: number;
  /** The ends of the axis that the interval is drawn on; none is drawn without. */
  from?: number;
  to?: number;
  write?: (value: number) => string;
}

/** A figure with its interval drawn and written, or how many observations are missing until there is one. */
export function Interval({ of: { value, low, high, n, needed }, hits, from, to, write }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const words = write ?? ((share: number) => format.percent(share));
  if (value === null || low === null || high === null) {
    return (
      <Text size="sm" c="dimmed">
        {t("bias.few", { n: format.count(n), needed: format.count(needed) })}
      </Text>
    );
  }
  const place = (at: number) => `${(100 * (at - (from ?? 0))) / ((to ?? 1) - (from ?? 0))}%`;
  return (
    <div>
      <Text fw={650}>
        {words(value)}
        {hits !== undefined && ` (${format.count(hits)}/${format.count(n)})`}
      </Text>
      {from !== undefined && (
        <div className={classes.track} aria-hidden="true">
          <div
            className={classes.interval}
            style={{ left: place(low), width: `calc(${place(high)} - ${place(low)})` }}
          />
          <div className={classes.point} style={{ left: place(value) }} />
        </div>
      )}
      <Text size="sm" c="dimmed">
        {t("quality.interval", { low: words(low), high: words(high) })}
      </Text>
    </div>
  );
}
