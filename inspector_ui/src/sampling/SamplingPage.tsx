import { SimpleGrid } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Page } from "../shell/Page";
import { Challenges } from "./Challenges";
import { PlanCard } from "./PlanCard";
import { Returns } from "./Returns";

/** How passed parts are looked at again, which parts try people and model, and what came back from the field. */
export default function SamplingPage() {
  const { t } = useTranslation();
  return (
    <Page title={t("sampling.title")}>
      <PlanCard />
      <SimpleGrid cols={{ base: 1, md: 2 }} mt="md">
        <Challenges />
        <Returns />
      </SimpleGrid>
    </Page>
  );
}
