import { Group, SimpleGrid, Text } from "@mantine/core";
import { type ReactNode, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Box, Inspection, SimilarCase } from "../api/types";
import { useFormat } from "../i18n/format";
import { Boxes } from "../image/Boxes";
import { ImageViewer, type ViewerHandle } from "../image/ImageViewer";
import { sizeOf } from "../image/picture";
import { Dialog } from "../shell/Dialog";
import { decisionLabel } from "../verdict/decisionLabel";
import { decisionVerdict, VerdictShape } from "../verdict/VerdictShape";
import classes from "./CompareDialog.module.css";

interface Props {
  inspection: Inspection;
  other: SimilarCase;
  /** Whether what the model said of `inspection` is hidden. */
  blind: boolean;
  onClose: () => void;
}

/** The part beside a past case, both with zoom and pan of their own. */
export function CompareDialog({ inspection, other, blind, onClose }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const { review, verdict } = other.inspection;
  const word = review?.decision ? t(decisionLabel(review.decision, verdict === "PASS")) : t("compare.goodWord");
  return (
    <Dialog onClose={onClose} title={t("compare.beside")} size="90rem">
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <Side inspection={inspection} title={t("compare.this")} regions={!blind}>
          {inspection.part_id}
        </Side>
        <Side inspection={other.inspection} title={word} boxes={review?.boxes} regions>
          {other.inspection.part_id} · {format.dateTime(other.inspection.captured_at)}
          {review && (
            <Group component="span" gap={8} mt={4} wrap="nowrap" align="start" c="var(--mantine-color-text)">
              {review.decision && <VerdictShape verdict={decisionVerdict(review.decision)} size={20} />}
              {[word, review.defect_class, review.reviewer, review.note].filter(Boolean).join(" · ")}
            </Group>
          )}
        </Side>
      </SimpleGrid>
    </Dialog>
  );
}

interface SideProps {
  inspection: Inspection;
  title: string;
  regions: boolean;
  /** Those that a person drew. */
  boxes?: readonly Box[];
  children: ReactNode;
}

function Side({ inspection, title, regions, boxes = [], children }: SideProps) {
  const viewer = useRef<ViewerHandle>(null);
  return (
    <figure className={classes.side}>
      <ImageViewer
        handle={viewer}
        inspection={inspection}
        heat={false}
        heatOpacity={0}
        regions={regions}
        marks={<Boxes boxes={boxes} word={({ label }) => label} size={sizeOf(inspection)} />}
      />
      <figcaption>
        <Text fw={600}>{title}</Text>
        <Text size="sm" c="dimmed" component="div">
          {children}
        </Text>
      </figcaption>
    </figure>
  );
}
