import { Group, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { ReviewContext } from "../actions/reviewContext";
import { undo } from "../actions/undo";
import { decisionVerdict, VerdictShape } from "../verdict/VerdictShape";
import { ActionButton } from "./ActionButton";
import type { Decided } from "./session";

/** What was decided last, with the way back. */
export function LastDecision({ last, context }: { last: Decided | null; context: ReviewContext }) {
  const { t } = useTranslation();
  return (
    <Group justify="space-between" wrap="nowrap" mt={8} mih={44} gap="xs">
      <Group gap={8} wrap="nowrap" miw={0} data-testid="last-decision">
        {last !== null && (
          <>
            <VerdictShape verdict={decisionVerdict(last.decision)} size={16} />
            <Text size="sm" truncate>
              {last.inspection.part_id} · {t(`decision.${last.decision}`)}
            </Text>
          </>
        )}
      </Group>
      <ActionButton action={undo} context={context} icon="undo" />
    </Group>
  );
}
