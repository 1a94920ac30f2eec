import { Group, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { imageUrl } from "../api/imageUrl";
import type { DriftExample } from "../api/types";
import { useFormat } from "../i18n/format";
import { Thumbnail } from "../image/Thumbnail";
import classes from "./Examples.module.css";

/** Frames of the window to look at; each opens its image. */
export function Examples({ title, examples }: { title: string; examples: readonly DriftExample[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <div>
      <Title order={3} size="h5" mb="xs">
        {title}
      </Title>
      <Group gap="xs">
        {examples.map((example) => {
          const words = t("drift.example", {
            part: example.part_id,
            score: format.percent(example.defect_probability),
          });
          return (
            <a
              key={example.inspection_id}
              href={imageUrl(example.inspection_id)}
              target="_blank"
              rel="noreferrer"
              title={words}
              className={classes.link}
            >
              <Thumbnail className={classes.image} inspection={{ id: example.inspection_id }} alt={words} />
            </a>
          );
        })}
      </Group>
    </div>
  );
}
