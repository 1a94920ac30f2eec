import { Badge, Group, Paper, SimpleGrid, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { CameraDrift } from "../api/types";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { CheckChart } from "./CheckChart";
import { drifted } from "./checks";
import { Examples } from "./Examples";
import { ScoreHistogram } from "./ScoreHistogram";

/** One camera: whether it changed, how the statistics went, example frames, and what to do. */
export function CameraCard({ camera }: { camera: CameraDrift }) {
  const { t } = useTranslation();
  const format = useFormat();
  const appearance = drifted(camera.checks, "distance");
  const scores = drifted(camera.checks, "psi");
  const changed = appearance || scores;
  const compared = new Set(camera.checks.map((check) => check.against));
  return (
    <Paper p="md" mb="md" component="section" data-testid={`drift-${camera.line}-${camera.camera}`}>
      <Group justify="space-between" gap="sm" mb="sm">
        <div>
          <Title order={2} size="h4">
            {t("drift.camera", { line: camera.line, station: camera.station, camera: camera.camera })}
          </Title>
          <Text size="sm" c="dimmed">
            {t("drift.updated", {
              count: camera.frames,
              n: format.count(camera.frames),
              time: format.dateTime(camera.updated_at),
              model: `${camera.model.name} ${camera.model.version}`,
            })}
          </Text>
        </div>
        <Badge
          size="xl"
          tt="none"
          variant={changed ? "filled" : "light"}
          color={changed ? "orange" : "teal"}
          leftSection={<Icon name={changed ? "alert" : "check"} size={18} />}
        >
          {t(changed ? "drift.drifted" : "drift.steady")}
        </Badge>
      </Group>
      <SimpleGrid cols={{ base: 1, md: 3 }}>
        <CheckChart camera={camera} statistic="distance" />
        <CheckChart camera={camera} statistic="psi" />
        {camera.histogram !== null && <ScoreHistogram histogram={camera.histogram} />}
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, md: 2 }} mt="md">
        <Examples title={t("drift.typical")} examples={camera.typical} />
        <Examples title={t("drift.unusual")} examples={camera.unusual} />
      </SimpleGrid>
      <Title order={3} size="h5" mt="md">
        {t("drift.meaningTitle")}
      </Title>
      {!changed && <Text>{t("drift.meaningSteady")}</Text>}
      {appearance && <Text>{t("drift.meaningAppearance")}</Text>}
      {scores && <Text>{t("drift.meaningScores")}</Text>}
      {changed && <Text>{t("drift.meaningPromotion")}</Text>}
      {!compared.has("training") && (
        <Text size="sm" c="dimmed">
          {t("drift.noTraining")}
        </Text>
      )}
    </Paper>
  );
}
