import { LineChart } from "@mantine/charts";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { OperatingCurve, Thresholds } from "../api/types";
import { useFormat } from "../i18n/format";
import { figuresAt, placeOf } from "./operating";

interface Props {
  curve: OperatingCurve;
  chosen: Thresholds;
  inForce: Thresholds;
  defectRate: number;
}

/** Escapes, overkill and review load against the threshold below which parts pass; the other threshold as chosen. */
export function OperatingChart({ curve, chosen, inForce, defectRate }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const { reject_from } = chosen;
  const data = useMemo(
    () =>
      curve.points
        .filter((point) => point <= Math.min(reject_from, 1))
        .map((point, place) => {
          const { escapes, overkill, reviews } = figuresAt(curve, { pass_below: point, reject_from }, defectRate);
          return { place, escapes, overkill, reviews };
        }),
    [curve, reject_from, defectRate],
  );
  return (
    <LineChart
      h={260}
      mt="md"
      data={data}
      dataKey="place"
      withDots={false}
      withLegend
      legendProps={{ verticalAlign: "bottom", itemSorter: null }}
      curveType="stepBefore"
      xAxisProps={{ tickFormatter: (place: number) => format.number(curve.points[place] ?? 1, 3), minTickGap: 40 }}
      yAxisProps={{ domain: [0, 1], width: 52 }}
      valueFormatter={(value) => format.percent(value, 1)}
      tooltipProps={{
        labelFormatter: (place) => t("settings.passAt", { at: format.number(curve.points[Number(place)] ?? 1, 4) }),
      }}
      referenceLines={[
        { x: placeOf(curve, inForce.pass_below), color: "var(--quiet)", label: t("settings.nowShort") },
        { x: placeOf(curve, chosen.pass_below), color: "var(--mantine-color-text)" },
      ]}
      series={[
        { name: "escapes", label: t("settings.escapes"), color: "orange.7" },
        { name: "overkill", label: t("settings.overkill"), color: "steel.7" },
        { name: "reviews", label: t("settings.reviews"), color: "gray.6", strokeDasharray: "6 4" },
      ]}
    />
  );
}
