import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import { Refusal } from "../people/Refusal";
import classes from "./CardBeside.module.css";

/** The model card to read while deciding: a document of whoever made the bundle, so it runs nothing and asks for nothing. */
export function CardBeside({ version }: { version: string }) {
  const { t } = useTranslation();
  const card = useQuery({
    queryKey: ["card", version],
    queryFn: async ({ signal }) =>
      expectData(
        await api.GET("/v1/models/{version}/card", { params: { path: { version } }, parseAs: "text", signal }),
      ),
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (card.isError) {
    return <Refusal error={card.error} />;
  }
  // Only once there is one: a frame whose document changes while it loads may stay empty.
  return card.data === undefined ? (
    <Skeleton className={classes.card} />
  ) : (
    <iframe className={classes.card} title={t("models.card")} sandbox="" srcDoc={card.data} />
  );
}
