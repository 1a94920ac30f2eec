import { ActionIcon, Group, Menu, Text, Tooltip } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { ReviewContext } from "../actions/reviewContext";
import { undo } from "../actions/undo";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { useOutboxEntries } from "../outbox/OutboxProvider";
import { decisionLabel } from "../verdict/decisionLabel";
import { decisionVerdict, VerdictShape } from "../verdict/VerdictShape";
import { ActionButton } from "./ActionButton";
import type { Decided } from "./session";

interface Props {
  decided: readonly Decided[];
  onUndo: (decided: Decided) => void;
  context: ReviewContext;
}

/** What was decided last, with the way back for each of the last ten. */
export function LastDecision({ decided, onUndo, context }: Props) {
  const { t } = useTranslation();
  const last = decided.at(-1);
  const [opened, setOpened] = useState(false);
  return (
    <Group justify="space-between" wrap="nowrap" mt={8} mih={44} gap="xs">
      <div style={{ minWidth: 0 }} data-testid="last-decision">
        {last !== undefined && (
          <>
            <Group gap={8} wrap="nowrap" miw={0}>
              <VerdictShape verdict={decisionVerdict(last.decision)} size={16} />
              <Text size="sm" truncate>
                {last.inspection.part_id} · {t(decisionLabel(last.decision, last.inspection.blind))}
              </Text>
            </Group>
            {last.inspection.blind && <Revealed decided={last} />}
          </>
        )}
      </div>
      <Group gap={0} wrap="nowrap">
        <ActionButton action={undo} context={context} icon="undo" />
        <Menu opened={opened} onChange={setOpened} position="top-end" disabled={decided.length === 0} width={320}>
          <Menu.Target>
            <Tooltip label={t("review.undoOthers")} disabled={opened}>
              <ActionIcon aria-label={t("review.undoOthers")} disabled={decided.length === 0}>
                <Icon name="chevronUp" />
              </ActionIcon>
            </Tooltip>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Label>{t("review.undoLabel")}</Menu.Label>
            {[...decided].reverse().map((each) => (
              <Menu.Item
                key={each.clientId}
                mih={44}
                leftSection={<VerdictShape verdict={decisionVerdict(each.decision)} size={16} />}
                onClick={() => onUndo(each)}
              >
                {each.inspection.part_id} · {t(decisionLabel(each.decision, each.inspection.blind))}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      </Group>
    </Group>
  );
}

/** What the model had said of a part that was decided without knowing it; the server tells once it has the decision. */
function Revealed({ decided: { inspection, clientId } }: { decided: Decided }) {
  const { t } = useTranslation();
  const format = useFormat();
  const unsent = useOutboxEntries().some((entry) => entry.clientId === clientId);
  const { data } = useQuery({
    queryKey: ["revealed", clientId],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/inspections/{id}", { params: { path: { id: inspection.id } }, signal })),
    enabled: !unsent,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <Text size="xs" c="dimmed" truncate mih={18} data-testid="revealed">
      {data !== undefined &&
        t("review.blindRevealed", {
          verdict: t(`verdict.${data.verdict}`),
          score: data.defect_probability === null ? "–" : format.percent(data.defect_probability),
        })}
    </Text>
  );
}
