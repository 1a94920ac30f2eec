import { ActionIcon, Group, Menu, Text, Tooltip } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { ReviewContext } from "../actions/reviewContext";
import { undo } from "../actions/undo";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
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
  return (
    <Group justify="space-between" wrap="nowrap" mt={8} mih={44} gap="xs">
      <div style={{ minWidth: 0 }} data-testid="last-decision">
        {last !== undefined && (
          <>
            <Group gap={8} wrap="nowrap" miw={0}>
              <VerdictShape verdict={decisionVerdict(last.decision)} size={16} />
              <Text size="sm" truncate>
                {last.inspection.part_id} · {t(`decision.${last.decision}`)}
              </Text>
            </Group>
            {last.inspection.blind && <Revealed decided={last} />}
          </>
        )}
      </div>
      <Group gap={0} wrap="nowrap">
        <ActionButton action={undo} context={context} icon="undo" />
        <Menu position="top-end" disabled={decided.length === 0} width={320}>
          <Menu.Target>
            <Tooltip label={t("review.undoOthers")}>
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
                {each.inspection.part_id} · {t(`decision.${each.decision}`)}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      </Group>
    </Group>
  );
}

/** What the model had said of a part that was decided without knowing it. */
function Revealed({ decided: { inspection } }: { decided: Decided }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Text size="xs" c="dimmed" truncate data-testid="revealed">
      {t("review.blindRevealed", {
        verdict: t(`verdict.${inspection.verdict}`),
        score: format.percent(inspection.defect_probability ?? 0),
      })}
    </Text>
  );
}
