import classes from "./KeyCap.module.css";

export function KeyCap({ cap }: { cap: string }) {
  return <kbd className={classes.cap}>{cap}</kbd>;
}
