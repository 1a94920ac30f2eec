import { Button, Group, NativeSelect, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "wouter";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { FirstSteps } from "../live/FirstSteps";
import { periods } from "../quality/period";
import { Notice } from "../shell/Notice";
import { Page } from "../shell/Page";
import { QueryView } from "../shell/QueryView";
import { DECISIONS, exportUrl, readSearch, type Search, TEXTS, VERDICTS } from "./filters";
import { Gallery } from "./Gallery";
import classes from "./Gallery.module.css";
import { outlineQuery } from "./historyQueries";
import { StoryPage } from "./StoryPage";

const TYPING_MS = 300;

/** Every part that was ever inspected, to look for and to look into. */
export default function HistoryPage() {
  const [address] = useSearchParams();
  const id = address.get("id");
  return id === null ? <SearchPage /> : <StoryPage key={id} id={id} />;
}

function SearchPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const [address, setAddress] = useSearchParams();
  const search = readSearch(address);
  const [settled] = useDebouncedValue(search, TYPING_MS);
  const query = useQuery(outlineQuery(settled));
  const change = (changed: { [Name in keyof Search]?: string | undefined }) =>
    setAddress(
      (before) => {
        const after = new URLSearchParams(before);
        for (const [name, value] of Object.entries(changed)) {
          if (value) {
            after.set(name, value);
          } else {
            after.delete(name);
          }
        }
        return after;
      },
      { replace: true },
    );
  const showUntil = (until: string | undefined) => {
    change({ until });
    window.scrollTo(0, 0);
  };
  const newest = search.until !== undefined && (
    <Button variant="default" onClick={() => showUntil(undefined)}>
      {t("history.newest")}
    </Button>
  );
  return (
    <Page
      wide
      title={t("history.title")}
      controls={
        <>
          <Button component="a" href={exportUrl(settled, "csv")} download variant="default">
            {t("history.exportCsv")}
          </Button>
          <Button component="a" href={exportUrl(settled, "xlsx")} download variant="default">
            {t("history.exportExcel")}
          </Button>
        </>
      }
    >
      <Group gap="sm" mb="sm">
        {TEXTS.map((name) => (
          <TextInput
            key={name}
            w={130}
            aria-label={t(`history.${name}`)}
            placeholder={t(`history.${name}`)}
            value={search[name] ?? ""}
            maxLength={128}
            onChange={({ currentTarget: { value } }) => change({ [name]: value })}
          />
        ))}
        <NativeSelect
          aria-label={t("history.verdict")}
          value={search.verdict ?? ""}
          onChange={({ currentTarget: { value } }) => change({ verdict: value })}
          data={[
            { value: "", label: t("history.anyVerdict") },
            ...VERDICTS.map((value) => ({ value, label: t(`verdict.${value}`) })),
          ]}
        />
        <NativeSelect
          aria-label={t("history.decision")}
          value={search.decision ?? ""}
          onChange={({ currentTarget: { value } }) => change({ decision: value })}
          data={[
            { value: "", label: t("history.anyDecision") },
            ...DECISIONS.map((value) => ({
              value,
              label: value === "NONE" ? t("history.undecided") : t(`decision.${value}`),
            })),
          ]}
        />
        <NativeSelect
          aria-label={t("quality.period")}
          value={search.period ?? ""}
          onChange={({ currentTarget: { value } }) => change({ period: value })}
          data={[
            { value: "", label: t("audit.allTime") },
            ...periods.map(({ name }) => ({ value: name, label: t(`quality.${name}`) })),
          ]}
        />
      </Group>
      <QueryView query={query}>
        {(outline) =>
          outline.items === 0 && Object.keys(settled).length === 0 ? (
            <FirstSteps />
          ) : outline.items === 0 ? (
            <Notice art={<Icon name="screen" size={64} />} title={t("history.empty")} hint={t("history.emptyHint")}>
              {newest}
            </Notice>
          ) : (
            <>
              {search.until !== undefined && (
                <div className={classes.older}>
                  {t("history.until", { time: format.dateTime(search.until) })}
                  {newest}
                </div>
              )}
              <Gallery key={JSON.stringify(settled)} search={settled} outline={outline} onOlder={showUntil} />
              {outline.older !== null && (
                <div className={classes.older}>
                  {t("history.more", { of: format.count(outline.items) })}
                  <Button variant="default" onClick={() => showUntil(outline.older ?? undefined)}>
                    {t("history.older")}
                  </Button>
                </div>
              )}
            </>
          )
        }
      </QueryView>
    </Page>
  );
}
