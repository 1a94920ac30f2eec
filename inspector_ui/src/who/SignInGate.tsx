import type { ReactNode } from "react";
import { PasswordPage } from "./PasswordPage";
import { SignInPage } from "./SignInPage";
import { useWho } from "./WhoProvider";

/** In place of the page that was asked for, so that it is there again after signing in. */
export function SignInGate({ children }: { children: ReactNode }) {
  const who = useWho();
  if (who.auth && who.name === null) {
    return <SignInPage />;
  }
  return who.must_change_password ? <PasswordPage /> : children;
}
