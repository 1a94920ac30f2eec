import { Group } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useFormat } from "../i18n/format";
import classes from "./Counts.module.css";
import { QueueFilter } from "./QueueFilter";
import type { useReviewing } from "./useReviewing";

/** How much waits, how much is done, what others have, and whether the server has it all. */
export function Counts({ reviewing }: { reviewing: ReturnType<typeof useReviewing> }) {
  const { t } = useTranslation();
  const format = useFormat();
  const counts = [
    ["waiting", reviewing.query.data && reviewing.waiting, t("review.waiting")],
    ["others", reviewing.withOthers, t("review.withOthers")],
    ["decided", reviewing.decidedCount, t("review.decided")],
    ["unsent", reviewing.unsent, t("review.unsentCount")],
  ] as const;
  return (
    <Group justify="space-between" align="start" wrap="nowrap" gap="xs">
      <div className={classes.counts}>
        {counts.map(([name, value, word]) => (
          <div key={name} className={classes.count} data-alert={name === "unsent" && value !== 0}>
            <strong data-testid={`count-${name}`}>{value === undefined ? "–" : format.count(value)}</strong>{" "}
            <span>{word}</span>
          </div>
        ))}
      </div>
      <QueueFilter />
    </Group>
  );
}
