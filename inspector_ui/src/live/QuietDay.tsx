import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { Notice } from "../shell/Notice";
import { QueryView } from "../shell/QueryView";
import { FirstSteps } from "./FirstSteps";
import { newestQuery } from "./lineQuery";

/** No line made a part in the last day: when the last one came, or how to begin where there was none. */
export function QuietDay() {
  const { t } = useTranslation();
  const format = useFormat();
  const newest = useQuery(newestQuery);
  return (
    <QueryView query={newest}>
      {(part) =>
        part === null ? (
          <FirstSteps />
        ) : (
          <Notice
            art={<Icon name="screen" size={64} />}
            title={t("live.quiet")}
            hint={t("live.quietHint", { time: format.dateTime(part.received_at), line: part.line })}
          />
        )
      }
    </QueryView>
  );
}
