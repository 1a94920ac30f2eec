import { Stack } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Page } from "../shell/Page";
import { KeysSection } from "./KeysSection";
import { PeopleSection } from "./PeopleSection";

/** Who may come in: people by password, programs by key. */
export default function PeoplePage() {
  const { t } = useTranslation();
  return (
    <Page title={t("people.title")}>
      <Stack>
        <PeopleSection />
        <KeysSection />
      </Stack>
    </Page>
  );
}
