import { Button, Group, Paper, SimpleGrid, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { reportPeriods } from "./reportPeriod";

/** The reports of this and the last week and month of the plant's `today` (2026-11-28), in the language of the page. */
export function ReportLinks({ today }: { today: string }) {
  const { t, i18n } = useTranslation();
  const link = (period: string, format: string) =>
    `/v1/reports/${period}?format=${format}&language=${encodeURIComponent(i18n.language)}`;
  return (
    <Paper p="md" mt="md" data-testid="reports">
      <Title order={2} size="h4">
        {t("roi.reports")}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t("roi.reportsHint")}
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }}>
        {reportPeriods(new Date(today)).map(({ label, name }) => (
          <div key={label}>
            <Text fw={600}>{t(label)}</Text>
            <Text size="sm" c="dimmed" mb={6}>
              {name}
            </Text>
            <Group gap="xs">
              <Button component="a" variant="default" href={link(name, "html")} target="_blank" rel="noopener">
                {t("roi.page")}
              </Button>
              <Button component="a" variant="default" href={link(name, "xlsx")} download>
                {t("roi.excel")}
              </Button>
            </Group>
          </div>
        ))}
      </SimpleGrid>
    </Paper>
  );
}
