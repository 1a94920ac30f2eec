import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { Alarm } from "../api/types";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { ReasonDialog } from "../reason/ReasonDialog";
import classes from "./AlarmList.module.css";
import { alarmsQuery } from "./useAlarms";
import { useAlarmWords } from "./useAlarmWords";

/** What persists at the cameras of a line, each with whether a person knows; what nobody knows of comes first. */
export function AlarmList({ alarms }: { alarms: readonly Alarm[] }) {
  const { t } = useTranslation();
  if (alarms.length === 0) {
    return null;
  }
  const known = ({ acknowledged_by }: Alarm) => Number(acknowledged_by !== null);
  const ordered = alarms.toSorted((one, other) => known(one) - known(other));
  return (
    <ul className={classes.alarms} aria-label={t("alarm.label")} tabIndex={alarms.length > 1 ? 0 : undefined}>
      {ordered.map((alarm, index) => (
        <AlarmItem key={alarm.id} alarm={alarm} place={alarms.length > 1 ? `${index + 1}/${alarms.length}` : null} />
      ))}
    </ul>
  );
}

function AlarmItem({ alarm, place }: { alarm: Alarm; place: string | null }) {
  const { t } = useTranslation();
  const format = useFormat();
  const words = useAlarmWords();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  const known = alarm.acknowledged_by !== null;
  return (
    <li className={classes.alarm} data-known={known} data-testid="alarm">
      <Icon name="alert" size={24} />
      <div className={classes.words}>
        <strong title={words(alarm)}>
          {place !== null && <span className={classes.place}>{place}</span>}
          {words(alarm)}
        </strong>
        <span>
          {t("alarm.camera", { camera: alarm.camera, station: alarm.station })} ·{" "}
          {t("alarm.since", { time: format.moment(alarm.raised_at) })}
        </span>
        {known && (
          <span>{t("alarm.known", { name: alarm.acknowledged_by ?? "", reason: alarm.acknowledgement ?? "" })}</span>
        )}
      </div>
      {!known && (
        <Button variant="default" onClick={() => setAsking(true)}>
          {t("alarm.acknowledge")}
        </Button>
      )}
      {asking && (
        <ReasonDialog
          title={t("alarm.acknowledgeTitle")}
          hint={format.sentences(words(alarm), t("alarm.acknowledgeHint"))}
          action={t("alarm.acknowledge")}
          onClose={() => setAsking(false)}
          perform={async ({ reason, person }) => {
            expectData(
              await api.PUT("/v1/alarms/{id}/acknowledgement", {
                params: { path: { id: alarm.id } },
                body: { reason, person },
              }),
            );
            await queries.invalidateQueries({ queryKey: alarmsQuery.queryKey });
          }}
        />
      )}
    </li>
  );
}
