import { Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { Review, Verdict } from "../api/types";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { decisionLabel } from "../verdict/decisionLabel";
import { decisionVerdict, VerdictShape } from "../verdict/VerdictShape";
import { useMay } from "../who/WhoProvider";
import { reviewEntryQuery, reviewsQuery } from "./historyQueries";

/** Everything that people decided about an inspection, in order, and where the audit trail tells of it. */
export function Reviews({ id, verdict }: { id: string; verdict: Verdict }) {
  const { t } = useTranslation();
  const { data } = useQuery(reviewsQuery(id));
  return (
    <Paper p="md" component="section" data-testid="reviews">
      <Title order={2} size="h4" mb="xs">
        {t("history.reviews")}
      </Title>
      {data?.length === 0 && <Text c="dimmed">{t("history.noReviews")}</Text>}
      <Stack gap="sm">
        {data?.map((review) => (
          <One key={review.client_id} review={review} unflagged={verdict === "PASS"} />
        ))}
      </Stack>
    </Paper>
  );
}

function One({ review, unflagged }: { review: Review; unflagged: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const mayAudit = useMay("audit");
  const entry = useQuery({ ...reviewEntryQuery(review.client_id), enabled: mayAudit }).data?.items[0];
  const facts = [
    review.defect_class,
    review.seconds === null ? null : t("quality.seconds", { n: format.number(review.seconds, 1) }),
    review.blind ? t("review.blind") : null,
    review.boxes.length > 0 ? t("box.count", { n: review.boxes.length }) : null,
  ];
  return (
    <Group gap={10} wrap="nowrap" align="start">
      {review.decision === null ? (
        <Icon name="undo" size={22} />
      ) : (
        <VerdictShape verdict={decisionVerdict(review.decision)} size={22} />
      )}
      <div>
        <Text fw={600}>
          {t(decisionLabel(review.decision, unflagged))} · {review.reviewer}
        </Text>
        <Text size="sm">{[format.dateTime(review.decided_at), ...facts].filter(Boolean).join(" · ")}</Text>
        {review.note !== "" && <Text size="sm">{review.note}</Text>}
        {entry !== undefined && (
          <Text size="xs" c="dimmed" style={{ wordBreak: "break-all" }}>
            {t("history.entry", { n: entry.sequence, hash: entry.hash.slice(0, 16) })}
          </Text>
        )}
      </div>
    </Group>
  );
}
