import { Alert, Badge, Button, Group, Paper, SimpleGrid, Table, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { ModelInfo } from "../api/types";
import { useFormat, useServerText } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { useMay } from "../who/WhoProvider";
import type { Change } from "./ModelsPage";
import { Promises } from "./Promises";

const METRICS = [
  "test_auroc",
  "test_accuracy",
  "escape_rate",
  "overkill_rate",
  "reject_good_rate",
  "pass_rate",
  "review_rate",
  "ece",
  "hot_in_box",
] as const;

/** What is no share of parts or images. */
const PLAIN = ["test_auroc", "ece"];

const isKnown = (name: string): name is (typeof METRICS)[number] => METRICS.some((known) => known === name);

/** One bundle: what it promises, how it measured, and what can be done with it. */
export function ModelPanel({ model, onAsk }: { model: ModelInfo; onAsk: (change: Change) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useServerText();
  const mayChange = useMay("models");
  return (
    <Paper p="md" mb="md" component="section" data-testid={`model-${model.version}`}>
      <Group justify="space-between" gap="sm" mb="sm">
        <div>
          <Group gap="xs">
            <Title order={2} size="h4">
              {model.name} {model.version}
            </Title>
            {model.active && <Badge tt="none">{t("models.active")}</Badge>}
            {model.shadow && (
              <Badge tt="none" variant="outline">
                {t("models.shadow")}
              </Badge>
            )}
            {model.previous && (
              <Badge tt="none" color="gray" variant="light">
                {t("models.previous")}
              </Badge>
            )}
          </Group>
          <Text size="sm" c="dimmed">
            {t("models.made", { time: format.dateTime(model.created_at), precision: model.precision })}
          </Text>
        </div>
        <Group gap="xs">
          {!model.amiss && (
            <Button
              component="a"
              variant="default"
              href={`/v1/models/${encodeURIComponent(model.version)}/card`}
              target="_blank"
              rel="noreferrer"
            >
              {t("models.card")}
            </Button>
          )}
          {mayChange && model.shadow && (
            <Button variant="default" onClick={() => onAsk("stop")}>
              {t("models.stopShadow")}
            </Button>
          )}
          {mayChange && !model.amiss && !model.active && !model.shadow && (
            <Button variant="default" onClick={() => onAsk("shadow")}>
              {t("models.startShadow")}
            </Button>
          )}
          {mayChange && !model.amiss && !model.active && (
            <Button onClick={() => onAsk(model.previous ? "rollback" : "promote")}>
              {t(model.previous ? "models.rollback" : "models.promote")}
            </Button>
          )}
        </Group>
      </Group>
      {model.amiss && (
        <Alert color="red" icon={<Icon name="alert" />} mb="sm" title={t("models.amiss")}>
          {text(model.amiss)}
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <div>
          <Text fw={600}>{t("models.guarantee")}</Text>
          <Promises guarantee={model.guarantee} />
        </div>
        <div>
          <Text fw={600}>{t("models.metrics")}</Text>
          <Table verticalSpacing={2} tabularNums>
            <Table.Tbody>
              {Object.entries(model.metrics).map(([name, value]) => (
                <Table.Tr key={name}>
                  <Table.Td>{isKnown(name) ? t(`metric.${name}`) : name}</Table.Td>
                  <Table.Td ta="right">
                    {PLAIN.includes(name) ? format.number(value, 3) : format.percent(value)}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      </SimpleGrid>
    </Paper>
  );
}
