import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { LineHold } from "../api/types";
import { ReasonDialog } from "../reason/ReasonDialog";
import { useMay } from "../who/WhoProvider";
import { lineHoldsQuery } from "./useLineHolds";

/** Puts a line on hold, or releases it; nothing where the role may not. */
export function HoldButton({ line, hold }: { line: string; hold: LineHold | undefined }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  const mayHold = useMay("hold_lines");
  const mayRelease = useMay("release_lines");
  if (hold === undefined ? !mayHold : !mayRelease) {
    return null;
  }
  const told = () => queries.invalidateQueries({ queryKey: lineHoldsQuery.queryKey });
  return (
    <>
      <Button variant="default" onClick={() => setAsking(true)}>
        {t(hold === undefined ? "hold.hold" : "hold.release")}
      </Button>
      {asking && hold === undefined && (
        <ReasonDialog
          title={t("hold.holdTitle", { line })}
          hint={t("hold.holdHint")}
          action={t("hold.hold")}
          onClose={() => setAsking(false)}
          perform={async ({ reason, person }) => {
            expectData(await api.POST("/v1/line-holds", { body: { line, reason, person } }));
            await told();
          }}
        />
      )}
      {asking && hold !== undefined && (
        <ReasonDialog
          title={t("hold.releaseTitle", { line })}
          hint={t("hold.releaseHint", { reason: hold.reason })}
          action={t("hold.release")}
          onClose={() => setAsking(false)}
          perform={async ({ reason, person }) => {
            const { id } = hold;
            expectData(
              await api.DELETE("/v1/line-holds/{id}", { params: { path: { id }, query: { reason, person } } }),
            );
            await told();
          }}
        />
      )}
    </>
  );
}
