import { Anchor, Button, Group, Paper, Stack, Switch, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type MouseEvent, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { imageUrl } from "../api/imageUrl";
import type { Inspection } from "../api/types";
import { useFormat } from "../i18n/format";
import { Reason } from "../i18n/Reason";
import { Icon } from "../icons/Icon";
import { Boxes } from "../image/Boxes";
import { ImageViewer, type ViewerHandle } from "../image/ImageViewer";
import { MarkedPicture } from "../image/MarkedPicture";
import { sizeOf } from "../image/picture";
import { HoldShape } from "../lines/HoldShape";
import { Facts } from "../review/Facts";
import { useWhy } from "../review/useWhy";
import { Page } from "../shell/Page";
import { QueryView } from "../shell/QueryView";
import { ScoreBar } from "../verdict/ScoreBar";
import { VerdictBadge } from "../verdict/VerdictBadge";
import { VerdictShape } from "../verdict/VerdictShape";
import { inspectionQuery, partQuery } from "./historyQueries";
import { Reviews } from "./Reviews";
import classes from "./StoryPage.module.css";
import { cameFromGallery } from "./wayBack";

/** The complete story of one inspection and its part: to read, to print, to pass on by its address. */
export function StoryPage({ id }: { id: string }) {
  const { t } = useTranslation();
  const query = useQuery(inspectionQuery(id));
  // The gallery, whose path is the same, may have been far down.
  useLayoutEffect(() => void window.scrollTo(0, 0), []);
  return (
    <Page
      title={query.data === undefined ? t("history.story") : t("history.storyOf", { part: query.data.part_id })}
      controls={
        <Group gap="sm" className={classes.controls}>
          <BackToSearch />
          <Button variant="default" onClick={() => window.print()}>
            {t("history.print")}
          </Button>
          <Button component="a" href={`/v1/inspections/${id}`} download={`${id}.json`} variant="default">
            {t("history.json")}
          </Button>
        </Group>
      }
    >
      <QueryView query={query}>{(inspection) => <Story inspection={inspection} />}</QueryView>
    </Page>
  );
}

/** Where the gallery was left, or the gallery from its beginning. */
function BackToSearch() {
  const { t } = useTranslation();
  return (
    <Button
      component={Link}
      href="/history"
      variant="default"
      onClick={(event: MouseEvent) => {
        if (cameFromGallery()) {
          event.preventDefault();
          window.history.back();
        }
      }}
    >
      {t("history.back")}
    </Button>
  );
}

function Story({ inspection }: { inspection: Inspection }) {
  const { t } = useTranslation();
  const why = useWhy(inspection);
  const viewer = useRef<ViewerHandle>(null);
  const [heat, setHeat] = useState(false);
  const { review } = inspection;
  const boxes = review?.boxes ?? [];
  return (
    <div className={classes.story}>
      <figure className={classes.picture}>
        <div className={classes.viewer}>
          <ImageViewer
            handle={viewer}
            inspection={inspection}
            heat={heat}
            heatOpacity={0.7}
            regions
            marks={<Boxes boxes={boxes} word={({ label }) => label} size={sizeOf(inspection)} />}
          />
        </div>
        <MarkedPicture
          className={classes.printed}
          inspection={inspection}
          url={imageUrl(inspection.id)}
          boxes={boxes}
          regions={inspection.regions}
          alt={t("history.storyOf", { part: inspection.part_id })}
        />
        {review !== null && boxes.length > 0 && (
          <Group px="sm" py="xs" gap="lg" data-testid="box-key">
            <BoxKey dashed>{t("box.drawnBy", { name: review.reviewer })}</BoxKey>
            {inspection.regions.length > 0 && <BoxKey>{t("box.ofModel")}</BoxKey>}
          </Group>
        )}
        <Facts inspection={inspection} />
        {inspection.defect_probability !== null && (
          <Group p="sm" className={classes.controls}>
            <Switch
              size="md"
              label={t("action.heat")}
              checked={heat}
              onChange={({ currentTarget: { checked } }) => setHeat(checked)}
            />
            <Button variant="default" onClick={() => viewer.current?.fit()}>
              {t("action.fit")}
            </Button>
            <Button variant="default" onClick={() => viewer.current?.actualSize()}>
              {t("action.actualSize")}
            </Button>
          </Group>
        )}
      </figure>
      <Stack>
        <Paper p="md">
          <VerdictBadge verdict={inspection.verdict} size="lg" />
          {inspection.defect_probability !== null && inspection.thresholds !== null && (
            <ScoreBar score={inspection.defect_probability} thresholds={inspection.thresholds} />
          )}
          <Text mt={6}>{inspection.cause === null ? why : t(`cause.${inspection.cause}`)}</Text>
          {inspection.fault !== null && <Text mt={6}>{t(`fault.${inspection.fault}`)}</Text>}
          {inspection.line_hold != null && (
            <Group gap={8} mt={6} wrap="nowrap">
              <HoldShape size={20} />
              <Text>{t("hold.during", { reason: inspection.line_hold.reason })}</Text>
            </Group>
          )}
          {inspection.reason !== null && <Reason reason={inspection.reason} />}
        </Paper>
        <Reviews id={inspection.id} verdict={inspection.verdict} />
        <OtherFrames inspection={inspection} />
      </Stack>
    </div>
  );
}

/** Which boxes in the image are whose, by the line that they are drawn with. */
function BoxKey({ dashed = false, children }: { dashed?: boolean; children: string }) {
  return (
    <Group gap={8} wrap="nowrap">
      <span className={classes.boxKey} data-dashed={dashed} />
      <Text size="sm">{children}</Text>
    </Group>
  );
}

function OtherFrames({ inspection }: { inspection: Inspection }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { data } = useQuery(partQuery(inspection.part_id));
  if (data === undefined) {
    return null;
  }
  const others = data.inspections.filter(({ id }) => id !== inspection.id);
  return (
    <Paper p="md" component="section">
      <Title order={2} size="h4" mb="xs">
        {t("history.partVerdict")}
      </Title>
      <VerdictBadge verdict={data.verdict} />
      {data.missing_views.length > 0 && (
        <Group gap={6} mt="xs" wrap="nowrap">
          <Icon name="alert" size={18} />
          <Text size="sm">{t("history.missingViews", { views: data.missing_views.join(", ") })}</Text>
        </Group>
      )}
      <Stack gap={4} mt="xs">
        {others.map((frame) => (
          <Group key={frame.id} gap={8} wrap="nowrap">
            <VerdictShape verdict={frame.verdict} size={16} />
            <Anchor component={Link} href={`/history?id=${frame.id}`} size="sm">
              {frame.station} · {frame.camera} · {frame.lot}
            </Anchor>
          </Group>
        ))}
        {others.length === 0 && (
          <Text size="sm" c="dimmed">
            {t("history.onlyFrame")}
          </Text>
        )}
        {data.left_out > 0 && (
          <Text size="sm" c="dimmed">
            {t("history.leftOut", { n: format.count(data.left_out) })}
          </Text>
        )}
      </Stack>
    </Paper>
  );
}
