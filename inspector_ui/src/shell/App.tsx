import { type ComponentType, lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { Redirect, Route, Switch } from "wouter";
import { showHelp } from "../actions/showHelp";
import { useActionKeys } from "../actions/useActionKeys";
import { LivePage } from "../live/LivePage";
import { ReviewPage } from "../review/ReviewPage";
import { Header } from "./Header";
import { HelpDialog } from "./HelpDialog";
import type { PagePath } from "./pages";

// the charts weigh more than everything else together, and reviewers never open them
const QualityPage = lazy(() => import("../quality/QualityPage"));
const DriftPage = lazy(() => import("../drift/DriftPage"));
const ModelsPage = lazy(() => import("../models/ModelsPage"));
const RoiPage = lazy(() => import("../roi/RoiPage"));

const routes: Record<PagePath, ComponentType> = {
  "/review": ReviewPage,
  "/live": LivePage,
  "/quality": QualityPage,
  "/roi": RoiPage,
  "/drift": DriftPage,
  "/models": ModelsPage,
};

const globalActions = [showHelp] as const;

export function App() {
  const { t } = useTranslation();
  const [helping, setHelping] = useState(false);
  useActionKeys(globalActions, { showHelp: () => setHelping(true) });
  return (
    <>
      <title>{t("app.name")}</title>
      <Header onHelp={() => setHelping(true)} />
      <main id="content">
        <Suspense>
          <Switch>
            {Object.entries(routes).map(([path, component]) => (
              <Route key={path} path={path} component={component} />
            ))}
            <Route>
              <Redirect to={"/review" satisfies PagePath} replace />
            </Route>
          </Switch>
        </Suspense>
      </main>
      {helping && <HelpDialog onClose={() => setHelping(false)} />}
    </>
  );
}
