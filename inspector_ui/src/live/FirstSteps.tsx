import { Anchor, List, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { Icon } from "../icons/Icon";
import { modelsQuery } from "../review/modelsQuery";
import { Notice } from "../shell/Notice";
import { usePages } from "../shell/pages";

/** While no camera has sent anything: what is missing, each with its page for those who may open it. */
export function FirstSteps() {
  const { t } = useTranslation();
  const pages = usePages();
  const models = useQuery(modelsQuery);
  const steps = [
    { path: "/models", words: t("first.model"), missing: models.data?.every(({ active }) => !active) === true },
    { path: "/people", words: t("first.keys"), missing: true },
  ].flatMap(({ path, words, missing }) => {
    const page = pages.find((each) => each.path === path);
    return missing && page !== undefined ? [{ page, words }] : [];
  });
  return (
    <Notice art={<Icon name="screen" size={64} />} title={t("live.empty")} hint={t("live.emptyHint")}>
      {steps.length > 0 && (
        <List ta="left" maw={460} spacing="xs">
          {steps.map(({ page, words }) => (
            <List.Item key={page.path}>
              <Text span>{words}</Text>{" "}
              <Anchor component={Link} href={page.path} underline="always">
                {t(page.label)}
              </Anchor>
            </List.Item>
          ))}
        </List>
      )}
    </Notice>
  );
}
