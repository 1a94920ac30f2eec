import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { ModelInfo } from "../api/types";
import { Icon } from "../icons/Icon";
import { type Answered, ReasonDialog } from "../reason/ReasonDialog";
import { modelsQuery } from "../review/modelsQuery";
import { Notice } from "../shell/Notice";
import { Page } from "../shell/Page";
import { QueryView } from "../shell/QueryView";
import { CardBeside } from "./CardBeside";
import { ModelPanel } from "./ModelPanel";
import { Pairs } from "./Pairs";
import { shadowQuery } from "./shadowQuery";

export type Change = "promote" | "rollback" | "shadow" | "stop";

const TITLES = {
  promote: "models.promoteTitle",
  rollback: "models.rollbackTitle",
  shadow: "models.shadowTitle",
  stop: "models.stopTitle",
} as const;
const HINTS = {
  promote: "models.promoteHint",
  rollback: "models.promoteHint",
  shadow: "models.shadowHint",
  stop: "models.stopHint",
} as const;
const ACTIONS = {
  promote: "models.promote",
  rollback: "models.rollback",
  shadow: "models.startShadow",
  stop: "models.stopShadow",
} as const;

/** The bundles on the server, which one decides and which one scores silently, and how the two compare. */
export default function ModelsPage() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const models = useQuery(modelsQuery);
  const shadow = useQuery(shadowQuery);
  const [asked, setAsked] = useState<{ change: Change; version: string } | null>(null);

  async function perform(change: Change, version: string, { reason, person, force }: Answered): Promise<void> {
    if (change === "stop") {
      expectData(await api.DELETE("/v1/models/shadow", { params: { query: { reason, person } } }));
    } else if (change === "shadow") {
      expectData(await api.POST("/v1/models/shadow", { body: { version, reason, person } }));
    } else {
      expectData(await api.POST("/v1/models", { body: { version, reason, person, force } }));
    }
    await queries.invalidateQueries({ queryKey: modelsQuery.queryKey });
  }

  return (
    <Page title={t("models.title")}>
      <QueryView query={shadow}>
        {(comparison) => (comparison.shadow === null ? null : <Pairs comparison={comparison} />)}
      </QueryView>
      <QueryView query={models}>
        {(list) =>
          list.length === 0 ? (
            <Notice art={<Icon name="screen" size={64} />} title={t("models.empty")} hint={t("models.emptyHint")} />
          ) : (
            [...list]
              .sort((one, other) => rank(one) - rank(other))
              .map((model) => (
                <ModelPanel
                  key={`${model.name} ${model.version}`}
                  model={model}
                  onAsk={(change) => setAsked({ change, version: model.version })}
                />
              ))
          )
        }
      </QueryView>
      {asked !== null && (
        <ReasonDialog
          title={t(TITLES[asked.change], { version: asked.version })}
          hint={t(HINTS[asked.change])}
          action={t(ACTIONS[asked.change])}
          mayForce={asked.change === "promote"}
          beside={asked.change === "stop" ? undefined : <CardBeside version={asked.version} />}
          onClose={() => setAsked(null)}
          perform={(answered) => perform(asked.change, asked.version, answered)}
        />
      )}
    </Page>
  );
}

/** The one that decides first, then its shadow, then the others, newest first as the server gives them. */
function rank(model: ModelInfo): number {
  return model.active ? 0 : model.shadow ? 1 : 2;
}
