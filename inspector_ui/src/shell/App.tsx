import { type ComponentType, lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { Redirect, Route, Switch } from "wouter";
import { showHelp } from "../actions/showHelp";
import { useActionKeys } from "../actions/useActionKeys";
import { LivePage } from "../live/LivePage";
import { ReviewPage } from "../review/ReviewPage";
import { StudyPage } from "../study/StudyPage";
import { Header } from "./Header";
import { HelpDialog } from "./HelpDialog";
import { type PagePath, usePages } from "./pages";

// the charts weigh more than everything else together, and reviewers never open them
const QualityPage = lazy(() => import("../quality/QualityPage"));
const SamplingPage = lazy(() => import("../sampling/SamplingPage"));
const HistoryPage = lazy(() => import("../history/HistoryPage"));
const DriftPage = lazy(() => import("../drift/DriftPage"));
const ModelsPage = lazy(() => import("../models/ModelsPage"));
const RoiPage = lazy(() => import("../roi/RoiPage"));
const PeoplePage = lazy(() => import("../people/PeoplePage"));
const AuditPage = lazy(() => import("../audit/AuditPage"));

const routes: Record<PagePath, ComponentType> = {
  "/review": ReviewPage,
  "/study": StudyPage,
  "/live": LivePage,
  "/history": HistoryPage,
  "/quality": QualityPage,
  "/sampling": SamplingPage,
  "/roi": RoiPage,
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
  useActionKeys(globalActions, { showHelp: () => setHelping(true) });
  return (
    <>
      <title>{t("app.name")}</title>
      <Header onHelp={() => setHelping(true)} />
      <main id="content">
        <Suspense>
          <Switch>
            {pages.map(({ path }) => (
              <Route key={path} path={path} component={routes[path]} />
            ))}
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
