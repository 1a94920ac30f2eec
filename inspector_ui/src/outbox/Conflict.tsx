import { Button, Group, SimpleGrid, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { thumbnailUrl } from "../api/imageUrl";
import { expectData } from "../api/problem";
import type { Box, Inspection } from "../api/types";
import { useFormat } from "../i18n/format";
import { MarkedPicture } from "../image/MarkedPicture";
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
      {(inspection) => {
        const { review } = inspection;
        return (
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
            {/* an entry that was kept before there were boxes has none */}
            <BothBoxes
              inspection={inspection}
              theirs={review?.boxes ?? []}
              mine={entry.request.boxes ?? []}
              name={review?.reviewer ?? ""}
            />
            <Group gap="xs" mt="xs">
              <Button variant="default" onClick={onKeepTheirs}>
                {t("outbox.keepTheirs")}
              </Button>
              <Button variant="default" onClick={() => void outbox.replace(entry, review?.client_id ?? null)}>
                {t("outbox.useMine", { decision: t(`decision.${entry.request.decision ?? "withdrawn"}`) })}
              </Button>
            </Group>
          </>
        );
      }}
    </QueryView>
  );
}

interface BothProps {
  inspection: Inspection;
  theirs: readonly Box[];
  mine: readonly Box[];
  name: string;
}

/** What each of the two marked, beside each other; nothing where neither did. */
function BothBoxes({ inspection, theirs, mine, name }: BothProps) {
  const { t } = useTranslation();
  if (theirs.length + mine.length === 0) {
    return null;
  }
  const sides = [
    ...(name === "" ? [] : [{ whose: t("box.drawnBy", { name }), boxes: theirs }]),
    { whose: t("box.drawnByMe"), boxes: mine },
  ];
  return (
    <SimpleGrid cols={2} mt="xs" spacing="sm" maw={520} data-testid="both-boxes">
      {sides.map(({ whose, boxes }) => (
        <figure key={whose} style={{ margin: 0 }}>
          <MarkedPicture
            inspection={inspection}
            url={thumbnailUrl(inspection.id)}
            boxes={boxes}
            alt={`${whose}: ${t("box.count", { n: boxes.length })}`}
          />
          <Text size="xs" component="figcaption">
            {whose}: {t("box.count", { n: boxes.length })}
          </Text>
        </figure>
      ))}
    </SimpleGrid>
  );
}
