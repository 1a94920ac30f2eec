import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { useEventStream, useStreamState } from "../api/EventStreamProvider";
import type { Inspection } from "../api/types";
import { liveQuery } from "./lineQuery";
import { type LiveLine, withInspections, withReview } from "./lines";

/** Read once, then kept up to date by events; read again after the stream was lost, to close the gap. */
export function useLiveLines() {
  const stream = useEventStream();
  const state = useStreamState();
  const query = useQuery(liveQuery);
  const [streamed, setStreamed] = useState<readonly LiveLine[]>([]);
  const { refetch } = query;

  useEffect(() => {
    if (state === "connected") {
      void refetch();
    }
  }, [state, refetch]);

  useEffect(() => {
    let arrived: Inspection[] = [];
    let frame = 0;
    const stopInspections = stream.on("inspection", (inspection) => {
      arrived.push(inspection);
      // one drawing per screen refresh, however fast the lines run
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        const batch = arrived;
        arrived = [];
        setStreamed((lines) => withInspections(lines, batch));
      });
    });
    const stopReviews = stream.on("review", (review) => setStreamed((lines) => withReview(lines, review)));
    return () => {
      cancelAnimationFrame(frame);
      stopInspections();
      stopReviews();
    };
  }, [stream]);

  useEffect(() => {
    if (query.data !== undefined) {
      const read = query.data.flatMap((each) => each.inspections);
      setStreamed((lines) => withInspections(lines, read));
    }
  }, [query.data]);

  return { query, state, lines: useMemo(() => streamed.filter((each) => each.inspections.length > 0), [streamed]) };
}
