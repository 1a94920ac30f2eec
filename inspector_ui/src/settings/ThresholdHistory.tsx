import { Button, Table, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Thresholds, ThresholdsHere } from "../api/types";
import { useFormat } from "../i18n/format";

interface Props {
  changes: ThresholdsHere["changes"];
  pair: (thresholds: Thresholds) => string;
  /** Absent for those who may not change anything. */
  onBack: ((thresholds: Thresholds) => void) | undefined;
}

/** Every change, newest first: who, when, from what to what, and why. */
export function ThresholdHistory({ changes, pair, onBack }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <>
      <Title order={3} size="h5" mt="lg" mb={4}>
        {t("settings.changes")}
      </Title>
      {changes.length === 0 ? (
        <Text size="sm" c="dimmed">
          {t("settings.noChanges")}
        </Text>
      ) : (
        <Table.ScrollContainer minWidth={860}>
          <Table verticalSpacing="xs" tabularNums data-testid="threshold-changes">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("settings.change")}</Table.Th>
                <Table.Th>{t("settings.when")}</Table.Th>
                <Table.Th>{t("settings.who")}</Table.Th>
                <Table.Th>{t("settings.from")}</Table.Th>
                <Table.Th>{t("settings.to")}</Table.Th>
                <Table.Th>{t("settings.guarantee")}</Table.Th>
                <Table.Th>{t("reason.label")}</Table.Th>
                <Table.Td />
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {changes.map((each) => (
                <Table.Tr key={each.change}>
                  <Table.Td>{each.change}</Table.Td>
                  <Table.Td>{format.dateTime(each.set_at)}</Table.Td>
                  <Table.Td>{each.person}</Table.Td>
                  <Table.Td>{pair(each.old)}</Table.Td>
                  <Table.Td>
                    {pair(each.new)}
                    <Text size="xs" c="dimmed">
                      {each.model.name} {each.model.version}
                    </Text>
                  </Table.Td>
                  <Table.Td>{t(each.guaranteed ? "settings.guaranteed" : "settings.notGuaranteed")}</Table.Td>
                  <Table.Td>{each.reason}</Table.Td>
                  <Table.Td>
                    {onBack && (
                      <Button variant="default" onClick={() => onBack(each.new)}>
                        {t("settings.back")}
                      </Button>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </>
  );
}
