import { LineChart } from "@mantine/charts";
import { Center, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { CameraDrift } from "../api/types";
import { useFormat } from "../i18n/format";
import { type Against, ratios, type Statistic, windowCheck } from "./checks";

const AGAINST: readonly Against[] = ["training", "promotion"];

/** How one statistic went against its alarm limit. */
export function CheckChart({ camera, statistic }: { camera: CameraDrift; statistic: Statistic }) {
  const { t } = useTranslation();
  const format = useFormat();
  const course = ratios(camera, statistic);
  const highest = Math.max(1, ...course.flatMap(({ training, promotion }) => [training ?? 0, promotion ?? 0]));
  const drawn = course.filter(({ training, promotion }) => training != null || promotion != null).length;
  return (
    <div>
      <Title order={3} size="h5">
        {t(`drift.${statistic}`)}
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        {t(`drift.${statistic}Hint`)}
      </Text>
      {drawn === 0 ? (
        <Center h={180}>
          <Text c="dimmed">{t("drift.tooFew")}</Text>
        </Center>
      ) : (
        <LineChart
          h={180}
          data={course.map((point) => ({ ...point, label: format.time(point.at) }))}
          dataKey="label"
          curveType="linear"
          withDots={drawn < 3}
          yAxisProps={{ domain: [0, highest * 1.15], tickFormatter: (value: number) => format.percent(value, 0) }}
          valueFormatter={(value) => format.percent(value, 0)}
          referenceLines={[{ y: 1, label: t("drift.limit"), color: "var(--verdict-reject)" }]}
          series={[
            { name: "training", label: t("drift.training"), color: "steel.6" },
            {
              name: "promotion",
              label: t("drift.promotion"),
              color: "var(--verdict-no-decision-text)",
              strokeDasharray: "6 4",
            },
          ]}
        />
      )}
      {AGAINST.map((against) => {
        const check = windowCheck(camera.checks, statistic, against);
        return (
          <Text key={against} size="sm" fw={check !== undefined && check.value > check.limit ? 700 : undefined}>
            {t(`drift.${against}`)}
            {format.colon}
            {check === undefined
              ? against === "promotion"
                ? t("drift.waiting")
                : "–"
              : t("drift.value", {
                  value: format.number(check.value),
                  limit: format.number(check.limit),
                  count: check.frames,
                  n: format.count(check.frames),
                })}
          </Text>
        );
      })}
    </div>
  );
}
