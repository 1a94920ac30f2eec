import { List, Paper, Stack, Text, Title } from "@mantine/core";
import type { ParseKeys } from "i18next";
import { type ReactNode, useId } from "react";
import { useTranslation } from "react-i18next";
import { Page } from "../shell/Page";
import classes from "./GuidePage.module.css";
import {
  BlindPicture,
  DecisionsPicture,
  HoldPicture,
  LookPicture,
  OfflinePicture,
  ScorePicture,
  UnsurePicture,
} from "./pictures";

interface Chapter {
  title: ParseKeys;
  picture: ReactNode;
  says: readonly ParseKeys[];
}

const chapters: readonly Chapter[] = [
  {
    title: "guide.decideTitle",
    picture: <DecisionsPicture />,
    says: ["guide.decide1", "guide.decide2", "guide.decide3", "guide.decide4"],
  },
  {
    title: "guide.goodTitle",
    picture: <LookPicture />,
    says: ["guide.good1", "guide.good2", "guide.good3", "guide.good4"],
  },
  { title: "guide.scoreTitle", picture: <ScorePicture />, says: ["guide.score1", "guide.score2"] },
  { title: "guide.blindTitle", picture: <BlindPicture />, says: ["guide.blind1", "guide.blind2", "guide.blind3"] },
  { title: "guide.unsureTitle", picture: <UnsurePicture />, says: ["guide.unsure1", "guide.unsure2"] },
  {
    title: "guide.offlineTitle",
    picture: <OfflinePicture />,
    says: ["guide.offline1", "guide.offline2", "guide.offline3"],
  },
  { title: "guide.holdTitle", picture: <HoldPicture />, says: ["guide.hold1", "guide.hold2"] },
];

/** What an inspector needs to know, with pictures made of the very parts that the pages are made of. */
export default function GuidePage() {
  const { t } = useTranslation();
  return (
    <Page title={t("guide.title")}>
      <Text maw={760} mb="lg">
        {t("guide.intro")}
      </Text>
      <div className={classes.chapters}>
        {chapters.map((chapter) => (
          <ChapterCard key={chapter.title} chapter={chapter} />
        ))}
      </div>
    </Page>
  );
}

function ChapterCard({ chapter }: { chapter: Chapter }) {
  const { t } = useTranslation();
  const id = useId();
  return (
    <Paper component="section" p="lg" aria-labelledby={id} data-testid="chapter">
      <Stack gap="md">
        <Title order={2} size="h3" id={id}>
          {t(chapter.title)}
        </Title>
        <div className={classes.picture}>{chapter.picture}</div>
        <List spacing={8}>
          {chapter.says.map((key) => (
            <List.Item key={key}>{t(key)}</List.Item>
          ))}
        </List>
      </Stack>
    </Paper>
  );
}
