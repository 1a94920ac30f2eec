import { Paper, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Rate } from "../api/types";
import { useFormat } from "../i18n/format";
import classes from "./RateTile.module.css";

interface Props {
  name: "flagRate" | "confirmedRate" | "falseCallRate" | "escapeRate";
  rate: Rate;
  /** Why the rate is not known; that nothing was counted, unless said otherwise. */
  unknown?: string;
}

/** A share with what it was counted from and how far it can be trusted. */
export function RateTile({ name, rate, unknown }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const { value, low, high, numerator } = rate;
  return (
    <Paper p="md" data-testid={`tile-${name}`}>
      <Text fw={600}>{t(`quality.${name}`)}</Text>
      <Text size="sm" c="dimmed">
        {t(`quality.${name}Hint`)}
      </Text>
      {value === null ? (
        <>
          <Text fz={32} fw={700} lh={1.3} c="dimmed">
            {t("quality.unknown")}
          </Text>
          <Text size="sm" c="dimmed">
            {unknown ?? t("quality.nothingCounted")}
          </Text>
        </>
      ) : (
        <>
          <Text fz={32} fw={700} lh={1.3}>
            {format.percent(value)}
          </Text>
          {low !== null && high !== null && (
            <div className={classes.track} aria-hidden="true">
              <div className={classes.interval} style={{ left: `${low * 100}%`, right: `${(1 - high) * 100}%` }} />
              <div className={classes.point} style={{ left: `${value * 100}%` }} />
            </div>
          )}
          <Text size="sm" c="dimmed">
            {numerator === null
              ? t("quality.audits", { count: rate.denominator, n: format.count(rate.denominator) })
              : t("quality.of", {
                  numerator: format.count(numerator),
                  denominator: format.count(rate.denominator),
                })}
          </Text>
          {low !== null && high !== null && (
            <Text size="sm" c="dimmed">
              {t("quality.interval", { low: format.percent(low), high: format.percent(high) })}
            </Text>
          )}
        </>
      )}
    </Paper>
  );
}
