import { Group, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Verdict } from "../api/types";
import { VerdictShape, verdictColour } from "./VerdictShape";

const SIZES = {
  sm: { shape: 16, text: "sm", gap: 6 },
  lg: { shape: 40, text: "1.9rem", gap: 12 },
} as const;

/** Shape, word and colour of a verdict. */
export function VerdictBadge({ verdict, size = "sm" }: { verdict: Verdict; size?: keyof typeof SIZES }) {
  const { t } = useTranslation();
  const { shape, text, gap } = SIZES[size];
  return (
    <Group gap={gap} wrap="nowrap">
      <VerdictShape verdict={verdict} size={shape} />
      <Text span fz={text} fw={700} lh={1.1} c={`var(--verdict-${verdictColour(verdict)}-text)`}>
        {t(`verdict.${verdict}`)}
      </Text>
    </Group>
  );
}
