import { ActionIcon, Badge, Button, Menu, Tooltip, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation } from "wouter";
import { showHelp } from "../actions/showHelp";
import { useStreamState } from "../api/EventStreamProvider";
import { useFormat } from "../i18n/format";
import { Icon, type IconName } from "../icons/Icon";
import { HeldMark } from "../lines/HeldMark";
import type { OutboxEntry } from "../outbox/entry";
import { OutboxDialog } from "../outbox/OutboxDialog";
import { useOutboxEntries } from "../outbox/OutboxProvider";
import { useSession, useWaiting } from "../review/SessionProvider";
import { withoutInspection } from "../review/session";
import { ReviewerDialog } from "../reviewer/ReviewerDialog";
import { useReviewer } from "../reviewer/reviewer";
import { AccountMenu } from "../who/AccountMenu";
import { useWho } from "../who/WhoProvider";
import classes from "./Header.module.css";
import { LanguageMenu } from "./LanguageMenu";
import { GUIDE, type PageEntry, type PageGroup, usePages } from "./pages";

const GROUPS = ["figures", "system"] as const satisfies readonly PageGroup[];

const SCHEMES = [
  { value: "light", icon: "sun" },
  { value: "dark", icon: "moon" },
  { value: "auto", icon: "screen" },
] as const;

export function Header({ onHelp }: { onHelp: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [location] = useLocation();
  const waiting = useWaiting();
  const { auth } = useWho();
  const pages = usePages();
  const nav = useRef<HTMLElement>(null);
  // Where the pages do not fit, the one that is open must not lie beyond the edge.
  // biome-ignore lint/correctness/useExhaustiveDependencies: to be done when what stands in the list changes
  useEffect(() => {
    nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [location, pages.length, waiting > 0]);
  return (
    <header className={classes.header}>
      <a className={classes.skip} href="#content">
        {t("app.skip")}
      </a>
      <div className={classes.brand}>
        <img src="/favicon.svg" alt="" width={28} height={28} />
        <span className={classes.widest}>{t("app.name")}</span>
      </div>
      <nav ref={nav} className={classes.nav} aria-label={t("nav.label")}>
        {pages
          .filter(({ group }) => group === undefined)
          .map((page) => (
            <Link
              key={page.path}
              href={page.path}
              className={classes.link}
              aria-current={location === page.path ? "page" : undefined}
            >
              {t(page.label)}
              {page.path === "/review" && waiting > 0 && (
                <Badge size="md" variant="light" color="gray" data-testid="nav-waiting">
                  {format.count(waiting)}
                </Badge>
              )}
            </Link>
          ))}
        {GROUPS.map((group) => (
          <GroupMenu key={group} group={group} pages={pages.filter((page) => page.group === group)} />
        ))}
      </nav>
      <div className={classes.right}>
        <ZoneMark />
        <HeldMark />
        <StreamMark />
        <UnsentMark />
        {auth ? <AccountMenu /> : <ReviewerButton />}
        <LanguageMenu />
        <SchemeMenu />
        <Tooltip label={t("guide.title")}>
          <ActionIcon component={Link} href={GUIDE} aria-label={t("guide.title")}>
            <Icon name="book" />
          </ActionIcon>
        </Tooltip>
        <Tooltip label={`${t(showHelp.label)} (${showHelp.caps[0]})`}>
          <ActionIcon aria-label={t("header.help")} onClick={onHelp}>
            <Icon name="help" />
          </ActionIcon>
        </Tooltip>
      </div>
    </header>
  );
}

function GroupMenu({ group, pages }: { group: PageGroup; pages: readonly PageEntry[] }) {
  const { t } = useTranslation();
  const [location] = useLocation();
  const open = pages.find(({ path }) => path === location);
  if (pages.length === 0) {
    return null;
  }
  return (
    <Menu position="bottom-start">
      <Menu.Target>
        <UnstyledButton className={classes.link} aria-current={open && "page"}>
          {t(`nav.${group}`)}
          {open && <span className={classes.widest}>· {t(open.label)}</span>}
          <Icon name="chevronDown" size={16} />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        {pages.map(({ path, label }) => (
          <Menu.Item
            key={path}
            component={Link}
            href={path}
            h={44}
            rightSection={path === location && <Icon name="check" size={16} />}
          >
            {t(label)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

/** On a device whose clock says another time: without it, the plant's times would be taken for its own. */
function ZoneMark() {
  const { t } = useTranslation();
  const { zone, offset, sameClock } = useFormat();
  if (sameClock) {
    return null;
  }
  return (
    <span className={classes.zone} title={t("zone.note", { zone, offset })} data-testid="zone-mark">
      <span className={classes.widest}>{t("zone.plant")}</span> {offset}
    </span>
  );
}

function StreamMark() {
  const { t } = useTranslation();
  const state = useStreamState();
  if (state !== "lost") {
    return null;
  }
  return (
    <Badge
      size="lg"
      tt="none"
      color="orange"
      variant="light"
      leftSection={<Icon name="cloudOff" size={16} />}
      role="status"
    >
      <span className={classes.wide}>{t("header.lost")}</span>
    </Badge>
  );
}

function UnsentMark() {
  const { t } = useTranslation();
  const entries = useOutboxEntries();
  const [opened, setOpened] = useState(false);
  const [, setSession] = useSession();
  const reopen = ({ request }: OutboxEntry) => setSession((before) => withoutInspection(before, request.inspection_id));
  const refused = entries.filter((entry) => entry.refusal !== null).length;
  const unsent = entries.length - refused;
  return (
    <>
      {entries.length > 0 && (
        <Button
          variant="light"
          color={refused > 0 ? "red" : "orange"}
          leftSection={<Icon name={refused > 0 ? "alert" : "upload"} size={18} />}
          px="sm"
          onClick={() => setOpened(true)}
        >
          {[unsent > 0 && t("header.unsent", { n: unsent }), refused > 0 && t("header.refused", { n: refused })]
            .filter(Boolean)
            .join(" · ")}
        </Button>
      )}
      {opened && <OutboxDialog onClose={() => setOpened(false)} onDiscarded={reopen} />}
    </>
  );
}

function ReviewerButton() {
  const { t } = useTranslation();
  const [name, setName] = useReviewer();
  const [opened, setOpened] = useState(false);
  if (name === "") {
    return null;
  }
  return (
    <>
      <Tooltip label={t("header.reviewer", { name })}>
        <UnstyledButton
          className={classes.link}
          h={44}
          maw={180}
          aria-label={t("header.reviewer", { name })}
          onClick={() => setOpened(true)}
        >
          <Icon name="person" />
          <span className={classes.wide} style={{ overflow: "hidden", textOverflow: "ellipsis" }}>
            {name}
          </span>
        </UnstyledButton>
      </Tooltip>
      {opened && (
        <ReviewerDialog
          name={name}
          onClose={() => setOpened(false)}
          onSave={(changed) => {
            setName(changed);
            setOpened(false);
          }}
        />
      )}
    </>
  );
}

function SchemeMenu() {
  const { t } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const chosen: IconName = SCHEMES.find(({ value }) => value === colorScheme)?.icon ?? "screen";
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon aria-label={t("header.theme")}>
          <Icon name={chosen} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {SCHEMES.map(({ value, icon }) => (
          <Menu.Item
            key={value}
            h={44}
            leftSection={<Icon name={icon} size={18} />}
            rightSection={colorScheme === value && <Icon name="check" size={16} />}
            onClick={() => setColorScheme(value)}
          >
            {t(value === "auto" ? "header.system" : `header.${value}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
