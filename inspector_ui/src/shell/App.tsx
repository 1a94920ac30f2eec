import { type ComponentType, lazy, Suspense, useLayoutEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { showHelp } from "../actions/showHelp";
import { useActionKeys } from "../actions/useActionKeys";
import { Header } from "./Header";
import { HelpDialog } from "./HelpDialog";
import { GUIDE, type PagePath, usePages } from "./pages";
import { useLightPrint } from "./useLightPrint";

// Each page is loaded when it is opened: the charts and the image viewer weigh more than everything else together. The first
// one is not waited for until it is known who is there.
const loadReview = () => import("../review/ReviewPage");
if (["/", "/review"].includes(window.location.pathname)) {
  void loadReview();
}
const ReviewPage = lazy(loadReview);
const StudyPage = lazy(() => import("../study/StudyPage"));
const LivePage = lazy(() => import("../live/LivePage"));
const QualityPage = lazy(() => import("../quality/QualityPage"));
const SamplingPage = lazy(() => import("../sampling/SamplingPage"));
const HistoryPage = lazy(() => import("../history/HistoryPage"));
const DriftPage = lazy(() => import("../drift/DriftPage"));
const ModelsPage = lazy(() => import("../models/ModelsPage"));
const RoiPage = lazy(() => import("../roi/RoiPage"));
const BeforePage = lazy(() => import("../before/BeforePage"));
const SettingsPage = lazy(() => import("../settings/SettingsPage"));
const PeoplePage = lazy(() => import("../people/PeoplePage"));
const AuditPage = lazy(() => import("../audit/AuditPage"));
const GuidePage = lazy(() => import("../guide/GuidePage"));

const routes: Record<PagePath, ComponentType> = {
  "/review": ReviewPage,
  "/study": StudyPage,
  "/live": LivePage,
  "/history": HistoryPage,
  "/quality": QualityPage,
  "/sampling": SamplingPage,
  "/roi": RoiPage,
  "/before": BeforePage,
  "/settings": SettingsPage,
  "/people": PeoplePage,
  "/audit": AuditPage,
  "/drift": DriftPage,
  "/models": ModelsPage,
};

const globalActions = [showHelp] as const;

export function App() {
  const { t } = useTranslation();
  const [helping, setHelping] = useState(false);
  const pages = usePages();
  const first: PagePath = pages[0]?.path ?? "/review";
  const [path] = useLocation();
  const name = path === GUIDE ? "guide.title" : pages.find((page) => page.path === path)?.label;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page begins at its top, however far down the last one was
  useLayoutEffect(() => void window.scrollTo(0, 0), [path]);
  useLightPrint();
  useActionKeys(globalActions, { showHelp: () => setHelping(true) });
  return (
    <>
      <title>{name === undefined ? t("app.name") : `${t(name)} · ${t("app.name")}`}</title>
      <Header onHelp={() => setHelping(true)} />
      <main id="content">
        <Suspense>
          <Switch>
            {pages.map(({ path }) => (
              <Route key={path} path={path} component={routes[path]} />
            ))}
            <Route path={GUIDE} component={GuidePage} />
            <Route>
              <Redirect to={first} replace />
            </Route>
          </Switch>
        </Suspense>
      </main>
      {helping && <HelpDialog onClose={() => setHelping(false)} />}
    </>
  );
}
