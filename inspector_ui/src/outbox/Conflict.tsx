import { Button, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import { useFormat } from "../i18n/format";
import { QueryView } from "../shell/QueryView";
import type { OutboxEntry } from "./entry";
import { useOutbox } from "./OutboxProvider";

/** Somebody else decided the same part first: what they said, and which of the two is to stand. */
export function Conflict({ entry, onKeepTheirs }: { entry: OutboxEntry; onKeepTheirs: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const outbox = useOutbox();
  const { inspection_id: id } = entry.request;
  const query = useQuery({
    queryKey: ["inspection", id],
    queryFn: async ({ signal }) =>
      expectData(await api.GET("/v1/inspections/{id}", { params: { path: { id } }, signal })),
    staleTime: 0,
  });
  return (
    <QueryView query={query}>
      {({ review }) => (
        <>
          <Text size="sm" mt="xs" role="status">
            {review === null
              ? t("outbox.conflictGone")
              : t("outbox.conflict", {
                  name: review.reviewer,
                  decision: t(`decision.${review.decision ?? "withdrawn"}`),
                  time: format.dateTime(review.decided_at),
                })}
            {review?.note ? ` ${review.note}` : ""}
          </Text>
          <Group gap="xs" mt="xs">
            <Button variant="default" onClick={onKeepTheirs}>
              {t("outbox.keepTheirs")}
            </Button>
            <Button variant="default" onClick={() => void outbox.replace(entry, review?.client_id ?? null)}>
              {t("outbox.useMine", { decision: t(`decision.${entry.request.decision ?? "withdrawn"}`) })}
            </Button>
          </Group>
        </>
      )}
    </QueryView>
  );
}
