import { useInterval } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useAlarms } from "../alarms/useAlarms";
import { serverNow } from "../api/serverClock";
import { Icon } from "../icons/Icon";
import { useLineHolds } from "../lines/useLineHolds";
import { QueryView } from "../shell/QueryView";
import { LineTile } from "./LineTile";
import classes from "./LivePage.module.css";
import { withHeld } from "./lines";
import { QuietDay } from "./QuietDay";
import { trendQuery } from "./trendQuery";
import { useLiveLines } from "./useLiveLines";

const IN_ONE_ROW = 2;

/** Each line's newest verdict, large enough to read from four metres. */
export default function LivePage() {
  const { t } = useTranslation();
  const { query, state, lines: running } = useLiveLines();
  const alarms = useAlarms();
  const holds = useLineHolds();
  const trend = useQuery(trendQuery);
  const lines = withHeld(running, holds);
  const [now, setNow] = useState(serverNow);
  useInterval(() => setNow(serverNow()), 1000, { autoInvoke: true });
  return (
    <div className={classes.page}>
      {state === "lost" && (
        <div className={classes.lost} role="alert">
          <Icon name="cloudOff" size={28} />
          <strong>{t("live.lost")}</strong>
          <span>{t("live.lostHint")}</span>
        </div>
      )}
      {lines.length > 0 && (running.length > 0 || !query.isPending) ? (
        <div className={classes.lines} data-stale={state === "lost"} data-many={lines.length > IN_ONE_ROW}>
          {lines.map((line) => (
            <LineTile
              key={line.line}
              line={line}
              now={now}
              alarms={alarms.filter((alarm) => alarm.line === line.line)}
              hold={holds.find((hold) => hold.line === line.line)}
              trend={trend.data?.lines.find((each) => each.line === line.line)}
            />
          ))}
        </div>
      ) : (
        <QueryView query={query}>{() => <QuietDay />}</QueryView>
      )}
    </div>
  );
}
